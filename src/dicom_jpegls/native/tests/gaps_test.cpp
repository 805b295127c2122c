// SPDX-License-Identifier: MIT
//
// Lines with gaps that nobody can access: whatever codes them reads and writes the lines only, at every address.
#include "codec/c_api.hpp"
#include "codec/many.hpp"
#include "stream/inspector.hpp"

#include "exact_memory.hpp"
#include "harness.hpp"
#include "samples.hpp"

#include <deque>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

// Scans that are coded in lanes, if there are any.
constexpr std::size_t lanes_filled{scan::lanes_in_flight};

using byte_vector = std::vector<std::uint8_t>;

struct image_case
{
    frame_info frame;
    encoding_parameters parameters;
};

encoding_parameters parameters(const std::int32_t mode, const std::int32_t near_lossless = 0,
                               const std::uint32_t restart_interval = 0, const std::int32_t transformation = 0)
{
    encoding_parameters made{};
    made.interleave_mode = mode;
    made.near_lossless = near_lossless;
    made.restart_interval = restart_interval;
    made.color_transformation = transformation;
    return made;
}

// Every way in which lines are read or written: by the scan codecs, by CharLS, in strips, as planes, transformed.
const std::vector<image_case> cases_of_images{
    {{61, 9, 7, 1}, parameters(interleave_none)},           {{61, 9, 8, 1}, parameters(interleave_none)},
    {{61, 9, 8, 3}, parameters(interleave_none, 0, 4)},     {{61, 9, 8, 3}, parameters(interleave_line)},
    {{61, 9, 8, 3}, parameters(interleave_sample)},         {{61, 9, 8, 3}, parameters(interleave_sample, 0, 0, 2)},
    {{61, 9, 8, 4}, parameters(interleave_sample, 2)},      {{61, 9, 12, 1}, parameters(interleave_none)},
    {{61, 9, 12, 1}, parameters(interleave_none, 0, 2)},    {{61, 9, 12, 1}, parameters(interleave_none, 3)},
    {{61, 9, 12, 2}, parameters(interleave_none)},          {{61, 9, 16, 1}, parameters(interleave_none, 0, 3)},
    {{61, 9, 16, 3}, parameters(interleave_none)},          {{61, 9, 12, 3}, parameters(interleave_line, 0, 2)},
    {{61, 9, 16, 3}, parameters(interleave_line, 0, 0, 1)}, {{61, 9, 12, 4}, parameters(interleave_sample)},
    {{61, 9, 16, 3}, parameters(interleave_sample, 1)},     {{1, 1, 16, 1}, parameters(interleave_none)},
};

struct place
{
    bool at_end;
    std::size_t shift;
};

constexpr place places[]{{false, 0}, {false, 1}, {true, 0}, {true, 1}};

// An image with its lines close together, and its stream.
struct packed_image
{
    byte_vector samples;
    image_source source{};
    byte_vector stream;
};

packed_image make_image(const image_case& kind)
{
    packed_image made;
    made.source.frame = kind.frame;
    made.source.parameters = kind.parameters;
    CHECK(check_encoding(kind.frame, kind.parameters) == status::success);
    made.source.layout = lay_out(kind.frame, kind.parameters.interleave_mode, 0).layout;
    made.samples.resize(made.source.layout.size);
    std::uint32_t random{7};
    const std::size_t size{bytes_per_sample(kind.frame.bits_per_sample)};
    for (std::size_t i{}; i != made.samples.size(); i += size)
    {
        random = random * 1664525U + 1013904223U;
        const auto value =
            static_cast<std::uint16_t>((i / 8 + (random >> 26)) & ((1U << kind.frame.bits_per_sample) - 1));
        write_sample(&made.samples[i], value, size);
    }
    made.source.samples = made.samples.data();
    made.stream.resize(max_encoded_size(kind.frame));
    const encoded_size encoded{encode_image(made.source, made.stream.data(), made.stream.size())};
    CHECK(encoded.error == status::success);
    made.stream.resize(encoded.size);
    return made;
}

fenced_lines fence(const image_source& source, const place& where)
{
    return fenced_lines{static_cast<std::size_t>(source.layout.line_size),
                        static_cast<std::size_t>(source.layout.line_count), where.at_end, where.shift};
}

std::string context_of(const image_case& kind, const place& where)
{
    return text(kind.frame.component_count) + " component(s) of " + text(kind.frame.bits_per_sample) + " bits, mode " +
           text(kind.parameters.interleave_mode) + ", NEAR " + text(kind.parameters.near_lossless) + ", interval " +
           text(kind.parameters.restart_interval) + (where.at_end ? ", end" : ", start") + " of a page, shift " +
           text(where.shift);
}

template<typename Check>
void for_each_case(const Check& check)
{
    for (const image_case& kind : cases_of_images)
    {
        const packed_image image{make_image(kind)};
        for (const place& where : places)
            check(image, where, context_of(kind, where));
    }
}

image_layout layout_of(const image_source& source, const fenced_lines& lines)
{
    return lay_out(source.frame, source.parameters.interleave_mode, lines.stride()).layout;
}

} // namespace

TEST(encoding_reads_no_gap)
{
    for_each_case([](const packed_image& image, const place& where, const std::string& context) {
        const fenced_lines lines{fence(image.source, where)};
        lines.fill(image.samples.data());
        image_source source{image.source};
        source.samples = lines.data();
        source.layout = layout_of(source, lines);
        CHECK_EQUAL_IN(context, find_unsafe_sample(source).has_value(), find_unsafe_sample(image.source).has_value());
        byte_vector stream(max_encoded_size(source.frame));
        const encoded_size encoded{encode_image(source, stream.data(), stream.size())};
        CHECK_EQUAL_IN(context, encoded.error, status::success);
        stream.resize(encoded.size);
        CHECK_EQUAL_IN(context, stream == image.stream, true);

        strip_encoder strips{source};
        many_coder coder;
        CHECK_EQUAL_IN(context, coder.encode_strips(strips, 0, strips.count()), status::success);
        CHECK_EQUAL_IN(context, strips.join().size, image.stream.size());
        strips.write(stream.data());
        CHECK_EQUAL_IN(context, stream == image.stream, true);

        std::vector<encoding> encodings;
        while (encodings.size() != lanes_filled)
            encodings.emplace_back(source);
        coder.encode(encodings.data(), encodings.size());
        for (encoding& one : encodings)
        {
            CHECK_EQUAL_IN(context, one.size(), image.stream.size());
            one.write(stream.data());
            CHECK_EQUAL_IN(context, stream == image.stream, true);
        }
    });
}

TEST(decoding_accesses_no_gap)
{
    for_each_case([](const packed_image& image, const place& where, const std::string& context) {
        const byte_span bytes{image.stream.data(), image.stream.size()};
        const inspected_stream source{bytes, {}, inspect(bytes, {}).info, false, {}};
        byte_vector expected(image.samples.size());
        CHECK_EQUAL_IN(context, decode_image(source, expected.data(), image.source.layout), status::success);
        const std::int32_t bits{image.source.frame.bits_per_sample};
        many_coder coder;
        // Whole, in pieces, together with others, and as what is left of a damaged stream.
        for (int way{}; way != 4; ++way)
        {
            std::deque<fenced_lines> places_of_lines;
            std::deque<output_buffer> outputs;
            for (std::size_t i{}; i != (way == 2 ? lanes_filled : 1); ++i)
            {
                const auto& layout{image.source.layout};
                const fenced_lines& lines{places_of_lines.emplace_back(static_cast<std::size_t>(layout.line_size),
                                                                       static_cast<std::size_t>(layout.line_count),
                                                                       where.at_end, where.shift)};
                outputs.emplace_back(lines.data(), layout_of(image.source, lines), bits, false);
            }
            const output_buffer& output{outputs.front()};
            byte_vector good(output.layout().line_count);
            status result{status::success};
            if (way == 0)
                result = decode_image(source, output.data(), output.layout());
            else if (way == 1)
            {
                const found_pieces found{find_pieces(source, 1)};
                result = coder.decode_pieces(source, found.pieces.data(), found.pieces.size(), output.data(),
                                             output.layout());
            }
            else if (way == 2)
            {
                std::vector<decoding> decodings;
                decodings.reserve(outputs.size());
                for (const output_buffer& one : outputs)
                    decodings.push_back({&source, one.data(), one.layout(), status::success});
                coder.decode(decodings.data(), decodings.size());
                for (const decoding& one : decodings)
                    CHECK_EQUAL_IN(context, one.error, status::success);
            }
            else
                result = decode_good_lines(source, output.data(), output.layout(), good.data());
            CHECK_EQUAL_IN(context, result, status::success);
            for (std::size_t i{}; i != outputs.size(); ++i)
            {
                outputs[i].deliver();
                CHECK_EQUAL_IN(context + ", way " + text(way), places_of_lines[i].lines() == expected, true);
            }
        }
    });
}

// Through the public functions, also with samples that are sign-extended.
TEST(the_c_api_accesses_no_gap)
{
    for_each_case([](const packed_image& image, const place& where, const std::string& context) {
        const fenced_lines source{fence(image.source, where)};
        source.fill(image.samples.data());
        byte_vector stream(max_encoded_size(image.source.frame));
        dicom_jpegls_encoding encoding{source.data(),
                                       source.size(),
                                       source.stride(),
                                       &image.source.frame,
                                       &image.source.parameters,
                                       stream.data(),
                                       stream.size(),
                                       0,
                                       {},
                                       0};
        std::size_t written{};
        CHECK_EQUAL_IN(context,
                       c_api::encode(encoding.source, encoding.source_size, encoding.stride, encoding.frame,
                                     encoding.parameters, stream.data(), stream.size(), &written),
                       DICOM_JPEGLS_SUCCESS);
        CHECK_EQUAL_IN(context, written, image.stream.size());
        CHECK_EQUAL_IN(context, c_api::encode_many(&encoding, 1, 1), DICOM_JPEGLS_SUCCESS);
        stream.resize(encoding.bytes_written);
        CHECK_EQUAL_IN(context, stream == image.stream, true);

        for (const bool is_signed : {false, true})
        {
            const fenced_lines one{fence(image.source, where)};
            const fenced_lines other{fence(image.source, where)};
            dicom_jpegls_decoding item{
                stream.data(), stream.size(), other.data(), other.size(), other.stride(), nullptr, is_signed, {}, 0};
            CHECK_EQUAL_IN(context, c_api::decode_many(&item, 1, 1), DICOM_JPEGLS_SUCCESS);
            const auto decode = is_signed ? c_api::decode_signed : c_api::decode;
            CHECK_EQUAL_IN(context, decode(stream.data(), stream.size(), one.data(), one.size(), one.stride(), nullptr),
                           DICOM_JPEGLS_SUCCESS);
            CHECK_EQUAL_IN(context, one.lines() == other.lines(), true);
        }
    });
}
