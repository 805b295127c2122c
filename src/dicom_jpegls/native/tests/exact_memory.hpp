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

} // namespace dicom_jpegls
