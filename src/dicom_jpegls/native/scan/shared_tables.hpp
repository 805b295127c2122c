// SPDX-License-Identifier: MIT
//
// Tables that depend on precision and NEAR only, shared by all scans of the process: those of a stream, its restart
// intervals and planes, and of one call after another.
#pragma once

#include "parameters.hpp"

#include <array>
#include <memory>
#include <mutex>

namespace dicom_jpegls::scan {

// What the tables of near-lossless coding with default thresholds are made for.
struct table_key
{
    std::int32_t maximum;
    std::int32_t near_value;

    bool operator==(const table_key& other) const noexcept
    {
        return maximum == other.maximum && near_value == other.near_value;
    }
};

// Keeps the tables used last, a few of them, since they are large. All functions may be called by several threads.
template<typename Table>
class shared_tables final
{
public:
    // The table of a key, or nullptr. A scan of `sample_count` samples counts as in need of it: `is_needed` is called
    // with the samples of all scans that asked for it and had none.
    template<typename IsNeeded, typename Make>
    [[nodiscard]] std::shared_ptr<const Table> find(const table_key& key, const std::uint64_t sample_count,
                                                    const IsNeeded& is_needed, const Make& make)
    {
        const std::lock_guard lock{mutex_};
        auto found{std::find_if(entries_.begin(), entries_.end(),
                                [&key](const entry& candidate) { return candidate.key == key; })};
        if (found == entries_.end())
        {
            found = entries_.begin() + static_cast<std::ptrdiff_t>(next_);
            next_ = (next_ + 1) % entries_.size();
            *found = {key, 0, nullptr};
        }
        if (!found->table)
        {
            found->sample_count += sample_count;
            if (is_needed(found->sample_count))
                found->table = std::make_shared<const Table>(make());
        }
        return found->table;
    }

private:
    struct entry
    {
        table_key key{};
        std::uint64_t sample_count{};
        std::shared_ptr<const Table> table;
    };

    std::mutex mutex_;
    std::array<entry, 4> entries_;
    std::size_t next_{}; // to be replaced
};

} // namespace dicom_jpegls::scan
