// SPDX-License-Identifier: MIT
//
// Streams made of parts of others: a piece as a stream that can be decoded alone, and restart intervals that were coded
// separately joined to one stream (T.87 C.2.5).
#pragma once

#include "stream_info.hpp"

namespace dicom_jpegls {

// More than `write_piece` adds to the entropy-coded data: SOI, APP8, SOF55 and SOS of up to 4 components, LSE with
// presets and with dimensions, DRI, EOI.
inline constexpr std::size_t piece_overhead{128};

// The bytes that `write_piece` needs at most.
[[nodiscard]] constexpr std::size_t piece_stream_size_limit(const piece& part) noexcept
{
    return part.end - part.begin + piece_overhead;
}

// Writes a piece of a stream, or its first `line_count` lines, as a stream. For a part of a piece the data is longer
// than the image, which decoders report once they have all its lines. Returns the size, at most
// `piece_stream_size_limit`.
[[nodiscard]] inline std::size_t write_piece(const byte_span stream, const stream_info& info, const piece& part,
                                             const std::uint32_t line_count, std::uint8_t* const destination) noexcept
{
    assert(part.component_count >= 1 && part.component_count <= 4);
    stream_writer to{destination};
    to.marker(marker_soi);
    if (info.color_transformation != 0)
    {
        to.segment(marker_app8, color_transformation_data_size);
        to.bytes({reinterpret_cast<const std::uint8_t*>("mrfx"), 4});
        to.number(static_cast<std::uint32_t>(info.color_transformation), 1);
    }
    const bool large = info.width > 0xFFFF || line_count > 0xFFFF;
    const auto component_count = static_cast<std::uint32_t>(part.component_count);
    to.segment(marker_sof55, 6 + 3 * component_count);
    to.number(static_cast<std::uint32_t>(info.bits_per_sample), 1);
    to.number(large ? 0 : line_count, 2);
    to.number(large ? 0 : info.width, 2);
    to.number(component_count, 1);
    for (std::uint32_t id{1}; id <= component_count; ++id)
        to.number(id << 16 | 0x1100, 3);
    if (large)
    {
        to.segment(marker_lse, 10);
        to.number(0x0404, 2); // type 4, dimensions of 4 bytes each
        to.number(line_count, 4);
        to.number(info.width, 4);
    }
    to.segment(marker_lse, 11);
    to.number(1, 1);
    for (const auto field : preset_fields)
        to.number(static_cast<std::uint32_t>(part.presets.*field), 2);
    if (part.restart_interval < line_count)
        to.restart_interval(part.restart_interval);
    to.segment(marker_sos, 4 + 2 * component_count);
    to.number(component_count, 1);
    for (std::uint32_t id{1}; id <= component_count; ++id)
        to.number(id << 8, 2);
    to.number(static_cast<std::uint32_t>(part.near_lossless), 1);
    to.number(static_cast<std::uint32_t>(component_count == 1 ? interleave_none : info.interleave_mode), 1);
    to.number(0, 1);

    std::uint8_t* const data = destination + to.size();
    const std::size_t size = part.end - part.begin;
    to.bytes(stream.subspan(part.begin, size));
    // In a separate stream the restart markers are counted from 0.
    segment_reader reader{{data, size}};
    for (std::uint32_t number{}; reader.skip_entropy_coded_data() && reader.next() == fault::none; ++number)
        if (is_restart_marker(reader.current().code))
            data[reader.current().offset + 1] = static_cast<std::uint8_t>(marker_rst0 + number % 8);
    to.marker(marker_eoi);
    assert(to.size() <= piece_stream_size_limit(part));
    return to.size();
}

// The entropy-coded data of the first scan of a sound stream, without the marker after it.
[[nodiscard]] inline byte_span first_scan_data(const byte_span stream) noexcept
{
    segment_reader reader{stream};
    while (reader.next() == fault::none)
        if (reader.current().code == marker_sos)
        {
            const std::size_t begin = reader.position();
            reader.skip_entropy_coded_data();
            return stream.subspan(begin, reader.position() - begin);
        }
    return {stream.data, 0};
}

// Joins restart intervals that were coded separately to one stream, and returns its size, which is even. Without a
// destination the size is only computed. `model` is a sound stream with the segments of the one that is wanted, of
// another size: all of them are copied. `intervals` are those of its first scan, then those of its second one and so
// on, `intervals_per_scan` each.
[[nodiscard]] inline std::size_t join(const byte_span model, const std::uint32_t width, const std::uint32_t height,
                                      const std::uint32_t restart_interval, const std::vector<byte_span>& intervals,
                                      const std::size_t intervals_per_scan, std::uint8_t* const destination) noexcept
{
    stream_writer to{destination};
    segment_reader reader{model};
    auto interval = intervals.begin();
    bool first_scan{true};
    while (reader.next() == fault::none && reader.current().code != marker_eoi)
    {
        const segment& part{reader.current()};
        if (part.code == marker_sos && first_scan && intervals_per_scan > 1)
            to.restart_interval(restart_interval);
        if (part.code == marker_sof55)
        {
            to.segment(part.code, static_cast<std::uint32_t>(part.size));
            to.bytes(model.subspan(part.data, 1)); // the precision
            to.number(height, 2);
            to.number(width, 2);
            to.bytes(model.subspan(part.data + 5, part.size - 5));
        }
        else
            to.bytes(model.subspan(part.offset, part.data + part.size - part.offset));
        if (part.code != marker_sos)
            continue;
        first_scan = false;
        reader.skip_entropy_coded_data();
        assert(intervals_per_scan <= static_cast<std::size_t>(intervals.end() - interval));
        for (std::size_t i{}; i < intervals_per_scan; ++i, ++interval)
        {
            if (i != 0)
                to.marker(marker_rst0 + static_cast<std::uint32_t>((i - 1) % 8));
            to.bytes(*interval);
        }
    }
    if (to.size() % 2 != 0)
        to.number(0xFF, 1); // a fill byte (T.81 B.1.1.2)
    to.marker(marker_eoi);
    return to.size();
}

} // namespace dicom_jpegls
