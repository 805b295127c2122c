// SPDX-License-Identifier: MIT
//
// Streams for the tests, made segment by segment.
#pragma once

#include "stream/markers.hpp"

#include <initializer_list>
#include <vector>

namespace dicom_jpegls::tests {

using bytes = std::vector<std::uint8_t>;

inline byte_span span(const bytes& from)
{
    return {from.data(), from.size()};
}

inline void append(bytes& to, const bytes& from)
{
    to.insert(to.end(), from.begin(), from.end());
}

inline bytes marker_only(const std::uint8_t code)
{
    return {0xFF, code};
}

inline bytes segment_of(const std::uint8_t code, const bytes& data)
{
    const std::size_t length{data.size() + 2};
    bytes result{0xFF, code, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
    append(result, data);
    return result;
}

inline bytes frame_header(const int width, const int height, const int bits_per_sample = 8,
                          const bytes& component_ids = {1})
{
    bytes data{static_cast<std::uint8_t>(bits_per_sample), static_cast<std::uint8_t>(height >> 8),
               static_cast<std::uint8_t>(height),          static_cast<std::uint8_t>(width >> 8),
               static_cast<std::uint8_t>(width),           static_cast<std::uint8_t>(component_ids.size())};
    for (const std::uint8_t id : component_ids)
        append(data, {id, 0x11, 0});
    return segment_of(marker_sof55, data);
}

inline bytes scan_header(const bytes& component_ids = {1}, const int near_lossless = 0, const int interleave_mode = 0)
{
    bytes data{static_cast<std::uint8_t>(component_ids.size())};
    for (const std::uint8_t id : component_ids)
        append(data, {id, 0});
    append(data, {static_cast<std::uint8_t>(near_lossless), static_cast<std::uint8_t>(interleave_mode), 0});
    return segment_of(marker_sos, data);
}

inline bytes joined(const std::initializer_list<bytes> parts)
{
    bytes result;
    for (const bytes& part : parts)
        append(result, part);
    return result;
}

// A stream of these parts between SOI and EOI.
inline bytes stream_of(const std::initializer_list<bytes> parts)
{
    return joined({marker_only(marker_soi), joined(parts), marker_only(marker_eoi)});
}

} // namespace dicom_jpegls::tests
