// SPDX-License-Identifier: MIT
//
// Reading and writing markers and segments, and the annotations among them.
#include "stream/annotations.hpp"

#include "harness.hpp"
#include "streams.hpp"

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

fault first_fault(const bytes& stream)
{
    return segment_reader{span(stream)}.next();
}

} // namespace

TEST(faults_have_descriptions)
{
    for (int code{first_fault_code}; code <= static_cast<int>(last_fault); ++code)
    {
        const fault_description* const description{describe(code)};
        CHECK_EQUAL_IN(text(code), description != nullptr, true);
        CHECK_EQUAL_IN(text(code), static_cast<int>(description->code), code);
    }
    CHECK(!describe(static_cast<int>(fault::none)));
    CHECK(!describe(first_fault_code - 1));
    CHECK(!describe(static_cast<int>(last_fault) + 1));
    CHECK_EQUAL(std::string{describe(first_fault_code)->name}, "no_start_of_image");
    CHECK_EQUAL(std::string{describe(static_cast<int>(last_fault))->name}, "changed");
    CHECK_EQUAL(static_cast<int>(fault::changed), 1037);
}

TEST(markers_without_a_segment)
{
    for (const int code : {0xD0, 0xD7, 0xD8, 0xD9})
    {
        const bytes stream{0xFF, static_cast<std::uint8_t>(code)};
        segment_reader reader{span(stream)};
        CHECK_EQUAL_IN(text(code), reader.next(), fault::none);
        CHECK_EQUAL_IN(text(code), reader.current().code, code);
        CHECK_EQUAL_IN(text(code), reader.current().size, 0);
        CHECK_EQUAL_IN(text(code), reader.position(), 2);
        CHECK_EQUAL_IN(text(code), reader.next(), fault::no_end_of_image);
    }
}

TEST(segments_at_their_boundaries)
{
    CHECK_EQUAL(first_fault({}), fault::no_end_of_image);
    CHECK_EQUAL(first_fault({0xFE}), fault::marker_expected);
    CHECK_EQUAL(first_fault({0xFF}), fault::truncated);
    CHECK_EQUAL(first_fault({0xFF, 0xFF}), fault::truncated);
    CHECK_EQUAL(first_fault({0xFF, 0xBF, 0, 2}), fault::unknown_marker);
    CHECK_EQUAL(first_fault({0xFF, 0x00, 0, 2}), fault::unknown_marker);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0}), fault::truncated);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0, 0}), fault::segment_length);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0, 1}), fault::segment_length);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0, 2}), fault::none);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0, 3}), fault::truncated);
    CHECK_EQUAL(first_fault({0xFF, 0xC0, 0, 3, 7}), fault::none);

    bytes longest{0xFF, 0xFE, 0xFF, 0xFF};
    longest.resize(4 + 65533);
    segment_reader reader{span(longest)};
    CHECK_EQUAL(reader.next(), fault::none);
    CHECK_EQUAL(reader.data().size, 65533);
    longest.pop_back();
    CHECK_EQUAL(first_fault(longest), fault::truncated);
}

TEST(fill_bytes_precede_a_marker)
{
    const bytes stream{0xFF, 0xFF, 0xFF, 0xFE, 0, 3, 9};
    segment_reader reader{span(stream)};
    CHECK_EQUAL(reader.next(), fault::none);
    CHECK_EQUAL(reader.current().code, marker_com);
    CHECK_EQUAL(reader.current().offset, 2);
    CHECK_EQUAL(reader.current().data, 6);
    CHECK_EQUAL(reader.data().data[0], 9);
}

TEST(entropy_coded_data_ends_at_a_marker)
{
    const struct
    {
        bytes data;
        bool ends;
        std::size_t position;
    } cases[]{
        {{}, false, 0},
        {{1, 2, 3}, false, 3},
        {{1, 0xFF}, false, 2},
        {{1, 0xFF, 0x7F, 2}, false, 4},
        {{1, 0xFF, 0x80}, true, 1},
        {{0xFF, 0xD9}, true, 0},
        {{0xFF, 0x7F, 0xFF, 0xFF, 0xD9}, true, 2}, // fill bytes are part of what follows
    };
    for (const auto& [data, ends, position] : cases)
    {
        segment_reader reader{span(data)};
        const std::string context{"data of " + text(data.size()) + " bytes"};
        CHECK_EQUAL_IN(context, reader.skip_entropy_coded_data(), ends);
        CHECK_EQUAL_IN(context, reader.position(), position);
    }
}

TEST(skipping_stops_at_the_end)
{
    const bytes stream(3);
    segment_reader reader{span(stream)};
    reader.skip(2);
    CHECK_EQUAL(reader.position(), 2);
    reader.skip(SIZE_MAX);
    CHECK_EQUAL(reader.position(), 3);
}

TEST(written_fields_are_read_back)
{
    bytes destination(64);
    for (std::size_t size{1}; size <= 4; ++size)
    {
        const std::uint32_t largest{size == 4 ? UINT32_MAX : (1U << (8 * size)) - 1};
        for (const std::uint32_t value : {0U, 1U, largest / 2, largest - 1, largest})
        {
            stream_writer writer{destination.data()};
            writer.number(value, size);
            CHECK_EQUAL(writer.size(), size);
            CHECK_EQUAL_IN(text(size) + " bytes", field_reader(byte_span{destination.data(), size}).number(size),
                           value);
        }
    }
}

TEST(written_segments_are_read_back)
{
    bytes destination(64);
    stream_writer writer{destination.data()};
    const bytes data{1, 2, 3};
    writer.marker(marker_soi);
    writer.segment(marker_com, 3);
    writer.bytes(span(data));
    writer.restart_interval(0xFFFF);
    writer.restart_interval(0x10000);
    stream_writer counter{nullptr};
    counter.marker(marker_soi);
    counter.segment(marker_com, 3);
    counter.bytes(span(data));
    counter.restart_interval(0xFFFF);
    counter.restart_interval(0x10000);
    CHECK_EQUAL(counter.size(), writer.size());
    CHECK_EQUAL(writer.size(), 2 + 7 + 6 + 8);

    segment_reader reader{{destination.data(), writer.size()}};
    CHECK_EQUAL(reader.next(), fault::none);
    CHECK_EQUAL(reader.current().code, marker_soi);
    CHECK_EQUAL(reader.next(), fault::none);
    CHECK_EQUAL(reader.current().code, marker_com);
    CHECK_EQUAL(std::memcmp(reader.data().data, data.data(), 3), 0);
    for (const std::uint32_t lines : {0xFFFFU, 0x10000U})
    {
        CHECK_EQUAL_IN(text(lines), reader.next(), fault::none);
        CHECK_EQUAL_IN(text(lines), reader.current().code, marker_dri);
        CHECK_EQUAL_IN(text(lines), field_reader{reader.data()}.number(reader.data().size), lines);
    }
    CHECK_EQUAL(reader.next(), fault::no_end_of_image);
}

TEST(spiff_headers)
{
    bytes data{'S', 'P', 'I', 'F', 'F', 0, 2, 0, 1, 3, 0, 0, 0, 5, 0, 0, 1, 0, 10, 8, 6, 1, 0, 0, 0, 72, 0, 0, 0, 96};
    CHECK_EQUAL(data.size(), spiff_header_data_size);
    const auto header = read_spiff_header(span(data));
    CHECK(header.has_value());
    if (!header)
        return;
    CHECK_EQUAL(header->profile_id, 1);
    CHECK_EQUAL(header->component_count, 3);
    CHECK_EQUAL(header->height, 5);
    CHECK_EQUAL(header->width, 256);
    CHECK_EQUAL(header->horizontal_resolution, 96);
    data[6] = 3;
    CHECK(!read_spiff_header(span(data))); // a later major version
    data[6] = 2;
    data.pop_back();
    CHECK(!read_spiff_header(span(data)));
}

TEST(color_transformations)
{
    CHECK_EQUAL(read_color_transformation(span({'m', 'r', 'f', 'x', 3})).value_or(-1), 3);
    CHECK(!read_color_transformation(span({'m', 'r', 'f', 'x'})));
    CHECK(!read_color_transformation(span({'m', 'r', 'f', 'x', 3, 0})));
    CHECK(!read_color_transformation(span({'m', 'r', 'f', 'y', 3})));
}

TEST(annotations_are_listed_in_order)
{
    const bytes stream{stream_of({
        segment_of(marker_app8, {'m', 'r', 'f', 'x', 0}),  // the stream's structure
        segment_of(marker_app8, {0, 0, 0, 1, 0xFF, 0xD8}), // the end of a SPIFF directory
        segment_of(marker_com, {'c'}),
        segment_of(marker_app8, {'a', 'p'}),
        frame_header(1, 1),
        scan_header(),
        {0},
        segment_of(marker_app15, {}),
    })};
    const std::vector<annotation> found{list_annotations(span(stream))};
    CHECK_EQUAL(found.size(), 3);
    CHECK_EQUAL(found[0].code, marker_com);
    CHECK_EQUAL(found[0].data.data[0], 'c');
    CHECK_EQUAL(found[1].code, marker_app8);
    CHECK_EQUAL(found[1].data.size, 2);
    CHECK_EQUAL(found[2].code, marker_app15);
    CHECK_EQUAL(found[2].data.size, 0);
}

TEST(annotations_are_limited)
{
    bytes segments;
    for (std::size_t i{}; i != most_annotations + 1; ++i)
        append(segments, segment_of(marker_com, {}));
    const bytes stream{stream_of({segments, frame_header(1, 1), scan_header(), {0}})};
    CHECK_EQUAL(list_annotations(span(stream)).size(), most_annotations);
}

TEST(fill_bytes_before_a_stream)
{
    const bytes stream{stream_of({frame_header(1, 1), scan_header(), {0}})};
    for (const std::size_t count : {0U, 1U, 5U})
    {
        bytes filled(count, 0xFF);
        append(filled, stream);
        const byte_span found{without_fill_bytes(span(filled))};
        CHECK_EQUAL(found.size, stream.size());
        CHECK_EQUAL(found.data - filled.data(), static_cast<std::ptrdiff_t>(count));
    }
    CHECK_EQUAL(without_fill_bytes({}).size, 0U);
    CHECK_EQUAL(without_fill_bytes(span({0, 0xFF, 0xFF})).size, 3U);
    CHECK_EQUAL(without_fill_bytes(span({0xFF, 0xFF, 0xFF})).size, 1U);
}
