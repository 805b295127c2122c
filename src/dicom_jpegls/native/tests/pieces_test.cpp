// SPDX-License-Identifier: MIT
//
// Pieces as streams, and restart intervals joined to one.
#include "stream/pieces.hpp"

#include "stream/inspector.hpp"

#include "harness.hpp"
#include "streams.hpp"

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

bytes written_piece(const bytes& stream, const stream_info& info, const piece& part, const std::uint32_t line_count)
{
    bytes destination(piece_stream_size_limit(part));
    destination.resize(write_piece(span(stream), info, part, line_count, destination.data()));
    return destination;
}

std::vector<byte_span> spans(const std::vector<bytes>& all)
{
    std::vector<byte_span> result;
    result.reserve(all.size());
    for (const bytes& data : all)
        result.push_back(span(data));
    return result;
}

bytes joined_stream(const bytes& model, const std::uint32_t width, const std::uint32_t height,
                    const std::uint32_t interval, const std::vector<bytes>& intervals, const std::size_t per_scan)
{
    const std::size_t size{join(span(model), width, height, interval, spans(intervals), per_scan, nullptr)};
    bytes destination(size);
    CHECK_EQUAL(join(span(model), width, height, interval, spans(intervals), per_scan, destination.data()), size);
    return destination;
}

} // namespace

TEST(a_piece_is_a_sound_stream)
{
    const bytes stream{stream_of({segment_of(marker_dri, {0, 2}),
                                  segment_of(marker_com, {1}),
                                  frame_header(3, 6, 12),
                                  scan_header({1}, 2),
                                  {1},
                                  marker_only(0xD0),
                                  {2},
                                  marker_only(0xD1),
                                  {3}})};
    for (const std::uint32_t minimum_lines : {1U, 3U, 6U})
    {
        for (const piece& part : inspect_pieces(span(stream), {}, minimum_lines).pieces)
        {
            const bytes alone{written_piece(stream, inspect(span(stream), {}).info, part, part.line_count)};
            const auto [info, error] = inspect(span(alone), {});
            const std::string context{"piece from line " + text(part.first_line)};
            CHECK_EQUAL_IN(context, error.code, fault::none);
            CHECK_EQUAL_IN(context, info.size, alone.size());
            CHECK_EQUAL_IN(context, info.width, 3);
            CHECK_EQUAL_IN(context, info.height, part.line_count);
            CHECK_EQUAL_IN(context, info.bits_per_sample, 12);
            CHECK_EQUAL_IN(context, info.near_lossless, 2);
            CHECK_EQUAL_IN(context, info.annotation_count, 0);
            CHECK_EQUAL_IN(context, info.restart_interval, part.line_count > 2 ? 2 : 0);
        }
    }
}

TEST(a_piece_at_the_limits_of_its_headers)
{
    stream_info info{};
    info.width = 100000;
    info.height = 100000;
    info.bits_per_sample = 8;
    info.component_count = 4;
    info.interleave_mode = interleave_line;
    piece part{};
    part.restart_interval = 70000;
    part.component_count = 4;
    part.presets = default_preset_coding_parameters(255, 0);
    const bytes data(50000, 0x55);
    part.end = data.size();
    const bytes alone{written_piece(data, info, part, 100000)};
    CHECK(alone.size() <= piece_stream_size_limit(part));
    const auto [found, error] = inspect(span(alone), {highest_maximum_dimension, UINT64_MAX});
    // The restart marker is missing; the headers are all there.
    CHECK_EQUAL(error.code, fault::restart_marker_missing);
    CHECK_EQUAL(found.width, 100000);
    CHECK_EQUAL(found.height, 100000);
    CHECK_EQUAL(found.restart_interval, 70000);
    CHECK_EQUAL(found.interleave_mode, interleave_line);
}

TEST(the_color_transformation_goes_along)
{
    const bytes stream{stream_of({segment_of(marker_app8, {'m', 'r', 'f', 'x', 2}),
                                  frame_header(1, 1, 8, {1, 2, 3}),
                                  scan_header({1, 2, 3}, 0, 2),
                                  {1}})};
    const piece_list found{inspect_pieces(span(stream), {}, 1)};
    CHECK_EQUAL(found.pieces.size(), 1);
    const bytes alone{written_piece(stream, found.info, found.pieces[0], 1)};
    CHECK_EQUAL(inspect(span(alone), {}).error.code, fault::none);
    CHECK_EQUAL(inspect(span(alone), {}).info.color_transformation, 2);
}

TEST(data_of_the_first_scan)
{
    const bytes stream{stream_of({segment_of(marker_com, {0xFF, 0xD9}),
                                  frame_header(1, 1, 8, {1, 2}),
                                  scan_header({1}),
                                  {1, 0xFF, 0x7F, 2},
                                  scan_header({2}),
                                  {3}})};
    const byte_span data{first_scan_data(span(stream))};
    CHECK_EQUAL(data.size, 4);
    CHECK_EQUAL(data.data[3], 2);
    CHECK_EQUAL(first_scan_data(span(stream_of({}))).size, 0);
}

TEST(joined_intervals_are_numbered_modulo_8)
{
    const bytes model{stream_of({segment_of(marker_com, {1, 2}), frame_header(1, 1), scan_header(), {9}})};
    std::vector<bytes> intervals;
    for (std::uint8_t i{}; i != 19; ++i)
        intervals.push_back(bytes(i == 3 ? 2 : 1, i));
    const bytes stream{joined_stream(model, 5, 19, 1, intervals, 19)};
    const piece_list found{inspect_pieces(span(stream), {}, 1)};
    CHECK_EQUAL(found.error.code, fault::none);
    CHECK_EQUAL(stream.size() % 2, 0);
    CHECK_EQUAL(found.info.width, 5);
    CHECK_EQUAL(found.info.height, 19);
    CHECK_EQUAL(found.info.restart_interval, 1);
    CHECK_EQUAL(found.info.annotation_count, 1);
    CHECK_EQUAL(found.pieces.size(), 19);
    for (const piece& part : found.pieces)
        CHECK_EQUAL_IN("line " + text(part.first_line),
                       bytes(stream.begin() + static_cast<std::ptrdiff_t>(part.begin),
                             stream.begin() + static_cast<std::ptrdiff_t>(part.end)) == intervals[part.first_line],
                       true);
}

TEST(joined_planes)
{
    const bytes model{stream_of({frame_header(1, 1, 8, {1, 2}), scan_header({1}), {8}, scan_header({2}), {9}})};
    const bytes stream{joined_stream(model, 1, 4, 2, {{1}, {2}, {3}, {4}}, 2)};
    const piece_list found{inspect_pieces(span(stream), {}, 1)};
    CHECK_EQUAL(found.error.code, fault::none);
    CHECK_EQUAL(found.pieces.size(), 4);
    CHECK_EQUAL(stream[found.pieces[2].begin], 3);
    CHECK_EQUAL(found.pieces[2].first_component, 1);
    CHECK_EQUAL(found.pieces[3].first_line, 2);
}

TEST(one_interval_needs_no_markers)
{
    const bytes model{stream_of({frame_header(1, 1), scan_header(), {9}})};
    for (const std::size_t size : {1U, 2U, 3U})
    {
        const bytes stream{joined_stream(model, 1, 1, 1, {bytes(size, 5)}, 1)};
        CHECK_EQUAL_IN(text(size) + " bytes", stream.size() % 2, 0);
        CHECK_EQUAL_IN(text(size) + " bytes", inspect(span(stream), {}).error.code, fault::none);
        CHECK_EQUAL_IN(text(size) + " bytes", inspect(span(stream), {}).info.restart_interval, 0);
    }
}
