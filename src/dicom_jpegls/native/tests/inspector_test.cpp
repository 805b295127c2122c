// SPDX-License-Identifier: MIT
//
// The gate and the pieces at their boundaries: what is accepted, which fault is found, and where.
#include "stream/salvage.hpp"

#include "harness.hpp"
#include "streams.hpp"

#include <numeric>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

const bytes one_line{0x55};

bytes restart_interval(const int lines)
{
    return segment_of(marker_dri, {static_cast<std::uint8_t>(lines >> 8), static_cast<std::uint8_t>(lines)});
}

bytes restart_marker(const std::size_t number)
{
    return marker_only(static_cast<std::uint8_t>(marker_rst0 + number % 8));
}

fault fault_of(const bytes& stream, const limits& allowed = {})
{
    return inspect(span(stream), allowed).error.code;
}

// A scan of intervals of one line and one byte each.
bytes scan_of_lines(const std::size_t lines)
{
    bytes data{scan_header()};
    for (std::size_t line{}; line != lines; ++line)
    {
        if (line != 0)
            append(data, restart_marker(line - 1));
        append(data, {static_cast<std::uint8_t>(line)});
    }
    return data;
}

} // namespace

TEST(smallest_stream)
{
    const bytes stream{stream_of({frame_header(1, 1, 2), scan_header(), one_line})};
    const auto [info, error] = inspect(span(stream), {});
    CHECK_EQUAL(error.code, fault::none);
    CHECK_EQUAL(info.size, stream.size());
    CHECK_EQUAL(info.trailing_size, 0);
    CHECK_EQUAL(info.width, 1);
    CHECK_EQUAL(info.height, 1);
    CHECK_EQUAL(info.bits_per_sample, 2);
    CHECK_EQUAL(info.presets.maximum_sample_value, 3);
    CHECK_EQUAL(info.restart_interval, 0);
}

TEST(every_truncation_is_found)
{
    const bytes stream{stream_of({segment_of(marker_com, {1}), frame_header(1, 1), scan_header(), one_line})};
    for (std::size_t size{}; size != stream.size(); ++size)
    {
        const inspection_error error{inspect({stream.data(), size}, {}).error};
        CHECK_EQUAL_IN(text(size) + " bytes", error.code == fault::none, false);
        CHECK_EQUAL_IN(text(size) + " bytes", error.offset <= size, true);
    }
}

TEST(trailing_bytes)
{
    bytes stream{stream_of({frame_header(1, 1), scan_header(), one_line})};
    const std::size_t size{stream.size()};
    append(stream, {0, 0xFF, 0});
    CHECK_EQUAL(inspect(span(stream), {}).info.trailing_size, 0);
    append(stream, {7, 0});
    CHECK_EQUAL(inspect(span(stream), {}).info.trailing_size, 4);
    CHECK_EQUAL(inspect(span(stream), {}).info.size, size);
}

TEST(errors_say_where_and_what)
{
    const inspection_error error{inspect(span(stream_of({frame_header(1, 1, 17)})), {}).error};
    CHECK_EQUAL(error.code, fault::bits_per_sample);
    CHECK_EQUAL(error.marker, marker_sof55);
    CHECK_EQUAL(error.offset, 2);
    CHECK_EQUAL(error.value, 17);
    CHECK_EQUAL(inspect(span({0xFF, 0xD9}), {}).error.code, fault::no_start_of_image);
    CHECK_EQUAL(inspect(span({0xFF, 0xD9}), {}).error.offset, 0);
}

TEST(frame_headers_at_their_boundaries)
{
    const auto with_frame = [](const bytes& frame) {
        return fault_of(stream_of({frame, scan_header(), one_line}));
    };
    CHECK_EQUAL(with_frame(frame_header(1, 1, 1)), fault::bits_per_sample);
    CHECK_EQUAL(with_frame(frame_header(1, 1, 2)), fault::none);
    CHECK_EQUAL(with_frame(frame_header(1, 1, 16)), fault::none);
    CHECK_EQUAL(with_frame(frame_header(0, 1)), fault::dimension_missing);
    CHECK_EQUAL(with_frame(frame_header(1, 0)), fault::line_count_later);
    CHECK_EQUAL(with_frame(frame_header(1, 1, 8, {})), fault::component_count);
    CHECK_EQUAL(with_frame(frame_header(1, 1, 8, {1, 1})), fault::component_repeated);
    CHECK_EQUAL(with_frame(segment_of(marker_sof55, {8, 0, 1, 0, 1})), fault::segment_length);
    CHECK_EQUAL(with_frame(segment_of(marker_sof55, {8, 0, 1, 0, 1, 1, 1, 0x11})), fault::segment_length);
    CHECK_EQUAL(with_frame(segment_of(marker_sof55, {8, 0, 1, 0, 1, 1, 1, 0x21, 0})), fault::subsampling);
    CHECK_EQUAL(with_frame(joined({frame_header(1, 1), frame_header(1, 1)})), fault::unexpected_marker);
    CHECK_EQUAL(with_frame({}), fault::unexpected_marker); // a scan header without a frame header
    CHECK_EQUAL(with_frame(segment_of(marker_sof57, {})), fault::other_jpeg_process);
    CHECK_EQUAL(with_frame(segment_of(marker_sof0, {})), fault::other_jpeg_process);
    CHECK_EQUAL(with_frame(segment_of(marker_dht, {})), fault::unknown_marker);
}

TEST(limits_are_inclusive)
{
    const bytes stream{stream_of({frame_header(5, 3), scan_header(), {1, 2, 3}})};
    CHECK_EQUAL(fault_of(stream, {5, 15}), fault::none);
    CHECK_EQUAL(fault_of(stream, {4, 15}), fault::dimension_too_large);
    CHECK_EQUAL(fault_of(stream, {5, 14}), fault::too_many_samples);
}

TEST(dimensions_of_an_extension_segment)
{
    const auto with_dimensions = [](const bytes& data, const bytes& frame) {
        return fault_of(stream_of({segment_of(marker_lse, data), frame, scan_header(), one_line}));
    };
    CHECK_EQUAL(with_dimensions({4, 2, 0, 1, 0, 1}, frame_header(0, 0)), fault::none);
    CHECK_EQUAL(with_dimensions({4, 3, 0, 0, 1, 0, 0, 1}, frame_header(0, 0)), fault::none);
    CHECK_EQUAL(with_dimensions({4, 4, 0, 0, 0, 1, 0, 0, 0, 1}, frame_header(0, 0)), fault::none);
    CHECK_EQUAL(with_dimensions({4, 1, 1, 1}, frame_header(0, 0)), fault::segment_length);
    CHECK_EQUAL(with_dimensions({4, 2, 0, 1, 0}, frame_header(0, 0)), fault::segment_length);
    CHECK_EQUAL(with_dimensions({4, 2, 0, 1, 0, 1}, frame_header(1, 1)), fault::dimension_repeated);
    CHECK_EQUAL(with_dimensions({4, 4, 0, 1, 0, 0, 0, 0, 0, 1}, frame_header(0, 0)), fault::dimension_too_large);
}

TEST(preset_segments)
{
    const auto with_presets = [](const bytes& data) {
        return fault_of(stream_of({segment_of(marker_lse, data), frame_header(1, 1), scan_header(), one_line}));
    };
    CHECK_EQUAL(with_presets({}), fault::segment_length);
    CHECK_EQUAL(with_presets({1, 0, 255, 0, 3, 0, 7, 0, 21, 0, 64}), fault::none);
    CHECK_EQUAL(with_presets({1, 0, 255, 0, 3, 0, 7, 0, 21, 0}), fault::segment_length);
    CHECK_EQUAL(with_presets({0}), fault::preset_type);
    CHECK_EQUAL(with_presets({2}), fault::mapping_table);
    CHECK_EQUAL(with_presets({3}), fault::mapping_table);
    CHECK_EQUAL(with_presets({5}), fault::preset_extension);
    CHECK_EQUAL(with_presets({11}), fault::preset_type);
    CHECK_EQUAL(with_presets({13}), fault::preset_extension);
    CHECK_EQUAL(with_presets({14}), fault::preset_type);
}

TEST(scan_headers_at_their_boundaries)
{
    const auto with_scan = [](const bytes& scan, const int bits_per_sample, const bytes& ids) {
        return fault_of(stream_of({frame_header(1, 1, bits_per_sample, ids), scan, one_line}));
    };
    CHECK_EQUAL(with_scan(scan_header({1}, 127), 8, {1}), fault::none);
    CHECK_EQUAL(with_scan(scan_header({1}, 128), 8, {1}), fault::near_lossless);
    CHECK_EQUAL(with_scan(scan_header({1}, 255), 9, {1}), fault::none);
    CHECK_EQUAL(with_scan(scan_header({1}, 0, 1), 8, {1}), fault::interleave_mode);
    CHECK_EQUAL(with_scan(scan_header({1, 2, 3}, 0, 0), 8, {1, 2, 3}), fault::interleave_mode);
    CHECK_EQUAL(with_scan(scan_header({1, 2, 3}, 0, 1), 8, {1, 2, 3}), fault::none);
    CHECK_EQUAL(with_scan(scan_header({1, 2, 3}, 0, 2), 8, {1, 2, 3}), fault::none);
    CHECK_EQUAL(with_scan(scan_header({1, 2, 3}, 0, 3), 8, {1, 2, 3}), fault::interleave_mode);
    CHECK_EQUAL(with_scan(scan_header({1, 2}, 0, 1), 8, {1, 2}), fault::interleave_mode_two);
    CHECK_EQUAL(with_scan(scan_header({1, 2}, 0, 1), 8, {1, 2, 3}), fault::scan_components);
    CHECK_EQUAL(with_scan(scan_header({2}), 8, {1}), fault::scan_component);
    CHECK_EQUAL(with_scan(scan_header({2}), 8, {1, 2}), fault::scan_order);
    CHECK_EQUAL(with_scan(scan_header({1}), 8, {1, 2}), fault::scans_missing);
    CHECK_EQUAL(with_scan(segment_of(marker_sos, {1, 1, 1, 0, 0, 0}), 8, {1}), fault::mapping_table);
    CHECK_EQUAL(with_scan(segment_of(marker_sos, {1, 1, 0, 0, 0, 1}), 8, {1}), fault::point_transform);
    CHECK_EQUAL(with_scan(segment_of(marker_sos, {1, 1, 0, 0, 0}), 8, {1}), fault::segment_length);
    CHECK_EQUAL(with_scan(segment_of(marker_sos, {}), 8, {1}), fault::segment_length);
}

TEST(scan_data_has_a_bit_for_each_line)
{
    CHECK_EQUAL(fault_of(stream_of({frame_header(32768, 8), scan_header(), {1}})), fault::none);
    CHECK_EQUAL(fault_of(stream_of({frame_header(32768, 9), scan_header(), {1}})), fault::scan_data_too_short);
    CHECK_EQUAL(fault_of(stream_of({frame_header(32769, 8), scan_header(), {1}})), fault::scan_data_too_short);
    CHECK_EQUAL(fault_of(stream_of({frame_header(1, 3, 8, {1, 2, 3}), scan_header({1, 2, 3}, 0, 1), {1}})),
                fault::scan_data_too_short);
}

TEST(restart_markers_count)
{
    const auto lines = [](const int height, const int interval, const std::size_t intervals) {
        return fault_of(stream_of({restart_interval(interval), frame_header(1, height), scan_of_lines(intervals)}));
    };
    CHECK_EQUAL(lines(10, 1, 10), fault::none);
    CHECK_EQUAL(lines(10, 1, 9), fault::restart_marker_missing);
    CHECK_EQUAL(lines(10, 1, 11), fault::restart_marker);
    CHECK_EQUAL(lines(10, 5, 2), fault::none);
    CHECK_EQUAL(lines(10, 4, 3), fault::none);
    CHECK_EQUAL(lines(10, 9, 2), fault::none);
    CHECK_EQUAL(lines(8, 8, 1), fault::none);
    CHECK_EQUAL(lines(8, 9, 1), fault::none);
    CHECK_EQUAL(lines(10, 0, 2), fault::restart_marker);
}

TEST(intervals_are_joined_to_pieces)
{
    const bytes stream{stream_of({restart_interval(1), frame_header(1, 10), scan_of_lines(10)})};
    const struct
    {
        std::uint32_t minimum_lines;
        std::size_t count;
        std::uint32_t last_line_count;
    } cases[]{{0, 10, 1}, {1, 10, 1}, {2, 5, 2}, {3, 4, 1}, {9, 2, 1}, {10, 1, 10}, {UINT32_MAX, 1, 10}};
    for (const auto& [minimum_lines, count, last_line_count] : cases)
    {
        const piece_list found{inspect_pieces(span(stream), {}, minimum_lines)};
        const std::string context{text(minimum_lines) + " lines"};
        CHECK_EQUAL_IN(context, found.error.code, fault::none);
        CHECK_EQUAL_IN(context, found.pieces.size(), count);
        CHECK_EQUAL_IN(context, found.pieces.back().line_count, last_line_count);
        std::uint32_t line{};
        for (const piece& part : found.pieces)
        {
            CHECK_EQUAL_IN(context, part.first_line, line);
            CHECK_EQUAL_IN(context, stream[part.begin], line);
            CHECK_EQUAL_IN(context, part.position_is_certain, true);
            line += part.line_count;
        }
    }
}

TEST(planes_are_pieces)
{
    const bytes stream{stream_of({frame_header(1, 2, 8, {1, 2}), scan_header({1}), {1}, scan_header({2}), {2}})};
    const piece_list found{inspect_pieces(span(stream), {}, UINT32_MAX)};
    CHECK_EQUAL(found.pieces.size(), 2);
    CHECK_EQUAL(found.pieces[1].first_component, 1);
    CHECK_EQUAL(found.pieces[1].line_count, 2);
    CHECK_EQUAL(stream[found.pieces[1].begin], 2);
    CHECK_EQUAL(found.pieces[1].end - found.pieces[1].begin, 1);
}

TEST(refused_streams_have_no_pieces)
{
    const bytes stream{stream_of({restart_interval(1), frame_header(1, 3), scan_of_lines(2)})};
    CHECK_EQUAL(inspect_pieces(span(stream), {}, 1).error.code, fault::restart_marker_missing);
    CHECK_EQUAL(inspect_pieces(span(stream), {}, 1).pieces.size(), 0);
}

TEST(salvage_finds_places_by_restart_markers)
{
    // Lines 3 to 5 and their markers are lost.
    bytes scan{scan_header()};
    for (const std::size_t line : {0U, 1U, 2U, 6U, 7U, 8U, 9U})
    {
        append(scan, {static_cast<std::uint8_t>(line)});
        if (line != 9)
            append(scan, restart_marker(line));
    }
    const bytes stream{stream_of({restart_interval(1), frame_header(1, 10), scan})};
    const piece_list found{salvage(span(stream), {}, 1)};
    CHECK_EQUAL(found.error.code, fault::restart_marker);
    CHECK_EQUAL(found.info.height, 10);
    // Line 6 follows line 2: its data may have been that of lines 3 to 6.
    CHECK_EQUAL(found.pieces.size(), 6);
    for (const piece& part : found.pieces)
    {
        CHECK_EQUAL(stream[part.begin], part.first_line);
        CHECK_EQUAL(part.line_count, 1);
        CHECK_EQUAL(part.position_is_certain, true);
    }
}

TEST(salvage_of_a_truncated_stream)
{
    bytes stream{stream_of({restart_interval(1), frame_header(1, 10), scan_of_lines(4)})};
    stream.resize(stream.size() - 2); // no EOI
    const piece_list found{salvage(span(stream), {}, 1)};
    CHECK_EQUAL(found.error.code, fault::no_end_of_image);
    CHECK_EQUAL(found.pieces.size(), 4);
    CHECK_EQUAL(found.pieces.back().position_is_certain, true);

    append(stream, marker_only(marker_eoi)); // as if eight intervals were missing anywhere, or the last six
    CHECK_EQUAL(salvage(span(stream), {}, 1).error.code, fault::restart_marker_missing);
    CHECK_EQUAL(salvage(span(stream), {}, 1).pieces.size(), 4);
    CHECK_EQUAL(salvage(span(stream), {}, 1).pieces.front().position_is_certain, false);
}

// A scan of lines whose intervals have one byte each, the number of the line.
bytes stream_of_lines(const int width, const std::vector<std::size_t>& lines, const int height)
{
    bytes scan{scan_header()};
    for (const std::size_t line : lines)
    {
        append(scan, {static_cast<std::uint8_t>(line)});
        if (line != lines.back())
            append(scan, restart_marker(line));
    }
    return stream_of({restart_interval(1), frame_header(width, height), scan});
}

TEST(small_intervals_are_tried_together)
{
    std::vector<std::size_t> lines(40);
    std::iota(lines.begin(), lines.end(), std::size_t{});
    const bytes stream{stream_of_lines(7, lines, 40)};
    // 7 samples and a byte in each line.
    const piece_list found{salvage(span(stream), {}, 32)};
    CHECK_EQUAL(found.error.code, fault::none);
    CHECK_EQUAL(found.pieces.size(), 11);
    CHECK_EQUAL(found.pieces[0].line_count, 4);
    CHECK_EQUAL(found.pieces[9].line_count, 3);
    CHECK_EQUAL(stream[found.pieces[9].begin], 36);
    CHECK_EQUAL(found.pieces[10].first_line, 39); // it decides whether the others are where they seem to be
    CHECK_EQUAL(salvage(span(stream), {}).pieces.size(),
                salvage(span(stream), {}, smallest_piece_to_try).pieces.size());
}

TEST(small_pieces_before_a_gap_are_dropped)
{
    // Lines 5 and 6 are lost, and line 7, which begins with what is left of line 5.
    const bytes stream{stream_of_lines(7, {0, 1, 2, 3, 4, 7, 8, 9}, 10)};
    const piece_list found{salvage(span(stream), {}, 32)};
    CHECK_EQUAL(found.error.code, fault::restart_marker);
    CHECK_EQUAL(found.pieces.size(), 3);
    CHECK_EQUAL(found.pieces[0].first_line, 0);
    CHECK_EQUAL(found.pieces[0].line_count, 4);
    CHECK_EQUAL(found.pieces[1].first_line, 8);
    CHECK_EQUAL(found.pieces[2].first_line, 9);
    CHECK_EQUAL(salvage(span(stream), {}, 1).pieces.size(), 7);
}

TEST(salvage_needs_headers)
{
    CHECK_EQUAL(salvage(span({}), {}, 1).pieces.size(), 0);
    CHECK_EQUAL(salvage(span({}), {}, 1).error.code, fault::no_start_of_image);
    CHECK_EQUAL(salvage(span(stream_of({frame_header(1, 1)})), {}, 1).pieces.size(), 0);
}
