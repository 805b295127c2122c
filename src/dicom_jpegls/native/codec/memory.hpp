// SPDX-License-Identifier: MIT
//
// Bytes on the heap that are not initialised, since pages that are never touched cost nothing.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace dicom_jpegls {

// Asks for huge pages for new memory that will be filled: a tenth of the time that the system takes to provide it.
inline void prefer_huge_pages([[maybe_unused]] std::uint8_t* const data,
                              [[maybe_unused]] const std::size_t size) noexcept
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::size_t page{4096};
    constexpr std::size_t worthwhile{std::size_t{1} << 22};
    if (size < worthwhile)
        return;
    const std::size_t before{(page - reinterpret_cast<std::uintptr_t>(data) % page) % page};
    static_cast<void>(madvise(data + before, (size - before) / page * page, MADV_HUGEPAGE)); // no harm if refused
#endif
}

class heap_bytes final
{
public:
    heap_bytes() = default;

    // Throws std::bad_alloc, also for a size beyond the address space.
    explicit heap_bytes(const std::uint64_t size)
    {
        if (size > SIZE_MAX)
            throw std::bad_alloc{};
        size_ = static_cast<std::size_t>(size);
        data_.reset(static_cast<std::uint8_t*>(std::malloc(std::max<std::size_t>(size_, 1))));
        if (!data_)
            throw std::bad_alloc{};
    }

    heap_bytes(heap_bytes&& other) noexcept : data_{std::move(other.data_)}, size_{std::exchange(other.size_, 0)}
    {
    }

    heap_bytes& operator=(heap_bytes&& other) noexcept
    {
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    [[nodiscard]] std::uint8_t* data() const noexcept
    {
        return data_.get();
    }

    [[nodiscard]] std::size_t size() const noexcept
    {
        return size_;
    }

    // Keeps only the first bytes.
    void shrink(const std::size_t size) noexcept
    {
        assert(size <= size_);
        std::uint8_t* const data{data_.release()};
        void* const shrunk{std::realloc(data, std::max<std::size_t>(size, 1))};
        data_.reset(shrunk ? static_cast<std::uint8_t*>(shrunk) : data);
        size_ = size;
    }

    // Copies all bytes and frees them on the way, from the end, so that not all of them are in memory twice. Few and
    // large steps, since realloc copies on some systems.
    void move_to(std::uint8_t* const destination) noexcept
    {
        const std::size_t step = std::max(size_ / 32, std::size_t{1} << 20);
        while (size_ != 0)
        {
            const std::size_t left = size_ - std::min(step, size_);
            std::memcpy(destination + left, data() + left, size_ - left);
            if (left != 0)
                shrink(left);
            size_ = left;
        }
        data_.reset();
    }

private:
    struct deleter
    {
        void operator()(std::uint8_t* const data) const noexcept
        {
            std::free(data);
        }
    };

    std::unique_ptr<std::uint8_t, deleter> data_;
    std::size_t size_{};
};

} // namespace dicom_jpegls
