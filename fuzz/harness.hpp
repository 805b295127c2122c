// SPDX-License-Identifier: MIT
//
// What the fuzz targets share: checks that end the run, buffers without a spare byte, and CharLS called in the way
// that _codec.pyx calls it.
#pragma once

#include "stream/pieces.hpp"
#include "stream/salvage.hpp"

#include <charls/charls.h>

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

inline int charls_decode(const std::uint8_t* stream, const std::size_t size, std::uint8_t* samples,
                         const std::size_t samples_size, const std::uint64_t stride)
{
    charls_jpegls_decoder* decoder = charls_jpegls_decoder_create();
    REQUIRE(decoder);
    charls_jpegls_errc code = charls_jpegls_decoder_set_source_buffer(decoder, stream, size);
    if (code == charls::jpegls_errc::success)
        code = charls_jpegls_decoder_read_header(decoder);
    if (code == charls::jpegls_errc::success)
        code = charls_jpegls_decoder_decode_to_buffer(decoder, samples, samples_size,
                                                      static_cast<std::uint32_t>(stride));
    charls_jpegls_decoder_destroy(decoder);
    return static_cast<int>(code);
}

// Whether all lines were decoded and something was left behind them.
inline bool found_data_left(const int code)
{
    return code == static_cast<int>(charls::jpegls_errc::jpeg_marker_start_byte_not_found) ||
           code == static_cast<int>(charls::jpegls_errc::too_much_encoded_data) ||
           code == static_cast<int>(charls::jpegls_errc::end_of_image_marker_not_found);
}

// Decodes the first lines of a piece; a second time without its byte of padding, should CharLS stumble over that one.
inline int decode_piece(const block& stream, const stream_info& info, const piece& part, const std::uint32_t line_count,
                        std::uint8_t* samples, const std::size_t samples_size, const std::uint64_t stride)
{
    const auto decode_data = [&](const piece& data) {
        const block room{piece_stream_size_limit(data), 0};
        const block alone{room.data(), write_piece(stream.bytes(), info, data, line_count, room.data())};
        return charls_decode(alone.data(), alone.size(), samples, samples_size, stride);
    };
    const int code = decode_data(part);
    if (line_count < part.line_count || !found_data_left(code) || part.end - part.begin < 2 ||
        stream.data()[part.end - 1] != 0 || stream.data()[part.end - 2] == 0xFF)
        return code;
    piece shorter{part};
    --shorter.end;
    return decode_data(shorter);
}

// Where the first sample of a piece lies.
inline std::uint64_t offset_of(const stream_info& info, const piece& part, const std::uint64_t stride)
{
    const std::uint64_t plane = info.interleave_mode == interleave_none ? std::uint64_t{info.height} : 0;
    return (static_cast<std::uint64_t>(part.first_component) * plane + part.first_line) * stride;
}

inline int decode_pieces(const block& stream, const stream_info& info, const std::vector<piece>& pieces,
                         const block& samples, const layout& place)
{
    for (const piece& part : pieces)
    {
        const int code = decode_piece(stream, info, part, part.line_count,
                                      samples.data() + offset_of(info, part, place.stride),
                                      (part.line_count - 1) * place.stride + place.row, place.stride);
        if (code != 0)
            return code;
    }
    return 0;
}

// Decodes a stream that was found to be sound: as it lies there, or scan by scan.
inline int decode(const block& stream, const limits& allowed, const stream_info& info, const block& samples,
                  const layout& place)
{
    const auto decode_scans = [&] {
        return decode_pieces(stream, info, inspect_pieces(stream.bytes(), allowed, UINT32_MAX).pieces, samples, place);
    };
    if (info.component_count > 1 && info.interleave_mode == interleave_none)
        return decode_scans();
    const int code = charls_decode(stream.data(), info.size, samples.data(), samples.size(), place.stride);
    return info.zero_before_end != 0 && found_data_left(code) ? decode_scans() : code;
}

} // namespace dicom_jpegls
