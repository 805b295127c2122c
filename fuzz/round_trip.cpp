// SPDX-License-Identifier: MIT
//
// CharLS's encoder with any samples and any parameters that _codec.pyx lets through: it writes nothing outside of its
// destination, needs no more than max_encoded_size, and its streams pass the checks and decode to within NEAR.
#include "harness.hpp"

#include <fuzzer/FuzzedDataProvider.h>

using namespace dicom_jpegls;

namespace {

struct parameters
{
    charls_frame_info frame;
    std::int32_t near_lossless;
    std::int32_t mode;
    std::int32_t color_transformation;
    preset_coding_parameters presets;
    bool spiff;
    std::uint32_t gap;
};

parameters choose(FuzzedDataProvider& input)
{
    parameters result{};
    charls_frame_info& frame = result.frame;
    frame.bits_per_sample = input.ConsumeIntegralInRange(2, 16);
    frame.component_count = input.ConsumeBool() ? 1 : input.PickValueInArray({2, 3, 4, 5});
    frame.width = input.ConsumeIntegralInRange(1U, 80U);
    frame.height = input.ConsumeIntegralInRange(1U, 20U);
    if (input.ConsumeBool())
        result.near_lossless = input.ConsumeIntegralInRange(0, maximum_near_lossless(frame.bits_per_sample));
    if (frame.component_count == 3 || frame.component_count == 4)
        result.mode = input.ConsumeIntegralInRange<std::int32_t>(interleave_none, interleave_sample);
    if (frame.component_count == 3 && frame.bits_per_sample % 8 == 0 && result.near_lossless == 0 &&
        result.mode != interleave_none)
        result.color_transformation = input.ConsumeIntegralInRange(0, 3);
    if (input.ConsumeBool())
    {
        const std::int32_t highest = input.ConsumeBool() ? maximum_sample_value(frame.bits_per_sample) : 20;
        for (const auto threshold : preset_thresholds)
            result.presets.*threshold = input.ConsumeIntegralInRange(0, highest);
        result.presets.reset_value = input.ConsumeIntegralInRange(0, 255);
    }
    result.spiff = input.ConsumeBool();
    result.gap = 2 * input.ConsumeIntegralInRange(0U, 3U);
    return result;
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

// The function max_encoded_size.
std::uint64_t max_encoded_size(const charls_frame_info& frame)
{
    const auto bits_per_sample = static_cast<std::uint64_t>(frame.bits_per_sample);
    const auto component_count = static_cast<std::uint64_t>(frame.component_count);
    const std::uint64_t limit = 2 * (bits_per_sample + std::max<std::uint64_t>(8, bits_per_sample));
    const std::uint64_t bits = std::uint64_t{frame.width} * frame.height * limit;
    const std::uint64_t scan = bits / 8 + bits / (8 * 15) + 32;
    return scan * component_count + 64 + 16 + 3 * component_count + 44 + 16 * component_count;
}

charls::jpegls_errc encode(const parameters& chosen, const block& samples, const layout& place, const block& stream,
                           std::size_t& size)
{
    using charls::jpegls_errc;
    charls_jpegls_encoder* encoder = charls_jpegls_encoder_create();
    REQUIRE(encoder);
    const charls_jpegls_pc_parameters presets{chosen.presets.maximum_sample_value, chosen.presets.threshold1,
                                              chosen.presets.threshold2, chosen.presets.threshold3,
                                              chosen.presets.reset_value};
    jpegls_errc code = charls_jpegls_encoder_set_frame_info(encoder, &chosen.frame);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_near_lossless(encoder, chosen.near_lossless);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_interleave_mode(encoder, static_cast<charls_interleave_mode>(chosen.mode));
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_color_transformation(
            encoder, static_cast<charls_color_transformation>(chosen.color_transformation));
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_preset_coding_parameters(encoder, &presets);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_encoding_options(
            encoder, charls::encoding_options::even_destination_size |
                         charls::encoding_options::include_pc_parameters_jai);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_destination_buffer(encoder, stream.data(), stream.size());
    if (code == jpegls_errc::success && chosen.spiff)
        code = charls_jpegls_encoder_write_standard_spiff_header(encoder, charls::spiff_color_space::none,
                                                                 charls::spiff_resolution_units::aspect_ratio, 1, 1);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_encode_from_buffer(encoder, samples.data(), samples.size(),
                                                        static_cast<std::uint32_t>(place.stride));
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_get_bytes_written(encoder, &size);
    charls_jpegls_encoder_destroy(encoder);
    return code;
}

void compare(const parameters& chosen, const block& samples, const layout& place, const block& decoded)
{
    const std::size_t bytes = chosen.frame.bits_per_sample <= 8 ? 1 : 2;
    const std::int32_t maximum = maximum_sample_value(chosen.frame.bits_per_sample);
    const auto read = [bytes](const std::uint8_t* from) {
        std::uint16_t value{*from};
        if (bytes == 2)
            std::memcpy(&value, from, sizeof value);
        return std::int32_t{value};
    };
    for (std::uint64_t row = 0; row < place.rows; ++row)
    {
        for (std::uint64_t i = 0; i < place.row; i += bytes)
        {
            const std::int32_t before = read(samples.data() + row * place.stride + i) & maximum;
            const std::int32_t after = read(decoded.data() + row * place.row + i);
            REQUIRE(after <= maximum && std::abs(after - before) <= chosen.near_lossless);
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    const parameters chosen = choose(input);
    const charls_frame_info& frame = chosen.frame;
    const completed_presets completed = complete_presets(chosen.presets, frame.bits_per_sample, chosen.near_lossless,
                                                         chosen.mode == interleave_sample);
    if (completed.error != fault::none)
        return 0;
    const auto arrange = [&](const std::uint32_t gap) {
        return lay_out(frame.width, frame.height, frame.component_count, frame.bits_per_sample, chosen.mode, gap);
    };
    const layout place = arrange(chosen.gap);
    const std::uint64_t enough = max_encoded_size(frame);
    const std::uint64_t capacity =
        input.ConsumeBool() ? enough : input.ConsumeIntegralInRange<std::uint64_t>(0, enough);
    const block samples = choose_samples(input, place.size);
    const block destination{capacity, 0};

    std::size_t stream_size = 0;
    const charls::jpegls_errc code = encode(chosen, samples, place, destination, stream_size);
    if (code != charls::jpegls_errc::success)
    {
        REQUIRE(code == charls::jpegls_errc::destination_buffer_too_small && capacity < enough);
        return 0;
    }
    REQUIRE(stream_size <= capacity && stream_size % 2 == 0);

    const block stream{destination.data(), stream_size};
    const auto [info, error] = inspect(stream.bytes(), {});
    REQUIRE(error.code == fault::none);
    REQUIRE(info.size == stream_size);
    REQUIRE(info.width == frame.width && info.height == frame.height);
    REQUIRE(info.bits_per_sample == frame.bits_per_sample && info.component_count == frame.component_count);
    REQUIRE(info.interleave_mode == chosen.mode && info.near_lossless == chosen.near_lossless);
    REQUIRE(info.color_transformation == chosen.color_transformation && info.has_spiff_header == chosen.spiff);
    REQUIRE(std::memcmp(&info.presets, &completed.presets, sizeof completed.presets) == 0);

    const layout packed = arrange(0);
    const block decoded{packed.size, 0xA5};
    REQUIRE(decode(stream, {}, info, decoded, packed) == 0);
    compare(chosen, samples, place, decoded);
    return 0;
}
