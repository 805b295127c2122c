// SPDX-License-Identifier: MIT
//
// What is left of a damaged stream: goes on after damage in entropy-coded data, and finds by the numbers of the restart
// markers where in the image it is.
#pragma once

#include "inspector.hpp"

namespace dicom_jpegls {

// So many samples and bytes are tried at least, which bounds the time and the memory that each costs. Smaller restart
// intervals are tried together.
inline constexpr std::uint64_t smallest_piece_to_try{48};

class salvager final : public inspector
{
public:
    using inspector::inspector;

    // The pieces are those whose position in the image is known; they, too, may turn out to be damaged.
    [[nodiscard]] inspection_error salvage()
    {
        if (const fault code = walk(); code != fault::none)
            record_damage(code, value_);
        return first_damage_;
    }

private:
    void record_damage(const fault code, const std::int64_t value) noexcept
    {
        if (first_damage_.code == fault::none)
            first_damage_ = error_here(code, value);
    }

    // The numbers of the restart markers say how many of them are missing, up to seven in a row; a marker that is not
    // allowed here is taken for damaged data.
    [[nodiscard]] fault read_scan_data(const piece& scan) override
    {
        pieces_->separate();
        const std::size_t first = pieces_->count();
        const std::uint32_t last = interval_count(scan) - 1;
        std::size_t before_gap{};
        bool gap{};
        std::uint32_t index{};
        bool ended{};
        for (;;)
        {
            const std::size_t begin = reader_.position();
            std::uint32_t lost{};
            ended = find_end_of_interval(last - index, index, lost);
            scan_end_ = current_.offset;
            const bool is_last = !ended || !is_restart_marker(current_.code);
            if (lost == 0)
            {
                if (is_last)
                    pieces_->separate(); // whether it is cut off decides on the others
                add_interval(scan, index, begin, scan_end_);
            }
            else
            {
                // The start of one interval and the end of another: neither can be decoded.
                record_damage(fault::restart_marker, current_.code - marker_rst0);
                pieces_->interrupt();
                if (!gap)
                    before_gap = pieces_->count();
                gap = true;
            }
            if (is_last)
                break;
            index += lost + 1;
        }
        if (!ended)
            record_damage(fault::no_end_of_image, -1);
        if (index == last && ended)
            return fault::none; // the last interval has the right number, so all have

        record_damage(fault::restart_marker_missing, index);
        if (gap)
            pieces_->truncate(before_gap);
        else if (ended)
            pieces_->mark_uncertain(first); // the scan is cut off, or a multiple of eight intervals is missing anywhere
        return fault::none;
    }

    // Moves to the marker that ends an interval: a restart marker, of which `left` may still come, or one after the
    // scan. Then `current_` is that marker and `lost` the number of restart markers missing before it. Returns false at
    // the end of the stream. The reader is after a restart marker, otherwise before the marker.
    [[nodiscard]] bool find_end_of_interval(const std::uint32_t left, const std::uint32_t index,
                                            std::uint32_t& lost) noexcept
    {
        while (reader_.skip_entropy_coded_data())
        {
            segment_reader ahead{reader_};
            const fault code = ahead.next();
            current_ = ahead.current();
            if (code == fault::none)
            {
                if (is_restart_marker(current_.code))
                {
                    lost = (std::uint32_t{current_.code} - marker_rst0 - index) % 8;
                    if (lost < left)
                    {
                        reader_ = ahead;
                        return true;
                    }
                }
                else if (current_.code == marker_eoi || (!all_components_coded() && may_precede_scan(current_.code)))
                {
                    lost = 0;
                    return true;
                }
            }
            record_damage(fault::unexpected_marker, -1);
            reader_.skip(current_.offset + 1 - reader_.position()); // not to look at fill bytes again and again
        }
        current_ = {0, stream_.size, stream_.size, 0};
        lost = 0;
        return false;
    }

    [[nodiscard]] static bool may_precede_scan(const std::uint8_t code) noexcept
    {
        return code == marker_sos || code == marker_lse || code == marker_dri || code == marker_com ||
               is_application_marker(code);
    }

    inspection_error first_damage_{};
};

// Collects what can be tried of a stream that may be damaged, in pieces of at least `minimum_size` samples and bytes;
// the last of a scan may be smaller.
[[nodiscard]] inline piece_list salvage(const byte_span stream, const limits& allowed,
                                        const std::uint64_t minimum_size = smallest_piece_to_try)
{
    piece_list result;
    piece_collector pieces{result.pieces, 1, minimum_size};
    result.error = salvager{stream, allowed, result.info, &pieces}.salvage();
    return result;
}

} // namespace dicom_jpegls
