// SPDX-License-Identifier: MIT
//
// What the fuzz targets share: checks that end the run, buffers without a spare byte, and CharLS called in the way
// that _codec.pyx calls it.
#pragma once

#include "stream.hpp"

#include <charls/charls.h>

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

private:
    std::unique_ptr<std::uint8_t[]> data_;
    std::size_t size_;
};

// How uncompressed samples lie in memory; see Layout of _codec.pyx.
struct layout
{
    std::uint64_t row;    // bytes of a line of samples: of all components, or of one when they are coded by plane
    std::uint64_t rows;   // lines, those of all planes together
    std::uint64_t stride; // bytes from the start of a line to that of the next
    std::uint64_t size;   // bytes from the first to the last sample
};

inline layout lay_out(const std::uint32_t width, const std::uint32_t height, const std::int32_t component_count,
                      const std::int32_t bits_per_sample, const std::int32_t mode, const std::uint32_t gap) noexcept
{
    const std::uint64_t bytes_per_sample = bits_per_sample <= 8 ? 1 : 2;
    const auto components = static_cast<std::uint64_t>(component_count);
    const bool planes = mode == interleave_none;
    layout result{};
    result.row = width * bytes_per_sample * (planes ? 1 : components);
    result.rows = height * (planes ? components : 1);
    result.stride = result.row + gap;
    result.size = (result.rows - 1) * result.stride + result.row;
    return result;
}

inline int charls_decode(const block& stream, const block& samples, const std::uint64_t stride)
{
    charls_jpegls_decoder* decoder = charls_jpegls_decoder_create();
    REQUIRE(decoder);
    charls_jpegls_errc code = charls_jpegls_decoder_set_source_buffer(decoder, stream.data(), stream.size());
    if (code == charls::jpegls_errc::success)
        code = charls_jpegls_decoder_read_header(decoder);
    if (code == charls::jpegls_errc::success)
        code = charls_jpegls_decoder_decode_to_buffer(decoder, samples.data(), samples.size(),
                                                      static_cast<std::uint32_t>(stride));
    charls_jpegls_decoder_destroy(decoder);
    return static_cast<int>(code);
}

// Decodes `stream`; a second time without its byte of padding, should CharLS stumble over that one.
inline int decode(const block& stream, const stream_info& info, const block& samples, const std::uint64_t stride)
{
    const int code = charls_decode(stream, samples, stride);
    const std::size_t padding = info.zero_before_end;
    if (padding == 0 || (code != static_cast<int>(charls::jpegls_errc::jpeg_marker_start_byte_not_found) &&
                         code != static_cast<int>(charls::jpegls_errc::too_much_encoded_data)))
        return code;
    const block without{stream.data(), stream.size() - 1};
    std::memcpy(without.data() + padding, stream.data() + padding + 1, stream.size() - padding - 1);
    return charls_decode(without, samples, stride);
}

} // namespace dicom_jpegls
