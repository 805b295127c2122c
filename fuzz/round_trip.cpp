// SPDX-License-Identifier: MIT
//
// The encoder (native/codec/encode.hpp) with any samples and parameters: it writes nothing outside of its destination,
// needs no more than max_encoded_size, and its streams pass the checks and decode to within NEAR. What is left of a
// truncated stream is right.
#include "harness.hpp"

#include "codec/decode.hpp"
#include "codec/encode.hpp"
#include "stream/salvage.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <string>
#include <vector>

using namespace dicom_jpegls;

namespace {

void choose_presets(FuzzedDataProvider& input, image_source& image)
{
    dicom_jpegls_preset_coding_parameters& presets = image.parameters.preset_coding_parameters;
    const std::int32_t highest = input.ConsumeBool() ? maximum_sample_value(image.frame.bits_per_sample) : 20;
    for (std::int32_t* const threshold : {&presets.threshold1, &presets.threshold2, &presets.threshold3})
        *threshold = input.ConsumeIntegralInRange(0, highest);
    presets.reset_value = input.ConsumeIntegralInRange(0, 255);
}

image_source choose(FuzzedDataProvider& input)
{
    image_source image{};
    frame_info& frame = image.frame;
    encoding_parameters& parameters = image.parameters;
    frame.bits_per_sample = input.ConsumeIntegralInRange(2, 16);
    frame.component_count = input.ConsumeBool() ? 1 : input.PickValueInArray({2, 3, 4, 5});
    frame.width = input.ConsumeIntegralInRange(1U, 80U);
    frame.height = input.ConsumeIntegralInRange(1U, 20U);
    if (input.ConsumeBool())
        parameters.near_lossless = input.ConsumeIntegralInRange(0, maximum_near_lossless(frame.bits_per_sample));
    if (can_interleave(frame.component_count))
        parameters.interleave_mode = input.ConsumeIntegralInRange<std::int32_t>(interleave_none, interleave_sample);
    if (frame.component_count == 3 && frame.bits_per_sample % 8 == 0 && parameters.near_lossless == 0 &&
        parameters.interleave_mode != interleave_none)
        parameters.color_transformation = input.ConsumeIntegralInRange(0, maximum_color_transformation);
    if (input.ConsumeBool())
        choose_presets(input, image);
    if (input.ConsumeBool())
        parameters.restart_interval = input.ConsumeIntegralInRange(0U, frame.height + 1);
    if (input.ConsumeBool())
    {
        spiff_header spiff{};
        spiff.component_count = frame.component_count;
        spiff.height = frame.height;
        spiff.width = frame.width;
        spiff.color_space = 2; // none
        spiff.bits_per_sample = frame.bits_per_sample;
        spiff.compression_type = 6; // JPEG-LS
        spiff.vertical_resolution = spiff.horizontal_resolution = 1;
        image.segments.spiff = spiff;
    }
    image.layout = layout_of(frame, parameters.interleave_mode,
                             bytes_per_sample(frame.bits_per_sample) * input.ConsumeIntegralInRange(0U, 3U));
    return image;
}

// Samples without regard to the precision: the encoder has to ignore the bits above it.
block choose_samples(FuzzedDataProvider& input, const std::uint64_t size)
{
    const std::vector<std::uint8_t> pattern = input.ConsumeRemainingBytes<std::uint8_t>();
    block result{size, 0};
    for (std::size_t i = 0; i < size && !pattern.empty(); ++i)
        result.data()[i] = pattern[i % pattern.size()];
    return result;
}

// The strips, encoded in another order, make the same stream.
void check_strips(const image_source& image, const block& stream)
{
    strip_encoder strips{image};
    REQUIRE(strips.count() == strip_encoder::count(image));
    for (std::size_t i = strips.count(); i != 0; --i)
        REQUIRE(strips.encode(i - 1, i) == status::success);
    const encoded_size joined = strips.join();
    REQUIRE(joined.error == status::success && joined.size == stream.size());
    const block again{joined.size, 0};
    strips.write(again.data());
    REQUIRE(std::memcmp(again.data(), stream.data(), stream.size()) == 0);
}

void check_memory(const image_source& image, const block& stream)
{
    const encoded_stream encoded = encode_image(image);
    REQUIRE(encoded.error == status::success && encoded.bytes.size() == stream.size());
    REQUIRE(std::memcmp(encoded.bytes.data(), stream.data(), stream.size()) == 0);
}

void check_information(const image_source& image, const block& stream, const stream_info& info)
{
    const frame_info& frame = image.frame;
    const encoding_parameters& parameters = image.parameters;
    REQUIRE(info.size == stream.size());
    REQUIRE(info.width == frame.width && info.height == frame.height);
    REQUIRE(info.bits_per_sample == frame.bits_per_sample && info.component_count == frame.component_count);
    REQUIRE(info.interleave_mode == parameters.interleave_mode && info.near_lossless == parameters.near_lossless);
    REQUIRE(info.color_transformation == parameters.color_transformation);
    REQUIRE(info.restart_interval == (parameters.restart_interval < frame.height ? parameters.restart_interval : 0));
    REQUIRE(info.has_spiff_header == image.segments.spiff.has_value());
    const dicom_jpegls_preset_coding_parameters& presets = parameters.preset_coding_parameters;
    const completed_presets expected = complete_presets(
        {presets.maximum_sample_value, presets.threshold1, presets.threshold2, presets.threshold3, presets.reset_value},
        frame.bits_per_sample, parameters.near_lossless, parameters.interleave_mode == interleave_sample);
    REQUIRE(std::memcmp(&info.presets, &expected.presets, sizeof expected.presets) == 0);
    const std::vector<annotation> annotations = list_annotations(stream.bytes());
    REQUIRE(annotations.size() == image.segments.annotations.size());
    for (std::size_t i = 0; i < annotations.size(); ++i)
    {
        const annotation& expected_annotation = image.segments.annotations[i];
        REQUIRE(annotations[i].code == expected_annotation.code);
        REQUIRE(annotations[i].data.size == expected_annotation.data.size);
        REQUIRE(annotations[i].data.size == 0 ||
                std::memcmp(annotations[i].data.data, expected_annotation.data.data, annotations[i].data.size) == 0);
    }
}

void compare(const image_source& image, const block& decoded, const image_layout& packed)
{
    const std::uint32_t size = bytes_per_sample(image.frame.bits_per_sample);
    const std::int32_t maximum = maximum_sample_value(image.frame.bits_per_sample);
    const std::int32_t sign_bit = 1 << (image.frame.bits_per_sample - 1);
    const bool is_safe = !find_unsafe_sample(image);
    const auto read = [size](const std::uint8_t* from) {
        std::uint16_t value{*from};
        if (size == 2)
            std::memcpy(&value, from, sizeof value);
        return std::int32_t{value};
    };
    for (std::uint64_t line = 0; line < packed.line_count; ++line)
        for (std::uint64_t i = 0; i < packed.line_size; i += size)
        {
            const std::int32_t before = read(image.samples + line * image.layout.stride + i) & maximum;
            const std::int32_t after = read(decoded.data() + line * packed.stride + i);
            REQUIRE(after <= maximum && std::abs(after - before) <= image.parameters.near_lossless);
            if (is_safe)
                REQUIRE(std::abs(extend_sign(after, sign_bit) - extend_sign(before, sign_bit)) <=
                        image.parameters.near_lossless);
        }
}

void check_truncated(const block& stream, const block& decoded, const image_layout& packed, const std::size_t size)
{
    const block part{stream.data(), size};
    const piece_list found = salvage(part.bytes(), {});
    if (found.pieces.empty())
        return;
    const block samples{packed.size, 0xA5};
    const block good{packed.line_count, 0};
    REQUIRE(decode_good_lines({part.bytes(), {}, found.info, true, {}}, samples.data(), packed, good.data()) ==
            status::success);
    for (std::uint64_t line = 0; line < packed.line_count; ++line)
        if (good.data()[line] == 1)
            REQUIRE(std::memcmp(samples.data() + line * packed.stride, decoded.data() + line * packed.stride,
                                packed.line_size) == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    image_source image = choose(input);
    if (check_encoding(image.frame, image.parameters) != status::success)
        return 0;
    const std::string comment = input.ConsumeRandomLengthString(20);
    if (input.ConsumeBool())
        image.segments.annotations = {
            {marker_com, {reinterpret_cast<const std::uint8_t*>(comment.data()), comment.size()}},
            {marker_app0 + 3, {reinterpret_cast<const std::uint8_t*>(""), 0}}};
    const std::uint64_t limit = max_encoded_size(image.frame) + image.segments.annotations_size();
    const std::uint64_t capacity = input.ConsumeBool() ? limit : input.ConsumeIntegralInRange<std::uint64_t>(0, limit);
    const bool is_odd = input.ConsumeBool();
    const auto cut = input.ConsumeIntegral<std::uint16_t>();
    const block memory = choose_samples(input, image.layout.size + (is_odd ? 1 : 0));
    image.samples = memory.data() + (is_odd ? 1 : 0);
    const block destination{capacity, 0};

    const encoded_size encoded = encode_image(image, destination.data(), destination.size());
    if (encoded.error != status::success)
    {
        REQUIRE(encoded.error == status::destination_too_small && capacity < limit);
        return 0;
    }
    REQUIRE(encoded.size <= capacity && encoded.size % 2 == 0);

    const block stream{destination.data(), encoded.size};
    check_strips(image, stream);
    if (!strip_encoder::is_needed(image))
        check_memory(image, stream);
    const auto [info, error] = inspect(stream.bytes(), {});
    REQUIRE(error.code == fault::none);
    check_information(image, stream, info);

    const image_layout packed = layout_of(image.frame, image.parameters.interleave_mode, 0);
    const block decoded{packed.size, 0xA5};
    REQUIRE(decode_image({stream.bytes(), {}, info, false, {}}, decoded.data(), packed) == status::success);
    compare(image, decoded, packed);
    check_truncated(stream, decoded, packed, cut % stream.size());
    return 0;
}
