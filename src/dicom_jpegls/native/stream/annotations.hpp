// SPDX-License-Identifier: MIT
//
// Segments that describe an image and are not needed to decode it, COM and APPn; and those of them that are more: SPIFF
// headers and the colour transformations of Hewlett-Packard.
#pragma once

#include "markers.hpp"

#include <optional>
#include <vector>

namespace dicom_jpegls {

// The Still Picture Interchange File Format header that an APP8 segment may hold (ISO/IEC 10918-3 annex F).
struct spiff_header
{
    std::int32_t profile_id;
    std::int32_t component_count;
    std::uint32_t height;
    std::uint32_t width;
    std::int32_t color_space;
    std::int32_t bits_per_sample;
    std::int32_t compression_type;
    std::int32_t resolution_units;
    std::uint32_t vertical_resolution;
    std::uint32_t horizontal_resolution;
};

inline constexpr std::size_t spiff_header_data_size{30};

// The highest major version that decoders read.
inline constexpr std::uint32_t spiff_major_version{2};

// The SPIFF header in the data of an APP8 segment, if it is one that decoders read.
[[nodiscard]] inline std::optional<spiff_header> read_spiff_header(const byte_span data) noexcept
{
    if (data.size < spiff_header_data_size)
        return std::nullopt;
    field_reader fields{data};
    if (!fields.starts_with("SPIFF\0", 6) || fields.number(1) > spiff_major_version)
        return std::nullopt;
    fields.number(1); // minor version
    spiff_header header{};
    header.profile_id = fields.parameter(1);
    header.component_count = fields.parameter(1);
    header.height = fields.number(4);
    header.width = fields.number(4);
    header.color_space = fields.parameter(1);
    header.bits_per_sample = fields.parameter(1);
    header.compression_type = fields.parameter(1);
    header.resolution_units = fields.parameter(1);
    header.vertical_resolution = fields.number(4);
    header.horizontal_resolution = fields.number(4);
    return header;
}

// The entry that ends a SPIFF directory: its tag and an SOI marker.
[[nodiscard]] inline bool is_end_of_spiff_directory(const byte_span data) noexcept
{
    return data.size == 6 && std::memcmp(data.data, "\0\0\0\1\xFF\xD8", 6) == 0;
}

inline constexpr std::size_t color_transformation_data_size{5};

// The number of the colour transformation in the data of an APP8 segment ("mrfx", an extension of Hewlett-Packard).
[[nodiscard]] inline std::optional<std::int32_t> read_color_transformation(const byte_span data) noexcept
{
    if (data.size != color_transformation_data_size)
        return std::nullopt;
    field_reader fields{data};
    if (!fields.starts_with("mrfx", 4))
        return std::nullopt;
    return fields.parameter(1);
}

// Whether an APP8 segment is part of the stream's own structure, not an application's data.
[[nodiscard]] inline bool is_structure(const byte_span data) noexcept
{
    return read_spiff_header(data) || read_color_transformation(data) || is_end_of_spiff_directory(data);
}

struct annotation
{
    std::uint8_t code; // marker_com, or marker_app0 to marker_app15
    byte_span data;
};

// More annotations are not listed: one takes 4 bytes in a stream and 20 times as many in memory.
inline constexpr std::size_t most_annotations{4096};

// The comments and the application data of a sound stream, in its order, without the stream's own structure. Those
// beyond `most_annotations` are left out.
[[nodiscard]] inline std::vector<annotation> list_annotations(const byte_span stream)
{
    std::vector<annotation> annotations;
    segment_reader reader{stream};
    while (annotations.size() != most_annotations && reader.next() == fault::none)
    {
        const std::uint8_t code = reader.current().code;
        if (code == marker_sos)
            reader.skip_entropy_coded_data();
        else if (code == marker_eoi)
            break;
        else if (code == marker_com || is_application_marker(code))
        {
            const byte_span data = reader.data();
            if (code != marker_app8 || !is_structure(data))
                annotations.push_back({code, data});
        }
    }
    return annotations;
}

} // namespace dicom_jpegls
