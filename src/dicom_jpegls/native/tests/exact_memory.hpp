// SPDX-License-Identifier: MIT
//
// For tests of memory bounds, with and without a fuzzer: a check that ends the run, and memory without a spare byte.
#pragma once

#include "stream/bytes.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#define REQUIRE(condition)                                                                                             \
    do                                                                                                                 \
    {                                                                                                                  \
        if (!(condition))                                                                                              \
        {                                                                                                              \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                             \
            std::abort();                                                                                              \
        }                                                                                                              \
    } while (false)

namespace dicom_jpegls {

// Heap memory of exactly this size, so that the address sanitizer sees the first byte read or written outside of it.
class block final
{
public:
    explicit block(const std::size_t size, const std::uint8_t filling = 0) : data_{new std::uint8_t[size]}, size_{size}
    {
        if (size != 0)
            std::memset(data_.get(), filling, size);
    }

    block(const std::uint8_t* source, const std::size_t size) : block{size, 0}
    {
        if (size != 0)
            std::memcpy(data_.get(), source, size);
    }

    explicit block(const std::vector<std::uint8_t>& source) : block{source.data(), source.size()}
    {
    }

    std::uint8_t* data() const noexcept
    {
        return data_.get();
    }

    std::size_t size() const noexcept
    {
        return size_;
    }

    byte_span bytes() const noexcept
    {
        return {data_.get(), size_};
    }

private:
    std::unique_ptr<std::uint8_t[]> data_;
    std::size_t size_;
};

#ifdef _WIN32

inline std::size_t page_size() noexcept
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

// Pages that nobody can access.
inline std::uint8_t* reserve_pages(const std::size_t size) noexcept
{
    void* const memory{VirtualAlloc(nullptr, size, MEM_RESERVE, PAGE_NOACCESS)};
    REQUIRE(memory != nullptr);
    return static_cast<std::uint8_t*>(memory);
}

inline void allow_access(std::uint8_t* const pages, const std::size_t size) noexcept
{
    REQUIRE(VirtualAlloc(pages, size, MEM_COMMIT, PAGE_READWRITE) != nullptr);
}

inline void release_pages(std::uint8_t* const pages, std::size_t /*size*/) noexcept
{
    VirtualFree(pages, 0, MEM_RELEASE);
}

#else

inline std::size_t page_size() noexcept
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Pages that nobody can access.
inline std::uint8_t* reserve_pages(const std::size_t size) noexcept
{
    void* const memory{mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    REQUIRE(memory != MAP_FAILED);
    return static_cast<std::uint8_t*>(memory);
}

inline void allow_access(std::uint8_t* const pages, const std::size_t size) noexcept
{
    REQUIRE(mprotect(pages, size, PROT_READ | PROT_WRITE) == 0);
}

inline void release_pages(std::uint8_t* const pages, const std::size_t size) noexcept
{
    munmap(pages, size);
}

#endif

// Lines of equal size, each on a page between two that nobody can access, so that the first access to the gap between
// two lines ends the program. A line lies at the end of its page or at the start, `shift` bytes away from the edge.
class fenced_lines final
{
public:
    fenced_lines(const std::size_t line_size, const std::size_t line_count, const bool at_end,
                 const std::size_t shift) :
        line_size_{line_size}, line_count_{line_count}, page_{page_size()}
    {
        REQUIRE(line_size + shift <= page_);
        offset_ = page_ + (at_end ? page_ - line_size - shift : shift);
        memory_ = reserve_pages(memory_size());
        for (std::size_t i{}; i != line_count; ++i)
            allow_access(memory_ + page_ + i * stride(), page_);
    }

    fenced_lines(const fenced_lines&) = delete;
    fenced_lines& operator=(const fenced_lines&) = delete;

    ~fenced_lines()
    {
        release_pages(memory_, memory_size());
    }

    [[nodiscard]] std::uint8_t* data() const noexcept
    {
        return memory_ + offset_;
    }

    [[nodiscard]] std::size_t stride() const noexcept
    {
        return 2 * page_;
    }

    // In bytes, from the first to the last of the lines.
    [[nodiscard]] std::size_t size() const noexcept
    {
        return (line_count_ - 1) * stride() + line_size_;
    }

    // Copies lines without gaps here, or back.
    void fill(const std::uint8_t* const lines) const noexcept
    {
        for (std::size_t i{}; i != line_count_; ++i)
            std::memcpy(data() + i * stride(), lines + i * line_size_, line_size_);
    }

    [[nodiscard]] std::vector<std::uint8_t> lines() const
    {
        std::vector<std::uint8_t> copy(line_count_ * line_size_);
        for (std::size_t i{}; i != line_count_; ++i)
            std::memcpy(copy.data() + i * line_size_, data() + i * stride(), line_size_);
        return copy;
    }

private:
    [[nodiscard]] std::size_t memory_size() const noexcept
    {
        return (2 * line_count_ + 1) * page_;
    }

    std::size_t line_size_;
    std::size_t line_count_;
    std::size_t page_;
    std::size_t offset_{};
    std::uint8_t* memory_{};
};

} // namespace dicom_jpegls
