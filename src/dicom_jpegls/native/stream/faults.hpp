// SPDX-License-Identifier: MIT
//
// The faults that are found in a stream before CharLS sees it. Their numbers are part of the Python and C APIs: a new
// fault is added at the end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dicom_jpegls {

// Those of scan/codec_fault.hpp are below.
inline constexpr int first_fault_code{1000};

enum class fault : int
{
    none = 0,
    no_start_of_image = first_fault_code,
    truncated,
    marker_expected,
    segment_length,
    unknown_marker,
    unexpected_marker,
    other_jpeg_process,
    line_count_later,
    bits_per_sample,
    dimension_missing,
    dimension_repeated,
    dimension_too_large,
    too_many_samples,
    component_count,
    component_repeated,
    subsampling,
    preset_type,
    preset_extension,
    mapping_table,
    preset_value,
    preset_maximum,
    preset_reset,
    color_transformation,
    color_transformation_kind,
    color_transformation_use,
    scan_components,
    scan_component,
    scan_order,
    near_lossless,
    interleave_mode,
    interleave_mode_two,
    point_transform,
    scans_missing,
    restart_marker,
    restart_marker_missing,
    scan_data_too_short,
    no_end_of_image,
    changed,
};

inline constexpr fault last_fault{fault::changed};

// Whether the stream breaks the standard, or is of a kind that is not supported.
enum class fault_kind
{
    invalid,
    unsupported,
};

struct fault_description
{
    fault code;
    const char* name;
    fault_kind kind;
    const char* text; // what the reader of an error message sees
};

inline constexpr fault_description fault_descriptions[]{
    {fault::no_start_of_image, "no_start_of_image", fault_kind::invalid,
     "the stream does not start with an SOI marker (FFD8)"},
    {fault::truncated, "truncated", fault_kind::invalid, "the stream ends inside a marker segment"},
    {fault::marker_expected, "marker_expected", fault_kind::invalid, "a marker (FF) is expected at this position"},
    {fault::segment_length, "segment_length", fault_kind::invalid,
     "the length of the marker segment is wrong for its type"},
    {fault::unknown_marker, "unknown_marker", fault_kind::invalid,
     "the marker is not allowed in a JPEG-LS stream (T.87 C.1.1)"},
    {fault::unexpected_marker, "unexpected_marker", fault_kind::invalid, "the marker is not allowed at this position"},
    {fault::other_jpeg_process, "other_jpeg_process", fault_kind::unsupported,
     "the frame header is that of another JPEG process, not of JPEG-LS (SOF55, FFF7)"},
    {fault::line_count_later, "line_count_later", fault_kind::unsupported,
     "the height is 0, that is, defined later by a DNL segment, which is not supported"},
    {fault::bits_per_sample, "bits_per_sample", fault_kind::invalid,
     "the sample precision is not in 2..16 (T.87 C.2.2)"},
    {fault::dimension_missing, "dimension_missing", fault_kind::invalid, "the width is 0"},
    {fault::dimension_repeated, "dimension_repeated", fault_kind::invalid, "the width or the height is defined twice"},
    {fault::dimension_too_large, "dimension_too_large", fault_kind::unsupported,
     "the width or the height exceeds the limit (max_dimension)"},
    {fault::too_many_samples, "too_many_samples", fault_kind::unsupported,
     "width x height x components exceeds the limit (max_samples)"},
    {fault::component_count, "component_count", fault_kind::invalid, "the number of components is 0"},
    {fault::component_repeated, "component_repeated", fault_kind::invalid,
     "duplicate component identifier in the frame header"},
    {fault::subsampling, "subsampling", fault_kind::unsupported,
     "subsampled components are not supported (DICOM does not use them)"},
    {fault::preset_type, "preset_type", fault_kind::invalid, "unknown type of LSE segment (T.87 C.2.4.1)"},
    {fault::preset_extension, "preset_extension", fault_kind::unsupported,
     "the LSE segment is of a type from the extensions of T.870, which are not supported"},
    {fault::mapping_table, "mapping_table", fault_kind::unsupported, "mapping tables (palettes) are not supported"},
    {fault::preset_value, "preset_value", fault_kind::invalid,
     "a preset coding parameter is out of range (T.87 C.2.4.1.1)"},
    {fault::preset_maximum, "preset_maximum", fault_kind::unsupported, "MAXVAL other than 2^P - 1 is not supported"},
    {fault::preset_reset, "preset_reset", fault_kind::unsupported,
     "RESET above 255, or other than 64 in sample interleave, is not supported"},
    {fault::color_transformation, "color_transformation", fault_kind::invalid,
     "unknown number of a colour transformation"},
    {fault::color_transformation_kind, "color_transformation_kind", fault_kind::unsupported,
     "colour transformations other than HP1, HP2 and HP3 are not supported"},
    {fault::color_transformation_use, "color_transformation_use", fault_kind::unsupported,
     "colour transformations are supported only for 8 and 16 bits, since decoders disagree about other precisions; "
     "they are encoded only for lossless images of 3 components in line or sample interleave"},
    {fault::scan_components, "scan_components", fault_kind::invalid,
     "the scan's number of components is neither 1 nor that of the frame"},
    {fault::scan_component, "scan_component", fault_kind::invalid,
     "the scan selects a component that is not in the frame or that an earlier scan has coded"},
    {fault::scan_order, "scan_order", fault_kind::unsupported,
     "scans with components in another order than in the frame header are not supported"},
    {fault::near_lossless, "near_lossless", fault_kind::invalid,
     "NEAR is greater than min(255, MAXVAL / 2) (T.87 C.2.3)"},
    {fault::interleave_mode, "interleave_mode", fault_kind::invalid,
     "the interleave mode is not valid for the scan's number of components (T.87 C.2.3)"},
    {fault::interleave_mode_two, "interleave_mode_two", fault_kind::unsupported,
     "line and sample interleave are supported only for 3 and 4 components"},
    {fault::point_transform, "point_transform", fault_kind::unsupported, "point transforms are not supported"},
    {fault::scans_missing, "scans_missing", fault_kind::invalid,
     "the stream ends before every component has been coded"},
    {fault::restart_marker, "restart_marker", fault_kind::invalid,
     "the restart marker is out of place or out of sequence"},
    {fault::restart_marker_missing, "restart_marker_missing", fault_kind::invalid,
     "the scan has fewer restart markers than its restart interval requires"},
    {fault::scan_data_too_short, "scan_data_too_short", fault_kind::invalid,
     "the scan's data is too short for an image of this size"},
    {fault::no_end_of_image, "no_end_of_image", fault_kind::invalid,
     "the stream ends without an EOI marker (FFD9): it is truncated"},
    {fault::changed, "changed", fault_kind::invalid, "the stream's bytes changed while it was being decoded"},
};

namespace detail {

constexpr bool descriptions_are_in_order() noexcept
{
    int code{first_fault_code};
    for (const fault_description& description : fault_descriptions)
    {
        if (static_cast<int>(description.code) != code)
            return false;
        ++code;
    }
    return code == static_cast<int>(last_fault) + 1;
}

} // namespace detail

static_assert(detail::descriptions_are_in_order(), "one description for each fault, in the order of their numbers");

// The description of a fault's number; nullptr for any other number.
[[nodiscard]] constexpr const fault_description* describe(const int code) noexcept
{
    if (code < first_fault_code || code > static_cast<int>(last_fault))
        return nullptr;
    return &fault_descriptions[code - first_fault_code];
}

// What is wrong with a stream, and where.
struct inspection_error
{
    fault code{fault::none};
    std::uint8_t marker{};  // the byte after FF of the marker at the offset; 0 for none
    std::size_t offset{};   // in bytes from the stream's start
    std::int64_t value{-1}; // the value found; -1 where the position says it all
};

} // namespace dicom_jpegls
