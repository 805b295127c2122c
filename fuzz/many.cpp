// SPDX-License-Identifier: MIT
//
// Many streams and images at once against one after another: any mix of sizes, precisions, components, restart
// intervals, losses and damage, in memory of exactly the size that is needed.
#include "codec/many.hpp"
#include "stream/inspector.hpp"
#include "tests/samples.hpp"

#include "harness.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <deque>

using namespace dicom_jpegls;

namespace {

struct image
{
    block samples{std::size_t{}, 0};
    image_source source{};
    block stream{std::size_t{}, 0};
};

// An image with its stream, as the function for one image encodes it.
void make_image(FuzzedDataProvider& input, image& made)
{
    image_source& source{made.source};
    source.frame = {input.ConsumeIntegralInRange<std::uint32_t>(1, 70),
                    input.ConsumeIntegralInRange<std::uint32_t>(1, 40), input.ConsumeIntegralInRange(7, 16),
                    input.PickValueInArray({1, 1, 1, 1, 1, 1, 3, 3, 4})};
    if (source.frame.component_count != 1)
        source.parameters.interleave_mode = input.ConsumeIntegralInRange<std::int32_t>(
            interleave_none, source.frame.component_count == 3 ? interleave_sample : interleave_line);
    source.parameters.near_lossless = input.ConsumeIntegralInRange(0, 6) == 0 ? 1 : 0;
    // Few intervals: CharLS makes tables for each if the presets are not the defaults.
    if (input.ConsumeIntegralInRange(0, 3) == 0)
        source.parameters.restart_interval =
            input.ConsumeIntegralInRange<std::uint32_t>(source.frame.height / 3 + 1, source.frame.height);
    if (source.parameters.restart_interval == source.frame.height)
        source.parameters.restart_interval = 0;
    if (input.ConsumeIntegralInRange(0, 6) == 0)
        source.parameters.preset_coding_parameters.threshold1 = input.ConsumeIntegralInRange(2, 6);
    if (check_encoding(source.frame, source.parameters) != status::success)
        source.parameters.preset_coding_parameters = {};
    source.layout = lay_out(source.frame, source.parameters.interleave_mode, 0).layout;
    made.samples = block{static_cast<std::size_t>(source.layout.size), 0};
    source.samples = made.samples.data();
    std::uint32_t random{input.ConsumeIntegral<std::uint32_t>()};
    const auto amplitude{static_cast<std::uint32_t>(1) << input.ConsumeIntegralInRange(0, 15)};
    const std::size_t size{bytes_per_sample(source.frame.bits_per_sample)};
    for (std::size_t i{}; i + size <= made.samples.size(); i += size)
    {
        random = random * 1664525U + 1013904223U;
        const auto value{static_cast<std::uint16_t>(((i >> 3U) + (random >> 12U) % amplitude) &
                                                    ((1U << source.frame.bits_per_sample) - 1))};
        write_sample(&made.samples.data()[i], value, size);
    }
    std::vector<std::uint8_t> stream(static_cast<std::size_t>(max_encoded_size(source.frame)));
    const encoded_size encoded{encode_image(source, stream.data(), stream.size())};
    REQUIRE(encoded.error == status::success);
    made.stream = block{encoded.size, 0};
    std::memcpy(made.stream.data(), stream.data(), encoded.size);
}

void check_encoding_of(many_coder& coder, const std::deque<image>& images)
{
    std::vector<encoding> encodings;
    for (const image& one : images)
        encodings.emplace_back(one.source);
    coder.encode(encodings.data(), encodings.size());
    for (std::size_t i{}; i != images.size(); ++i)
    {
        REQUIRE(encodings[i].error() == status::success && encodings[i].size() == images[i].stream.size());
        block stream{encodings[i].size(), 0};
        encodings[i].write(stream.data());
        REQUIRE(std::memcmp(stream.data(), images[i].stream.data(), stream.size()) == 0);
    }
}

void damage(FuzzedDataProvider& input, block& stream)
{
    for (int changes{input.ConsumeIntegralInRange(0, 3)}; changes != 0; --changes)
    {
        const auto place{input.ConsumeIntegralInRange<std::size_t>(0, stream.size() - 1)};
        stream.data()[place] = input.ConsumeIntegral<std::uint8_t>();
    }
    if (input.ConsumeIntegralInRange(0, 7) != 0 || stream.size() < 8)
        return;
    block cut{input.ConsumeIntegralInRange<std::size_t>(4, stream.size()), 0};
    std::memcpy(cut.data(), stream.data(), cut.size());
    cut.data()[cut.size() - 2] = 0xFF;
    cut.data()[cut.size() - 1] = 0xD9;
    stream = std::move(cut);
}

void check_decoding_of(many_coder& coder, const std::deque<image>& images)
{
    constexpr limits allowed{200, 100000};
    std::deque<inspected_stream> streams;
    std::deque<block> results;
    std::deque<block> expected;
    std::vector<decoding> decodings;
    for (const image& one : images)
    {
        const byte_span bytes{one.stream.data(), one.stream.size()};
        const inspection found{inspect(bytes, allowed)};
        if (found.error.code != fault::none)
            continue;
        const image_layout layout{lay_out(frame_of(found.info), found.info.interleave_mode, 0).layout};
        streams.push_back({bytes, allowed, found.info, false, {}});
        results.emplace_back(static_cast<std::size_t>(layout.size), 0);
        expected.emplace_back(static_cast<std::size_t>(layout.size), 0);
        decoding one_decoding;
        one_decoding.source = &streams.back();
        one_decoding.samples = results.back().data();
        one_decoding.layout = layout;
        // 16-bit samples are aligned, since all memory begins at a multiple of 16.
        decodings.push_back(one_decoding);
    }
    coder.decode(decodings.data(), decodings.size());
    for (std::size_t i{}; i != decodings.size(); ++i)
    {
        const status code{decode_image(streams[i], expected[i].data(), decodings[i].layout)};
        REQUIRE(decodings[i].error == code);
        if (code == status::success)
            REQUIRE(std::memcmp(results[i].data(), expected[i].data(), results[i].size()) == 0);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* const data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    many_coder coder;
    std::deque<image> images;
    for (int left{input.ConsumeIntegralInRange(1, 20)}; left != 0 && input.remaining_bytes() != 0; --left)
        make_image(input, images.emplace_back());
    check_encoding_of(coder, images);
    for (image& one : images)
        damage(input, one.stream);
    check_decoding_of(coder, images);
    return 0;
}
