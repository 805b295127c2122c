// SPDX-License-Identifier: MIT
//
// The scan codecs against CharLS's own path, in one process: the same bytes from the same samples, the same samples
// from the same streams, sound or damaged. What CharLS takes, the scan codecs may refuse only if the data is damaged,
// and what they take CharLS must take.
#include "harness.hpp"

#include "codec/charls_handle.hpp"
#include "codec/decode.hpp"
#include "codec/encode.hpp"
#include "scan/scan_codecs.hpp"
#include "stream/inspector.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <vector>

using namespace dicom_jpegls;

namespace {

constexpr status invalid_encoded_data{to_status(codec_fault::invalid_data)};
constexpr status too_much_encoded_data{to_status(codec_fault::too_much_data)};

image_source choose(FuzzedDataProvider& input)
{
    image_source result{};
    frame_info& frame = result.frame;
    frame.bits_per_sample = input.PickValueInArray({8, 16, 12, 9, 10, 11, 13, 14, 15, 7, 2});
    frame.component_count = input.PickValueInArray({1, 1, 1, 3, 3, 4, 2});
    frame.width = input.ConsumeBool() ? input.ConsumeIntegralInRange(1U, 20U) : input.ConsumeIntegralInRange(1U, 300U);
    frame.height = input.ConsumeIntegralInRange(1U, 12U);
    if (input.ConsumeBool())
        result.parameters.near_lossless = input.ConsumeIntegralInRange(0, maximum_near_lossless(frame.bits_per_sample));
    if (frame.component_count >= 3)
        result.parameters.interleave_mode =
            input.ConsumeIntegralInRange<std::int32_t>(interleave_none, interleave_sample);
    if (result.parameters.interleave_mode != interleave_none || frame.component_count == 1)
        result.parameters.restart_interval = input.ConsumeIntegralInRange(0U, frame.height);
    result.layout = layout_of(frame, result.parameters.interleave_mode, 0);
    return result;
}

// Samples of a few kinds; bits above the precision are left in, since the encoder has to ignore them.
block choose_samples(FuzzedDataProvider& input, const image_source& image)
{
    const std::uint64_t size = image.layout.size;
    const std::size_t bytes = bytes_per_sample(image.frame.bits_per_sample);
    const auto maximum = static_cast<std::uint32_t>(maximum_sample_value(image.frame.bits_per_sample));
    const std::int32_t kind = input.ConsumeIntegralInRange(0, 7);
    const std::uint32_t step = input.ConsumeIntegralInRange(1U, 400U);
    std::uint32_t random = input.ConsumeIntegral<std::uint32_t>();
    const std::vector<std::uint8_t> pattern =
        input.ConsumeBytes<std::uint8_t>(input.ConsumeIntegralInRange<std::size_t>(0, 64));
    block result{size, 0};
    std::uint32_t value = 0;
    for (std::size_t i = 0; i * bytes < size; ++i)
    {
        random = random * 1664525U + 1013904223U;
        const std::uint32_t noise = random >> 8U;
        const std::uint32_t drawn = pattern.empty() ? 0 : pattern[i % pattern.size()];
        switch (kind)
        {
        case 0: // noise
            value = noise;
            break;
        case 1: // runs, interrupted now and then
            value = noise % step == 0 ? noise >> 8U : value;
            break;
        case 2: // smooth
            value += noise % 5 - 2;
            break;
        case 3: // smooth with jumps
            value += noise % step == 0 ? noise >> 8U : noise % 3 - 1;
            break;
        case 4: // extremes
            value = (noise & 1U) != 0 ? maximum : 0;
            break;
        case 5: // nearly all alike
            value = noise % step == 0 ? maximum : maximum / 2;
            break;
        case 6: // drawn by the fuzzer
            value = drawn * (bytes == 2 ? 257U : 1U);
            break;
        default: // drawn, as differences
            value += drawn - 128U;
            break;
        }
        if (bytes == 1)
        {
            result.data()[i] = static_cast<std::uint8_t>(value);
        }
        else
        {
            const auto sample = static_cast<std::uint16_t>(value);
            std::memcpy(result.data() + 2 * i, &sample, sizeof sample);
        }
    }
    return result;
}

// Encodes by both ways into destinations of `capacity` bytes and compares. Returns the stream, empty if there is none.
std::vector<std::uint8_t> encode_both(const image_source& image, const std::size_t capacity)
{
    const block fast{capacity, 0x5A};
    const block own{capacity, 0x5A};
    use_scan_codecs(true);
    const encoded_size fast_result = encode_image(image, fast.data(), fast.size());
    use_scan_codecs(false);
    const encoded_size own_result = encode_image(image, own.data(), own.size());
    // CharLS wants four bytes more than it writes.
    if (own_result.error == status::success)
    {
        REQUIRE(fast_result.error == status::success && fast_result.size == own_result.size);
        REQUIRE(std::memcmp(fast.data(), own.data(), own_result.size) == 0);
    }
    else
    {
        REQUIRE(own_result.error == status::destination_too_small);
        REQUIRE(fast_result.error == own_result.error ||
                (fast_result.error == status::success && fast_result.size <= capacity));
    }
    if (fast_result.error != status::success)
        return {};
    return {fast.data(), fast.data() + fast_result.size};
}

// Decodes by both ways and compares, if the stream passes the checks. `sound`: an encoder wrote the stream.
void decode_both(const std::vector<std::uint8_t>& bytes, const bool sound)
{
    const block stream{bytes.data(), bytes.size()};
    const auto [info, error] = inspect(stream.bytes(), {4096, sound ? default_maximum_samples : 1 << 18});
    REQUIRE(!sound || error.code == fault::none);
    if (error.code != fault::none)
        return;
    const inspected_stream source{stream.bytes(), {}, info, false, {}};
    const image_layout layout = layout_of(frame_of(info), info.interleave_mode, 0);
    const block fast{layout.size, 0xA5};
    const block own{layout.size, 0xA5};
    use_scan_codecs(true);
    const status fast_code = decode_image(source, fast.data(), layout);
    use_scan_codecs(false);
    const status own_code = decode_image(source, own.data(), layout);
    REQUIRE(!sound || fast_code == status::success);
    if (fast_code == status::success)
    {
        REQUIRE(own_code == status::success);
        REQUIRE(std::memcmp(fast.data(), own.data(), fast.size()) == 0);
    }
    // Bits left over are told from bits missing or wrong.
    if (fast_code == too_much_encoded_data)
        REQUIRE(own_code != invalid_encoded_data);
    if (own_code == too_much_encoded_data)
        REQUIRE(fast_code == own_code || fast_code == invalid_encoded_data);
}

// Where the data of the first scan begins.
std::size_t find_scan(const std::vector<std::uint8_t>& stream)
{
    std::size_t position = 2;
    for (;;)
    {
        const bool start_of_scan = stream[position + 1] == marker_sos;
        position += 2 + 256U * stream[position + 2] + stream[position + 3];
        if (start_of_scan)
            return position;
    }
}

// Changes the data of the scans, leaves the headers.
void damage(FuzzedDataProvider& input, std::vector<std::uint8_t>& stream)
{
    const std::size_t scan = find_scan(stream);
    for (int i = input.ConsumeIntegralInRange(1, 4); i != 0 && stream.size() > scan + 3; --i)
    {
        const auto at = stream.begin() +
                        static_cast<std::ptrdiff_t>(input.ConsumeIntegralInRange<std::size_t>(scan, stream.size() - 3));
        switch (input.ConsumeIntegralInRange(0, 5))
        {
        case 0:
            *at = input.ConsumeIntegral<std::uint8_t>();
            break;
        case 1:
            *at = static_cast<std::uint8_t>(*at ^ (1U << input.ConsumeIntegralInRange(0U, 7U)));
            break;
        case 2:
            stream.insert(at, input.ConsumeIntegral<std::uint8_t>());
            break;
        case 3:
            stream.erase(at);
            break;
        case 4: // truncated, with EOI
            stream.erase(at, stream.end() - 2);
            break;
        default: // another byte of zeros, or several, or FF, at the end
            stream.insert(stream.end() - 2, input.ConsumeIntegralInRange<std::size_t>(1, 9),
                          input.ConsumeBool() ? std::uint8_t{0} : std::uint8_t{0x7F});
            break;
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    if (size >= 2 && data[0] == 0xFF && data[1] == marker_soi)
    {
        decode_both({data, data + size}, false);
        return 0;
    }

    image_source image = choose(input);
    const std::size_t enough = image.layout.size * 9 + 1024;
    const std::size_t capacity = input.ConsumeIntegralInRange(0, 7) != 0
                                     ? enough
                                     : input.ConsumeIntegralInRange<std::size_t>(0, image.layout.size + 64);
    const block samples = choose_samples(input, image);
    image.samples = samples.data();
    std::vector<std::uint8_t> stream = encode_both(image, capacity);
    if (stream.empty())
        return 0;
    // A destination of just the stream's size will do, but for CharLS's own encoder, and one byte less will not.
    if (capacity == enough)
    {
        const std::vector<std::uint8_t> again = encode_both(image, stream.size());
        REQUIRE(again.empty() || again == stream);
        REQUIRE(encode_both(image, stream.size() - 1).empty());
    }
    decode_both(stream, true);
    if (input.remaining_bytes() != 0)
    {
        damage(input, stream);
        decode_both(stream, false);
    }
    return 0;
}
