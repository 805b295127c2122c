// SPDX-License-Identifier: MIT
//
// Encoding and decoding: strips and their joining against whole images, the bound on sizes, partial decoding, and
// streams that change.
#include "codec/charls_handle.hpp"
#include "codec/decode.hpp"
#include "codec/encode.hpp"
#include "stream/salvage.hpp"

#include "harness.hpp"

#include <vector>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

using byte_vector = std::vector<std::uint8_t>;

enum class content
{
    noise,
    smooth,
    extremes
};

struct test_image
{
    byte_vector samples;
    image_source source{};

    test_image(const frame_info& frame, const std::int32_t mode, const content kind,
               const std::int32_t near_lossless = 0)
    {
        source.frame = frame;
        source.parameters.interleave_mode = mode;
        source.parameters.near_lossless = near_lossless;
        source.layout = lay_out(frame, mode, 0).layout;
        samples.resize(source.layout.size);
        const std::uint32_t size = bytes_per_sample(frame.bits_per_sample);
        const auto maximum = static_cast<std::uint32_t>(maximum_sample_value(frame.bits_per_sample));
        std::uint32_t random{12345};
        for (std::size_t i{}; i * size < samples.size(); ++i)
        {
            random = random * 1664525U + 1013904223U;
            std::uint32_t sample = (random >> 8) & maximum;
            if (kind == content::smooth)
                sample = static_cast<std::uint32_t>(i / 3) & maximum;
            else if (kind == content::extremes)
                sample = (random >> 20) % 2 == 0 ? 0 : maximum;
            const auto value = static_cast<std::uint16_t>(sample);
            size == 1 ? void(samples[i] = static_cast<std::uint8_t>(value))
                      : void(std::memcpy(&samples[2 * i], &value, 2));
        }
        source.samples = samples.data();
    }

    test_image(const test_image&) = delete;
    test_image& operator=(const test_image&) = delete;
};

byte_vector encode(const image_source& image)
{
    byte_vector stream(max_encoded_size(image.frame) + image.segments.annotations_size());
    const encoded_size encoded = encode_image(image, stream.data(), stream.size());
    CHECK(encoded.error == status::success);
    CHECK(encoded.size <= stream.size() && encoded.size % 2 == 0);
    stream.resize(encoded.size);
    return stream;
}

inspected_stream open(const byte_vector& stream)
{
    const auto [info, error] = inspect({stream.data(), stream.size()}, {});
    CHECK(error.code == fault::none);
    return {{stream.data(), stream.size()}, {}, info, false};
}

byte_vector decode(const inspected_stream& source)
{
    const image_layout layout = lay_out(frame_of(source.info), source.info.interleave_mode, 0).layout;
    byte_vector samples(layout.size);
    CHECK(decode_image(source, samples.data(), layout) == status::success);
    return samples;
}

byte_vector data_of(const byte_vector& stream, const piece& part)
{
    return {stream.begin() + static_cast<std::ptrdiff_t>(part.begin),
            stream.begin() + static_cast<std::ptrdiff_t>(part.end)};
}

struct image_case
{
    frame_info frame;
    std::int32_t mode;
};

std::string context_of(const frame_info& frame, const std::int32_t mode, const std::uint32_t interval = 0)
{
    return text(frame.component_count) + " component(s) of " + text(frame.bits_per_sample) + " bits, mode " +
           text(mode) + ", restart interval " + text(interval);
}

const std::vector<image_case> image_cases{
    {{17, 9, 8, 1}, interleave_none},  {{17, 9, 12, 1}, interleave_none},  {{1, 9, 16, 1}, interleave_none},
    {{17, 9, 8, 3}, interleave_none},  {{17, 9, 12, 2}, interleave_none},  {{17, 9, 8, 3}, interleave_line},
    {{17, 9, 16, 4}, interleave_line}, {{17, 9, 8, 3}, interleave_sample}, {{17, 9, 12, 4}, interleave_sample},
};

} // namespace

// An image with restart intervals holds the data that its strips have as images.
TEST(strips_against_whole_images)
{
    for (const auto& [frame, mode] : image_cases)
        for (const std::uint32_t interval : {1U, 2U, 4U, 8U, 9U, 20U})
        {
            const std::string context{context_of(frame, mode, interval)};
            test_image image{frame, mode, content::smooth};
            image.source.parameters.restart_interval = interval;
            const byte_vector stream = encode(image.source);
            const inspected_stream source = open(stream);
            CHECK_EQUAL_IN(context, source.info.restart_interval, interval < frame.height ? interval : 0);
            CHECK_EQUAL_IN(context, decode(source) == image.samples, true);

            const auto [error, pieces] = find_pieces(source, 1);
            CHECK_EQUAL_IN(context, error, status::success);
            CHECK_EQUAL_IN(context, pieces.size(), strip_encoder::count(image.source));
            for (const piece& part : pieces)
            {
                image_source strip{image.source};
                strip.frame.height = part.line_count;
                strip.frame.component_count = part.component_count;
                strip.parameters.restart_interval = 0;
                strip.layout = image.source.layout.with_lines(part.line_count);
                strip.samples += line_number(source.info, part) * strip.layout.stride;
                const byte_vector alone = encode(strip);
                const found_pieces found = find_pieces(open(alone), UINT32_MAX);
                CHECK_EQUAL_IN(context, found.pieces.size(), 1U);
                CHECK_EQUAL_IN(context, data_of(alone, found.pieces.front()) == data_of(stream, part), true);
            }
        }
}

// Strips of planes make the stream that CharLS writes for the whole image.
TEST(joining_without_restart_markers)
{
    for (const auto& [frame, mode] : image_cases)
    {
        test_image image{frame, mode, content::noise};
        const std::uint8_t comment[]{'a', 'b', 'c'};
        image.source.segments.annotations = {{marker_com, {comment, 3}}, {marker_app0 + 5, {comment, 1}}};
        spiff_header spiff{};
        spiff.component_count = frame.component_count;
        spiff.height = frame.height;
        spiff.width = frame.width;
        spiff.bits_per_sample = frame.bits_per_sample;
        spiff.color_space = 2;
        spiff.compression_type = 6;
        spiff.vertical_resolution = spiff.horizontal_resolution = 1;
        image.source.segments.spiff = spiff;
        const std::string context{context_of(frame, mode)};
        const byte_vector stream = encode(image.source);
        strip_encoder strips{image.source};
        for (std::size_t i{strips.count()}; i-- != 0;)
            CHECK_EQUAL_IN(context, strips.encode(i, i + 1), status::success);
        const encoded_size joined = strips.join();
        CHECK_EQUAL_IN(context, joined.error, status::success);
        CHECK_EQUAL_IN(context, joined.size, stream.size());
        byte_vector again(joined.size);
        strips.write(again.data());
        CHECK_EQUAL_IN(context, again == stream, true);
        const encoded_stream encoded = encode_image(image.source);
        CHECK_EQUAL_IN(context, encoded.error, status::success);
        CHECK_EQUAL_IN(context,
                       byte_vector(encoded.bytes.data(), encoded.bytes.data() + encoded.bytes.size()) == stream, true);
    }
}

TEST(size_bound)
{
    CHECK(max_encoded_size({65535, 65535, 16, 255}) > std::uint64_t{65535} * 65535 * 255 * 2);
    CHECK(max_encoded_size({65535, 65535, 16, 255}) < std::uint64_t{65535} * 65535 * 255 * 2 * 5);
    for (std::int32_t bits{2}; bits <= 16; ++bits)
        for (const auto& [width, height] :
             {std::pair{1U, 1U}, std::pair{1U, 50U}, std::pair{50U, 1U}, std::pair{9U, 9U}})
            for (const std::int32_t components : {1, 3})
                for (const content kind : {content::noise, content::extremes})
                    for (const std::uint32_t interval : {0U, 1U})
                    {
                        test_image image{{width, height, bits, components}, interleave_none, kind};
                        image.source.parameters.preset_coding_parameters = {0, 1, 1, 1, 0};
                        image.source.parameters.restart_interval = interval;
                        CHECK_EQUAL_IN(context_of(image.source.frame, interleave_none, interval) + ", " + text(width) +
                                           " x " + text(height),
                                       decode(open(encode(image.source))) == image.samples, true);
                    }
}

TEST(too_small_destination)
{
    for (const std::uint32_t interval : {0U, 3U})
    {
        test_image image{{17, 9, 12, 1}, interleave_none, content::noise};
        image.source.parameters.restart_interval = interval;
        const byte_vector stream = encode(image.source);
        for (std::size_t size{}; size < stream.size(); ++size)
        {
            byte_vector destination(size + 16, 0xA5);
            const std::string context{"destination of " + text(size) + " bytes"};
            CHECK_EQUAL_IN(context, encode_image(image.source, destination.data(), size).error,
                           status::destination_too_small);
            CHECK_EQUAL_IN(context,
                           byte_vector(destination.begin() + static_cast<std::ptrdiff_t>(size), destination.end()) ==
                               byte_vector(16, 0xA5),
                           true);
        }
    }
}

TEST(parameters)
{
    const frame_info color{8, 8, 8, 3};
    encoding_parameters parameters{};
    CHECK(check_encoding(color, parameters) == status::success);
    parameters.reserved[6] = 1;
    CHECK(check_encoding(color, parameters) == status::reserved_field);
    parameters = {};
    parameters.color_transformation = 1;
    CHECK(check_encoding(color, parameters) == to_status(fault::color_transformation_use));
    parameters.interleave_mode = interleave_sample;
    CHECK(check_encoding(color, parameters) == status::success);
    parameters = {};
    parameters.near_lossless = 128;
    CHECK(check_encoding(color, parameters) == to_status(charls::jpegls_errc::invalid_argument_near_lossless));
    for (const frame_info& frame : {frame_info{0, 1, 8, 1}, frame_info{1, 65536, 8, 1}, frame_info{1, 1, 17, 1},
                                    frame_info{1, 1, 8, 256}, frame_info{1, 1, -8, 1}})
        CHECK_EQUAL_IN(context_of(frame, interleave_none), check_frame(frame) == status::success, false);
    CHECK(default_interleave_mode(1) == interleave_none && default_interleave_mode(2) == interleave_none);
    CHECK(default_interleave_mode(3) == interleave_sample && default_interleave_mode(5) == interleave_none);
}

TEST(automatic_restart_interval)
{
    CHECK(automatic_restart_interval({4096, 4096, 8, 1}, 1) == 256);
    CHECK(automatic_restart_interval({4096, 4096, 8, 1}, 64) == 64);
    CHECK(automatic_restart_interval({512, 512, 8, 1}, 64) == 0);
    CHECK(automatic_restart_interval({1, 1, 8, 1}, 1) == 0);
}

TEST(unsafe_samples)
{
    const frame_info frame{4, 3, 12, 1};
    test_image image{frame, interleave_none, content::smooth, 5};
    CHECK(!find_unsafe_sample(image.source));
    for (const std::int32_t sample : {2043, 2047, -2044, -2048})
    {
        const auto value = static_cast<std::uint16_t>(sample & 0xFFF);
        std::memcpy(&image.samples[10], &value, sizeof value);
        CHECK_EQUAL_IN(text(sample), find_unsafe_sample(image.source).value_or(0), sample);
    }
    for (const std::int32_t sample : {2042, -2043})
    {
        const auto value = static_cast<std::uint16_t>(sample);
        std::memcpy(&image.samples[10], &value, sizeof value);
        CHECK_EQUAL_IN(text(sample), find_unsafe_sample(image.source).has_value(), false);
    }
}

// All lines of a truncated stream that are marked are right, and there are fewer of them the more is missing.
TEST(truncated_streams)
{
    for (const auto& [frame, mode] : image_cases)
        for (const std::uint32_t interval : {0U, 2U})
        {
            test_image image{frame, mode, content::noise};
            image.source.parameters.restart_interval = interval;
            const byte_vector stream = encode(image.source);
            const image_layout& layout{image.source.layout};
            std::size_t before{static_cast<std::size_t>(layout.line_count)};
            for (std::size_t size{stream.size()}; size > 60; size -= 3)
            {
                const byte_span part{stream.data(), size};
                const piece_list found = salvage(part, {}, 1);
                if (found.pieces.empty())
                    break;
                byte_vector samples(layout.size);
                byte_vector good(layout.line_count);
                const std::string context{context_of(frame, mode, interval) + ", " + text(size) + " bytes"};
                CHECK_EQUAL_IN(context,
                               decode_good_lines({part, {}, found.info, true}, samples.data(), layout, good.data()),
                               status::success);
                std::size_t count{};
                for (std::size_t line{}; line < good.size(); ++line)
                    if (good[line] == 1)
                    {
                        ++count;
                        CHECK_EQUAL_IN(context + ", line " + text(line),
                                       std::memcmp(&samples[line * layout.stride], &image.samples[line * layout.stride],
                                                   layout.line_size),
                                       0);
                    }
                CHECK_EQUAL_IN(context, count <= before, true);
                before = count;
            }
        }
}

TEST(changed_streams)
{
    for (const auto& [frame, mode] : image_cases)
    {
        const test_image image{frame, mode, content::smooth};
        const byte_vector stream = encode(image.source);
        inspected_stream source = open(stream);
        byte_vector samples(2 * image.source.layout.size + 1000);
        ++source.info.height;
        const image_layout layout = lay_out(frame_of(source.info), mode, 0).layout;
        const std::string context{context_of(frame, mode)};
        CHECK_EQUAL_IN(context, layout.size <= samples.size(), true);
        CHECK_EQUAL_IN(context, decode_image(source, samples.data(), layout), to_status(fault::changed));
        CHECK_EQUAL_IN(context, find_pieces(source, 1).error, to_status(fault::changed));
    }
}
