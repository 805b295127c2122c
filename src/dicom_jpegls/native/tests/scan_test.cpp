// SPDX-License-Identifier: MIT
//
// Whole scans through the encoders and the decoder, without CharLS around them.
#include "scan/decoder.hpp"
#include "scan/encoder.hpp"
#include "scan/line_buffer.hpp"
#include "stream/presets.hpp"

#include "bit_strings.hpp"
#include "harness.hpp"

using namespace dicom_jpegls::scan;
using namespace dicom_jpegls::tests;

namespace {

template<typename Sample>
struct image
{
    std::ptrdiff_t count; // samples of a line
    std::ptrdiff_t height;
    std::vector<Sample> samples;
};

// Noise, runs and slopes by turns, up to the largest sample.
template<typename Sample>
image<Sample> make_image(const std::ptrdiff_t count, const std::ptrdiff_t height, const std::int32_t maximum)
{
    image<Sample> result{count, height, {}};
    std::uint32_t random{3};
    std::uint32_t value{};
    for (std::ptrdiff_t i{}; i != count * height; ++i)
    {
        random = random * 1664525U + 1013904223U;
        switch (i / 97 % 4)
        {
        case 0:
            value = random >> 8U;
            break;
        case 1:
            value += random >> 31U;
            break;
        case 2:
            value = (random >> 28U) == 0 ? 0 : value;
            break;
        default:
            value = (random >> 31U) != 0 ? static_cast<std::uint32_t>(maximum) : 0;
            break;
        }
        result.samples.push_back(static_cast<Sample>(value & static_cast<std::uint32_t>(maximum)));
    }
    return result;
}

thresholds default_thresholds(const std::int32_t maximum, const std::int32_t near_value)
{
    const auto presets{dicom_jpegls::default_preset_coding_parameters(maximum, near_value)};
    return {presets.threshold1, presets.threshold2, presets.threshold3};
}

template<int ComponentCount, typename Encoder, typename Mode, typename Sample>
std::vector<std::uint8_t> encode(const Mode& mode, const image<Sample>& source)
{
    std::vector<std::uint8_t> stream(source.samples.size() * 10 + 64);
    const thresholds bounds{default_thresholds(mode.maximum, mode.near_value)};
    [[maybe_unused]] const auto tables = [&] {
        if constexpr (Mode::is_lossless)
            return nullptr;
        else
            return std::make_unique<const near_lossless_tables>(mode, bounds);
    }();
    std::unique_ptr<Encoder> encoder;
    if constexpr (Mode::is_lossless)
        encoder = std::make_unique<Encoder>(mode, bounds, stream.data(), stream.size());
    else
        encoder = std::make_unique<Encoder>(mode, bounds, *tables, stream.data(), stream.size());
    line_buffer<Sample> lines{source.count, 1, Encoder::margin};
    for (std::ptrdiff_t y{}; y != source.height; ++y)
    {
        std::copy_n(source.samples.begin() + y * source.count, source.count, lines.current(0));
        set_edges<ComponentCount>(lines.above(0), lines.current(0), source.count);
        encoder->encode_line(lines.above(0), lines.current(0), source.count);
        lines.next_line();
    }
    stream.resize(encoder->finish());
    stream.insert(stream.end(), {0xFF, 0xD9});
    return stream;
}

template<int ComponentCount, typename Gradients = gradient_table, typename Mode, typename Sample>
std::vector<Sample> decode(const Mode& mode, const image<Sample>& shape, const std::vector<std::uint8_t>& stream,
                           const std::uint8_t*& end)
{
    using decoder_type = scan_decoder<Mode, ComponentCount, Gradients>;
    const thresholds bounds{default_thresholds(mode.maximum, mode.near_value)};
    const Gradients gradients{mode.maximum, mode.near_value, bounds, sizeof(decoder_context)};
    const auto decoder{
        std::make_unique<decoder_type>(mode, bounds, gradients, stream.data(), stream.data() + stream.size())};
    line_buffer<Sample> lines{shape.count, 1, decoder_type::margin};
    std::vector<Sample> result;
    for (std::ptrdiff_t y{}; y != shape.height; ++y)
    {
        set_edges<ComponentCount>(lines.above(0), lines.current(0), shape.count);
        decoder->decode_line(lines.above(0), lines.current(0), shape.count);
        result.insert(result.end(), lines.current(0), lines.current(0) + shape.count);
        lines.next_line();
    }
    end = decoder->finish();
    return result;
}

template<int ComponentCount, typename Encoder, typename Mode>
void check_round_trip(const Mode& mode, const std::string& name)
{
    for (const std::ptrdiff_t width : {1, 2, 31, 64, 65, 128, 129, 500})
    {
        const std::string context{name + ", width " + text(width)};
        const auto source{make_image<typename Mode::sample>(width * ComponentCount, 9, mode.maximum)};
        const std::vector<std::uint8_t> stream{encode<ComponentCount, Encoder>(mode, source)};
        const std::uint8_t* end{};
        const auto decoded{decode<ComponentCount>(mode, source, stream, end)};
        CHECK_EQUAL_IN(context, end == stream.data() + stream.size() - 2, true);
        std::int32_t largest_error{};
        for (std::size_t i{}; i != source.samples.size(); ++i)
            largest_error = std::max(largest_error, std::abs(decoded[i] - source.samples[i]));
        CHECK_EQUAL_IN(context, largest_error <= mode.near_value, true);
        if constexpr (!Mode::is_lossless)
            CHECK_EQUAL_IN(context, (decode<1, computed_gradients>(mode, source, stream, end) == decoded), true);

        // Without its first byte the scan has a fault, or is another image.
        const std::vector<std::uint8_t> shorter(stream.begin() + 1, stream.end());
        bool differs{true};
        fault_of([&] { differs = decode<ComponentCount>(mode, source, shorter, end) != decoded; });
        CHECK_EQUAL_IN(context, differs, true);
    }
}

template<int BitsPerSample, int ComponentCount>
void check_lossless(const std::string& name)
{
    check_round_trip<ComponentCount, lossless_encoder<BitsPerSample, ComponentCount>>(lossless<BitsPerSample>{}, name);
}

template<typename Sample>
void check_near(const std::int32_t bits_per_sample, const std::int32_t near_value)
{
    check_round_trip<1, near_lossless_encoder<Sample>>(near_lossless<Sample>{bits_per_sample, near_value},
                                                       text(bits_per_sample) + " bits, NEAR " + text(near_value));
}

} // namespace

TEST(lossless_scans)
{
    check_lossless<8, 1>("8 bits");
    check_lossless<8, 3>("8 bits, 3 components");
    check_lossless<8, 4>("8 bits, 4 components");
    check_lossless<12, 1>("12 bits");
    check_lossless<16, 1>("16 bits");
    check_lossless<16, 3>("16 bits, 3 components");
}

TEST(near_lossless_scans)
{
    check_near<std::uint8_t>(2, 1);
    check_near<std::uint8_t>(8, 1);
    check_near<std::uint8_t>(8, 127);
    check_near<std::uint16_t>(12, 2);
    check_near<std::uint16_t>(16, 255);
}
