// SPDX-License-Identifier: MIT
//
// Inspected streams to samples. Every function works in the calling thread; several may decode pieces of one stream at
// once.
#pragma once

#include "layout.hpp"

#include <optional>
#include <vector>

namespace dicom_jpegls {

struct inspected_stream
{
    byte_span bytes{};
    limits allowed{};
    stream_info info{};
    bool is_damaged{}; // the inspection found a fault, and `info` is what could be salvaged
    // Instead of the defaults, where the stream has no presets; zeros stand for defaults.
    std::optional<preset_coding_parameters> assumed_presets;
};

// Assumes presets for a stream and checks them; has no effect on one that has presets.
[[nodiscard]] fault assume_presets(inspected_stream& source, const preset_coding_parameters& presets) noexcept;

// Decodes a sound stream. The bytes may be changed by others meanwhile: then fault::changed is one of the possible
// results.
[[nodiscard]] status decode_image(const inspected_stream& source, std::uint8_t* samples,
                                  const image_layout& layout) noexcept;

struct variant_result
{
    status error{status::success};
    default_thresholds variant{default_thresholds::standard}; // whose thresholds were taken; standard if none's
    preset_coding_parameters presets{};                       // of the first scan
};

// Decodes a sound stream that cannot be decoded as it is with the thresholds of faulty encoders, if it has no presets
// and no restart markers. A variant is taken if every scan ends where the data does.
[[nodiscard]] variant_result decode_with_variants(const inspected_stream& source, std::uint8_t* samples,
                                                  const image_layout& layout) noexcept;

struct found_pieces
{
    status error{status::success};
    std::vector<piece> pieces;
};

// The pieces of a stream, each of at least so many lines, unless its scan ends before. fault::changed if the stream is
// no longer the one that was inspected.
[[nodiscard]] found_pieces find_pieces(const inspected_stream& source, std::uint32_t minimum_lines) noexcept;

// Decodes a piece to its position in the image.
[[nodiscard]] status decode_piece(const inspected_stream& source, const piece& part, std::uint8_t* samples,
                                  const image_layout& layout) noexcept;

// Decodes what can be decoded of a stream that may be damaged. Sets `good` to 1 for each line that was decoded before a
// fault was found, and leaves it for all others, whose samples are then undefined. Where data is left after the last
// line, none of them is good; zeros that no encoder writes, and those at the end, are taken for missing data.
[[nodiscard]] status decode_good_lines(const inspected_stream& source, std::uint8_t* samples,
                                       const image_layout& layout, std::uint8_t* good) noexcept;

// Whether all lines were decoded, but data was left.
[[nodiscard]] bool has_found_data_left(status code) noexcept;

} // namespace dicom_jpegls
