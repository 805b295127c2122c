// SPDX-License-Identifier: MIT
//
// What the fuzz targets share: checks that end the run, and buffers without a spare byte. What they test is the code
// that the package is made of.
#pragma once

#include "codec/layout.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

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
    block(const std::size_t size, const std::uint8_t filling) : data_{new std::uint8_t[size]}, size_{size}
    {
        if (size != 0)
            std::memset(data_.get(), filling, size);
    }

    block(const std::uint8_t* source, const std::size_t size) : block{size, 0}
    {
        if (size != 0)
            std::memcpy(data_.get(), source, size);
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

// The layout of an image with so many bytes between its lines.
inline image_layout layout_of(const frame_info& frame, const std::int32_t interleave_mode, const std::uint32_t gap)
{
    const std::uint64_t line_size = lay_out(frame, interleave_mode, 0).layout.line_size;
    const auto [error, layout] = lay_out(frame, interleave_mode, line_size + gap);
    REQUIRE(error == status::success);
    return layout;
}

} // namespace dicom_jpegls
