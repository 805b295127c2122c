// SPDX-License-Identifier: MIT
//
// The scan codecs against CharLS's own path, in one process: the same bytes from the same samples, the same samples
// from the same streams, sound or damaged. What CharLS takes, the scan codecs may refuse only if the data is damaged,
// and what they take CharLS must take.
#include "harness.hpp"

#include "scan/scan_codecs.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <vector>

using namespace dicom_jpegls;
using charls::jpegls_errc;

namespace {

struct parameters
{
    charls_frame_info frame;
    std::int32_t near_lossless;
    std::int32_t mode;
    std::uint32_t restart_interval; // in lines; 0: none
};

parameters choose(FuzzedDataProvider& input)
{
    parameters result{};
    charls_frame_info& frame = result.frame;
    frame.bits_per_sample = input.PickValueInArray({8, 16, 12, 9, 10, 11, 13, 14, 15, 7, 2});
    frame.component_count = input.PickValueInArray({1, 1, 1, 3, 3, 4, 2});
    frame.width = input.ConsumeBool() ? input.ConsumeIntegralInRange(1U, 20U) : input.ConsumeIntegralInRange(1U, 300U);
    frame.height = input.ConsumeIntegralInRange(1U, 12U);
    if (input.ConsumeBool())
        result.near_lossless = input.ConsumeIntegralInRange(0, maximum_near_lossless(frame.bits_per_sample));
    if (frame.component_count >= 3)
        result.mode = input.ConsumeIntegralInRange<std::int32_t>(interleave_none, interleave_sample);
    if (result.mode != interleave_none || frame.component_count == 1)
        result.restart_interval = input.ConsumeIntegralInRange(0U, frame.height);
    return result;
}

// Samples of a few kinds; bits above the precision are left in, since the encoder has to ignore them.
block choose_samples(FuzzedDataProvider& input, const parameters& chosen, const std::uint64_t size)
{
    const std::size_t bytes = chosen.frame.bits_per_sample <= 8 ? 1 : 2;
    const auto maximum = static_cast<std::uint32_t>(maximum_sample_value(chosen.frame.bits_per_sample));
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

jpegls_errc encode(const parameters& chosen, const std::uint32_t height, const std::uint8_t* const samples,
                   const std::uint64_t size, const block& stream, std::size_t& written)
{
    charls_jpegls_encoder* encoder = charls_jpegls_encoder_create();
    REQUIRE(encoder);
    charls_frame_info frame = chosen.frame;
    frame.height = height;
    jpegls_errc code = charls_jpegls_encoder_set_frame_info(encoder, &frame);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_near_lossless(encoder, chosen.near_lossless);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_interleave_mode(encoder, static_cast<charls_interleave_mode>(chosen.mode));
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_encoding_options(encoder, charls::encoding_options::even_destination_size);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_set_destination_buffer(encoder, stream.data(), stream.size());
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_encode_from_buffer(encoder, samples, size, 0);
    if (code == jpegls_errc::success)
        code = charls_jpegls_encoder_get_bytes_written(encoder, &written);
    charls_jpegls_encoder_destroy(encoder);
    return code;
}

// Encodes by both ways into destinations of `capacity` bytes and compares. Returns the stream, empty if there is none.
std::vector<std::uint8_t> encode_both(const parameters& chosen, const std::uint32_t height, const std::uint8_t* samples,
                                      const std::uint64_t size, const std::size_t capacity)
{
    const block fast{capacity, 0x5A};
    const block own{capacity, 0x5A};
    std::size_t fast_size = 0;
    std::size_t own_size = 0;
    use_scan_codecs(true);
    const jpegls_errc fast_code = encode(chosen, height, samples, size, fast, fast_size);
    use_scan_codecs(false);
    const jpegls_errc own_code = encode(chosen, height, samples, size, own, own_size);
    // CharLS wants four bytes more than it writes.
    if (own_code == jpegls_errc::success)
    {
        REQUIRE(fast_code == jpegls_errc::success && fast_size == own_size);
        REQUIRE(std::memcmp(fast.data(), own.data(), own_size) == 0);
    }
    else
    {
        REQUIRE(own_code == jpegls_errc::destination_buffer_too_small);
        REQUIRE(fast_code == own_code || (fast_code == jpegls_errc::success && fast_size <= capacity));
    }
    if (fast_code != jpegls_errc::success)
        return {};
    return {fast.data(), fast.data() + fast_size};
}

// Decodes by both ways and compares. `sound`: an encoder wrote the stream.
void decode_both(const std::vector<std::uint8_t>& bytes, const std::uint64_t size, const bool sound)
{
    const block stream{bytes.data(), bytes.size()};
    const block fast{size, 0xA5};
    const block own{size, 0xA5};
    use_scan_codecs(true);
    const auto fast_code =
        static_cast<jpegls_errc>(charls_decode(stream.data(), stream.size(), fast.data(), fast.size(), 0));
    use_scan_codecs(false);
    const auto own_code =
        static_cast<jpegls_errc>(charls_decode(stream.data(), stream.size(), own.data(), own.size(), 0));
    REQUIRE(!sound || fast_code == jpegls_errc::success);
    if (fast_code == jpegls_errc::success)
    {
        REQUIRE(own_code == jpegls_errc::success);
        REQUIRE(std::memcmp(fast.data(), own.data(), size) == 0);
    }
    // Bits left over are told from bits missing or wrong.
    if (fast_code == jpegls_errc::too_much_encoded_data)
        REQUIRE(own_code != jpegls_errc::invalid_encoded_data);
    if (own_code == jpegls_errc::too_much_encoded_data)
        REQUIRE(fast_code == own_code || fast_code == jpegls_errc::invalid_encoded_data);
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

// Strips that are coded each for itself make a stream with restart markers (T.87 C.2.5).
std::vector<std::uint8_t> encode_strips(const parameters& chosen, const block& samples, const std::uint64_t line_size,
                                        const std::size_t capacity)
{
    const std::uint32_t height = chosen.frame.height;
    const std::uint32_t interval = chosen.restart_interval;
    if (interval == 0)
        return encode_both(chosen, height, samples.data(), samples.size(), capacity);

    std::vector<std::uint8_t> result;
    for (std::uint32_t y = 0; y < height; y += interval)
    {
        const std::uint32_t lines = std::min(interval, height - y);
        const std::vector<std::uint8_t> strip =
            encode_both(chosen, lines, samples.data() + y * line_size, lines * line_size, capacity);
        if (strip.empty())
            return {};
        const std::size_t scan = find_scan(strip);
        if (y == 0)
        {
            const std::uint8_t restart_segment[] = {0xFF, marker_dri, 0, 4, 0, static_cast<std::uint8_t>(interval)};
            result.assign(strip.begin(), strip.begin() + 2);
            result.insert(result.end(), std::begin(restart_segment), std::end(restart_segment));
            result.insert(result.end(), strip.begin() + 2, strip.begin() + static_cast<std::ptrdiff_t>(scan));
            // The frame header tells the height of the whole image.
            for (std::size_t i = 8;;)
            {
                if (result[i + 1] == marker_sof55)
                {
                    result[i + 6] = static_cast<std::uint8_t>(height);
                    break;
                }
                i += 2 + 256U * result[i + 2] + result[i + 3];
            }
        }
        else
        {
            result.push_back(0xFF);
            result.push_back(static_cast<std::uint8_t>(marker_rst0 + (y / interval - 1) % 8));
        }
        result.insert(result.end(), strip.begin() + static_cast<std::ptrdiff_t>(scan), strip.end() - 2);
    }
    result.push_back(0xFF);
    result.push_back(marker_eoi);
    return result;
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

bool passes_checks(const std::vector<std::uint8_t>& bytes, std::uint64_t& size)
{
    const auto [info, error] = inspect({bytes.data(), bytes.size()}, {4096});
    if (error.code != fault::none ||
        std::uint64_t{info.width} * info.height > 65536 || info.component_count > 4)
        return false;
    const layout place =
        lay_out(info.width, info.height, info.component_count, info.bits_per_sample, info.interleave_mode, 0);
    size = place.size;
    return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    if (size >= 2 && data[0] == 0xFF && data[1] == marker_soi)
    {
        const std::vector<std::uint8_t> stream{data, data + size};
        std::uint64_t decoded_size = 0;
        if (passes_checks(stream, decoded_size))
            decode_both(stream, decoded_size, false);
        return 0;
    }

    const parameters chosen = choose(input);
    const charls_frame_info& frame = chosen.frame;
    const layout place =
        lay_out(frame.width, frame.height, frame.component_count, frame.bits_per_sample, chosen.mode, 0);
    const std::size_t enough = place.size * 9 + 1024;
    const std::size_t capacity = input.ConsumeIntegralInRange(0, 7) != 0
                                     ? enough
                                     : input.ConsumeIntegralInRange<std::size_t>(0, place.size + 64);
    const block samples = choose_samples(input, chosen, place.size);
    std::vector<std::uint8_t> stream = encode_strips(chosen, samples, place.row, capacity);
    if (stream.empty())
        return 0;
    // A destination of just the stream's size will do, but for CharLS's own encoder, and one byte less will not.
    if (chosen.restart_interval == 0 && capacity == enough)
    {
        const std::vector<std::uint8_t> again =
            encode_both(chosen, frame.height, samples.data(), samples.size(), stream.size());
        REQUIRE(again.empty() || again == stream);
        REQUIRE(encode_both(chosen, frame.height, samples.data(), samples.size(), stream.size() - 1).empty());
    }
    decode_both(stream, place.size, true);
    if (input.remaining_bytes() != 0)
    {
        damage(input, stream);
        std::uint64_t decoded_size = 0;
        if (passes_checks(stream, decoded_size))
            decode_both(stream, decoded_size, false);
    }
    return 0;
}
