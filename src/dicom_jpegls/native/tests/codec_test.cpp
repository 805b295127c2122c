// SPDX-License-Identifier: MIT
//
// Encoding and decoding: strips and their joining against whole images, the bound on sizes, partial decoding, and
// streams that change.
#include "codec/charls_handle.hpp"
#include "codec/decode.hpp"
#include "codec/encode.hpp"
#include "stream/salvage.hpp"

#include "harness.hpp"
#include "samples.hpp"

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
            write_sample(&samples[i * size], sample, size);
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
    return {{stream.data(), stream.size()}, {}, info, false, {}};
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

TEST(codes_of_charls)
{
    using charls_api::error_code;
    CHECK(to_status(error_code::success) == status::success);
    CHECK(to_status(error_code::not_enough_memory) == status::not_enough_memory);
    CHECK(to_status(charls_api::destination_too_small) == status::destination_too_small);
    CHECK(to_status(charls_api::source_ends) == to_status(codec_fault::source_ends));
    CHECK(to_status(charls_api::invalid_data) == to_status(codec_fault::invalid_data));
    CHECK(to_status(charls_api::too_much_data) == to_status(codec_fault::too_much_data));
    CHECK(to_status(error_code{999}) == to_status(codec_fault::unexpected_failure));
    if (charls_api::has_fault_numbers)
    {
        int same{};
        for (int code{}; code != first_fault_code; ++code)
            same += to_status(static_cast<error_code>(code)) == static_cast<status>(code);
        CHECK_EQUAL(same, 48); // as many as CharLS 2.4 has
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
    parameters.reserved[5] = 1;
    CHECK(check_encoding(color, parameters) == status::reserved_field);
    parameters = {};
    parameters.is_signed = 1;
    CHECK(check_encoding(color, parameters) == status::success);
    parameters.is_signed = 2;
    CHECK(check_encoding(color, parameters) == status::reserved_field);
    parameters = {};
    parameters.color_transformation = 1;
    CHECK(check_encoding(color, parameters) == to_status(fault::color_transformation_use));
    parameters.interleave_mode = interleave_sample;
    CHECK(check_encoding(color, parameters) == status::success);
    parameters = {};
    parameters.near_lossless = 128;
    CHECK(check_encoding(color, parameters) == to_status(codec_fault::argument_near_lossless));
    for (const frame_info& frame : {frame_info{0, 1, 8, 1}, frame_info{1, 65536, 8, 1}, frame_info{1, 1, 17, 1},
                                    frame_info{1, 1, 8, 256}, frame_info{1, 1, -8, 1}})
        CHECK_EQUAL_IN(context_of(frame, interleave_none), check_frame(frame) == status::success, false);
    CHECK(default_interleave_mode(1) == interleave_none && default_interleave_mode(2) == interleave_none);
    CHECK(default_interleave_mode(3) == interleave_sample && default_interleave_mode(5) == interleave_none);
}

TEST(automatic_restart_interval)
{
    CHECK(automatic_restart_interval({4096, 4096, 8, 1}) == 64);
    CHECK(automatic_restart_interval({4095, 4096, 8, 1}) == 65);
    CHECK(automatic_restart_interval({512, 513, 8, 1}) == 512);
    CHECK(automatic_restart_interval({512, 512, 8, 1}) == 0);
    CHECK(automatic_restart_interval({1, 1, 8, 1}) == 0);
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
    image.source.parameters.near_lossless = 0;
    CHECK(!find_unsafe_sample(image.source));
    image.source.parameters.near_lossless = 5;
    for (const std::int32_t sample : {2042, -2043})
    {
        const auto value = static_cast<std::uint16_t>(sample);
        std::memcpy(&image.samples[10], &value, sizeof value);
        CHECK_EQUAL_IN(text(sample), find_unsafe_sample(image.source).has_value(), false);
    }
}

// Checks that all marked lines are right, and returns their number.
std::size_t check_marked_lines(const std::string& context, const test_image& image, const byte_vector& samples,
                               const byte_vector& good)
{
    const image_layout& layout{image.source.layout};
    std::size_t count{};
    for (std::size_t line{}; line < good.size(); ++line)
    {
        if (good[line] != 1)
            continue;
        ++count;
        CHECK_EQUAL_IN(
            context + ", line " + text(line),
            std::memcmp(&samples[line * layout.stride], &image.samples[line * layout.stride], layout.line_size), 0);
    }
    return count;
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
                const piece_list found = salvage(part, {});
                if (found.pieces.empty())
                    break;
                byte_vector samples(layout.size);
                byte_vector good(layout.line_count);
                const std::string context{context_of(frame, mode, interval) + ", " + text(size) + " bytes"};
                CHECK_EQUAL_IN(context,
                               decode_good_lines({part, {}, found.info, true, {}}, samples.data(), layout, good.data()),
                               status::success);
                const std::size_t count = check_marked_lines(context, image, samples, good);
                CHECK_EQUAL_IN(context, count <= before, true);
                before = count;
            }
        }
}

// The presets of the first LSE segment; all 0 if there is none.
preset_coding_parameters written_presets(const byte_vector& stream)
{
    segment_reader reader{{stream.data(), stream.size()}};
    preset_coding_parameters presets{};
    while (reader.next() == fault::none && reader.current().code != marker_sos)
        if (reader.current().code == marker_lse)
        {
            field_reader fields{reader.data()};
            CHECK(fields.number(1) == 1);
            for (const auto field : preset_fields)
                presets.*field = fields.parameter(2);
        }
    return presets;
}

// Presets are written where other decoders assume other ones, and where they have been chosen, even if they are the
// defaults.
TEST(written_presets)
{
    for (std::int32_t bits{2}; bits <= 16; ++bits)
        for (const std::int32_t near_lossless : {0, 1})
            for (const std::uint32_t interval : {0U, 2U})
                for (const bool chosen : {false, true})
                {
                    test_image image{{5, 7, bits, 1}, interleave_none, content::noise, near_lossless};
                    const std::string context{context_of(image.source.frame, interleave_none, interval)};
                    image.source.parameters.restart_interval = interval;
                    const std::int32_t maximum = maximum_sample_value(bits);
                    const preset_coding_parameters defaults{default_preset_coding_parameters(maximum, near_lossless)};
                    if (chosen)
                        image.source.parameters.preset_coding_parameters = {defaults.maximum_sample_value,
                                                                            defaults.threshold1, defaults.threshold2,
                                                                            defaults.threshold3, defaults.reset_value};
                    const byte_vector stream{encode(image.source)};
                    const preset_coding_parameters found{written_presets(stream)};
                    const bool expected = chosen || bits < 8 || bits > 12;
                    for (const auto field : preset_fields)
                        CHECK_EQUAL_IN(context, found.*field, expected ? defaults.*field : 0);
                    CHECK_EQUAL_IN(context, open(stream).info.has_presets, expected);
                    if (near_lossless == 0)
                        CHECK_EQUAL_IN(context, decode(open(stream)) == image.samples, true);
                }
}

// Lines of truncated streams that were padded with zeros are right, if they are marked.
TEST(truncated_and_padded_streams)
{
    for (const auto& [frame, mode] : image_cases)
        for (const std::uint32_t interval : {0U, 2U})
        {
            test_image image{frame, mode, content::noise};
            image.source.parameters.restart_interval = interval;
            const byte_vector stream = encode(image.source);
            const image_layout& layout{image.source.layout};
            for (std::size_t size{stream.size() - 4}; size > 60; --size)
                for (const std::size_t zeros : {std::size_t{1}, std::size_t{3}, stream.size() - size})
                    for (const bool has_end : {false, true})
                    {
                        byte_vector padded(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size));
                        padded.resize(size + zeros);
                        if (has_end)
                            padded.insert(padded.end(), {0xFF, marker_eoi});
                        const byte_span part{padded.data(), padded.size()};
                        const piece_list found = salvage(part, {});
                        if (found.pieces.empty())
                            continue;
                        byte_vector samples(layout.size);
                        byte_vector good(layout.line_count);
                        const std::string context{context_of(frame, mode, interval) + ", " + text(size) +
                                                  " bytes and zeros: " + text(zeros)};
                        CHECK_EQUAL_IN(
                            context,
                            decode_good_lines({part, {}, found.info, true, {}}, samples.data(), layout, good.data()),
                            status::success);
                        if (inspect(part, {}).error.code == fault::none &&
                            std::all_of(good.begin(), good.end(), [](const std::uint8_t line) { return line == 1; }))
                            continue; // a sound stream, of an image that ends in another way
                        check_marked_lines(context, image, samples, good);
                    }
        }
}

// If data is left after the last line, no line is known to be right.
TEST(data_left_after_the_last_line)
{
    const test_image image{{17, 9, 8, 1}, interleave_none, content::noise};
    byte_vector stream = encode(image.source);
    const byte_vector more{0x5A, 0x5A, 0x5A, 0x5A, 0x5A, 0x5A};
    stream.insert(stream.end() - 3, more.begin(), more.end());
    const inspected_stream source{open(stream)};
    byte_vector samples(image.source.layout.size);
    byte_vector good(image.source.layout.line_count);
    CHECK(has_found_data_left(decode_image(source, samples.data(), image.source.layout)));
    CHECK(decode_good_lines(source, samples.data(), image.source.layout, good.data()) == status::success);
    CHECK(good == byte_vector(good.size()));
}

// A stream as an encoder with other default thresholds writes it: without the presets that it has used.
byte_vector encode_variant(test_image& image, const default_thresholds variant)
{
    const preset_coding_parameters presets{variant_preset_coding_parameters(variant, image.source.frame.bits_per_sample,
                                                                            image.source.parameters.near_lossless)};
    image.source.parameters.preset_coding_parameters = {presets.maximum_sample_value, presets.threshold1,
                                                        presets.threshold2, presets.threshold3, presets.reset_value};
    byte_vector stream{encode(image.source)};
    segment_reader reader{{stream.data(), stream.size()}};
    while (reader.next() == fault::none && reader.current().code != marker_lse)
        continue;
    const auto begin = stream.begin() + static_cast<std::ptrdiff_t>(reader.current().offset);
    stream.erase(begin, begin + 15);
    return stream;
}

TEST(variants_of_the_default_thresholds)
{
    for (const auto& [variant, bits] :
         {std::pair{default_thresholds::jai, 13}, std::pair{default_thresholds::jai, 16},
          std::pair{default_thresholds::charls_1, 6}, std::pair{default_thresholds::charls_1, 7}})
        for (const auto& [components, mode] : {std::pair{1, interleave_none}, std::pair{3, interleave_none},
                                               std::pair{3, interleave_line}, std::pair{3, interleave_sample}})
        {
            test_image image{{40, 40, bits, components}, mode, content::noise};
            const std::string context{context_of(image.source.frame, mode)};
            const byte_vector stream{encode_variant(image, variant)};
            inspected_stream source{open(stream)};
            byte_vector samples(image.source.layout.size);
            CHECK_EQUAL_IN(context, decode_image(source, samples.data(), image.source.layout) == status::success,
                           false);
            const variant_result result{decode_with_variants(source, samples.data(), image.source.layout)};
            CHECK_EQUAL_IN(context, result.error, status::success);
            CHECK_EQUAL_IN(context, static_cast<int>(result.variant), static_cast<int>(variant));
            CHECK_EQUAL_IN(context, samples == image.samples, true);

            CHECK(assume_presets(source, result.presets) == fault::none);
            CHECK_EQUAL_IN(context, source.info.presets.threshold3, result.presets.threshold3);
            CHECK_EQUAL_IN(context, decode(source) == image.samples, true);
            CHECK(decode_with_variants(source, samples.data(), image.source.layout).variant ==
                  default_thresholds::standard);
            CHECK(assume_presets(source, {0, 9, 5, 7, 0}) == fault::preset_value);
        }
    const test_image image{{40, 40, 12, 1}, interleave_none, content::noise};
    byte_vector stream = encode(image.source);
    stream.erase(stream.end() - 40, stream.end() - 20);
    byte_vector samples(image.source.layout.size);
    CHECK(decode_with_variants(open(stream), samples.data(), image.source.layout).variant ==
          default_thresholds::standard);
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
