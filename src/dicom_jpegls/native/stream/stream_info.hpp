// SPDX-License-Identifier: MIT
//
// What is known of a stream once it has been inspected, and the limits for that.
#pragma once

#include "annotations.hpp"
#include "presets.hpp"

#include <vector>

namespace dicom_jpegls {

inline constexpr std::uint32_t default_maximum_dimension{65535};  // DICOM's: Rows and Columns are 16-bit numbers
inline constexpr std::uint32_t highest_maximum_dimension{100000}; // CharLS's, since 2.4.4

// A gigabyte of 16-bit samples: more than all but the largest slides, far less than what a few kilobytes can claim to
// hold.
inline constexpr std::uint64_t default_maximum_samples{std::uint64_t{1} << 29};

// What a stream may ask for, checked before anybody allocates memory for it.
struct limits
{
    std::uint32_t dimension{default_maximum_dimension}; // of the width and of the height
    std::uint64_t samples{default_maximum_samples};     // width x height x components
};

// ILV (T.87 C.2.3). Unscoped, since CharLS and the C API have the same numbers.
enum interleave_mode : std::int32_t
{
    interleave_none = 0,
    interleave_line = 1,
    interleave_sample = 2,
};

// Whether line and sample interleave are supported. Other numbers of components are possible (T.87 C.2.3), but CharLS
// does not code all of them correctly.
[[nodiscard]] constexpr bool can_interleave(const std::int32_t component_count) noexcept
{
    return component_count == 3 || component_count == 4;
}

// Where scans differ, the presets are those of the first and NEAR is the largest.
struct stream_info
{
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t component_count;
    std::int32_t interleave_mode;
    std::int32_t near_lossless;
    std::int32_t color_transformation; // that the samples have gone through; 0 for none
    std::uint32_t restart_interval;    // in lines; 0 for none
    preset_coding_parameters presets;
    bool has_spiff_header;
    spiff_header spiff;
    std::size_t annotation_count; // COM and APPn segments, whatever they hold
    std::size_t size;             // in bytes from SOI to EOI, both included
    std::size_t trailing_size;    // in bytes after EOI, without padding of 00 and FF at their end
    bool has_scan;                // a valid scan header was found: the fields up to spiff are complete
    bool has_presets;             // an LSE segment with presets was found
    std::size_t zero_before_end;  // offset of a lone 00 byte before EOI, as some old encoders write it; 0 for none
    std::size_t data_begin;       // offset of the last scan's entropy-coded data, restart markers included
    std::size_t data_end;         // offset of the marker after that data
};

struct inspection
{
    stream_info info{};       // complete if there is no error
    inspection_error error{}; // the first
};

// A part of a stream that can be decoded alone, because the coding state is reset at its start (T.87 C.2.5): a scan, or
// consecutive restart intervals of one.
struct piece
{
    std::size_t begin; // offset of the entropy-coded data
    std::size_t end;   // offset of the marker after that data
    std::uint32_t first_line;
    std::uint32_t line_count;
    std::uint32_t restart_interval; // in lines
    std::int32_t first_component;
    std::int32_t component_count; // of the scan
    std::int32_t near_lossless;
    preset_coding_parameters presets;
    bool position_is_certain; // false: it is at first_line only if the last piece of its scan turns out to be cut off
};

struct piece_list
{
    stream_info info{};       // complete if there is a piece
    inspection_error error{}; // the first
    std::vector<piece> pieces;
};

} // namespace dicom_jpegls
