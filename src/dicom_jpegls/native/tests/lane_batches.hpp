// SPDX-License-Identifier: MIT
//
// Batches of scans of many kinds, and what `scan_lanes` must make of them: exactly what the codec for one scan and
// CharLS make of each scan alone, or nothing. For the unit tests and for the fuzz target.
#pragma once

#include "scan/charls_api.hpp"
#include "scan/lanes/scan_lanes.hpp"
#include "scan/scan_codecs.hpp"
#include "stream/markers.hpp"
#include "stream/stream_info.hpp"
#include "tests/exact_memory.hpp"
#include "tests/samples.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace dicom_jpegls::lane_batches {

using bytes = std::vector<std::uint8_t>;

struct scan_kind
{
    std::int32_t bits_per_sample;
    std::int32_t near_lossless{};
    std::int32_t component_count{1};    // of a pixel that is coded as one
    std::int32_t components_by_line{1}; // whose lines take turns

    // In a row of one pixel.
    std::int32_t all_components() const noexcept
    {
        return component_count * components_by_line;
    }

    dicom_jpegls::interleave_mode interleave_mode() const noexcept
    {
        return components_by_line != 1 ? interleave_line : component_count != 1 ? interleave_sample : interleave_none;
    }
};

// A scan, with samples to encode and entropy-coded data to decode. The two need not belong together.
struct scan_case : scan_kind
{
    std::uint32_t width;
    std::uint32_t height;
    std::size_t gap; // bytes between the lines of samples
    bytes samples;   // without gaps; bits above the precision are any
    bytes data;
    bool is_sound; // the data is what the encoder made of the samples

    std::size_t row() const noexcept
    {
        return std::size_t{width} * static_cast<std::size_t>(all_components()) * (bits_per_sample <= 8 ? 1 : 2);
    }

    std::size_t strided_size() const noexcept
    {
        return (height - 1) * (row() + gap) + row();
    }
};

// The codec for one scan, or CharLS's own.
enum class reference
{
    scan_codec,
    charls,
};

struct encoded
{
    charls::jpegls_errc code;
    bytes data; // of the scan alone
};

inline std::size_t find_scan_data(const bytes& stream)
{
    std::size_t position{2};
    for (;;)
    {
        const bool starts_scan{stream[position + 1] == marker_sos};
        position += 2 + 256U * stream[position + 2] + stream[position + 3];
        if (starts_scan)
            return position;
    }
}

inline encoded encode_alone(const scan_case& scan, const reference codec)
{
    bytes stream(scan.samples.size() * 9 + 1024);
    const charls_frame_info frame{scan.width, scan.height, scan.bits_per_sample, scan.all_components()};
    use_scan_codecs(codec == reference::scan_codec);
    charls_jpegls_encoder* const encoder{charls_jpegls_encoder_create()};
    std::size_t size{};
    charls_jpegls_errc code{charls_jpegls_encoder_set_frame_info(encoder, &frame)};
    if (code == charls_jpegls_errc{})
        code = charls_jpegls_encoder_set_near_lossless(encoder, scan.near_lossless);
    if (code == charls_jpegls_errc{})
        code = charls_jpegls_encoder_set_interleave_mode(encoder,
                                                         static_cast<charls_interleave_mode>(scan.interleave_mode()));
    if (code == charls_jpegls_errc{})
        code = charls_jpegls_encoder_set_destination_buffer(encoder, stream.data(), stream.size());
    if (code == charls_jpegls_errc{})
        code = charls_jpegls_encoder_encode_from_buffer(encoder, scan.samples.data(), scan.samples.size(), 0);
    if (code == charls_jpegls_errc{})
        code = charls_jpegls_encoder_get_bytes_written(encoder, &size);
    charls_jpegls_encoder_destroy(encoder);
    use_scan_codecs(true);
    if (code != charls_jpegls_errc{})
        return {code, {}};
    stream.resize(size);
    const auto first{stream.begin() + static_cast<std::ptrdiff_t>(find_scan_data(stream))};
    return {code, {first, stream.end() - 2}};
}

struct decoded
{
    charls::jpegls_errc code;
    bytes samples;
};

inline decoded decode_alone(const scan_case& scan, const reference codec)
{
    const auto high{[](const std::uint32_t value) { return static_cast<std::uint8_t>(value >> 8U); }};
    const auto low{[](const std::uint32_t value) { return static_cast<std::uint8_t>(value); }};
    const std::uint8_t count{low(static_cast<std::uint32_t>(scan.all_components()))};
    bytes stream{0xFF,
                 marker_soi,
                 0xFF,
                 marker_sof55,
                 0,
                 static_cast<std::uint8_t>(8 + 3 * count),
                 low(static_cast<std::uint32_t>(scan.bits_per_sample)),
                 high(scan.height),
                 low(scan.height),
                 high(scan.width),
                 low(scan.width),
                 count};
    for (std::uint8_t i{}; i != count; ++i)
        stream.insert(stream.end(), {i, 0x11, 0});
    stream.insert(stream.end(), {0xFF, marker_sos, 0, static_cast<std::uint8_t>(6 + 2 * count), count});
    for (std::uint8_t i{}; i != count; ++i)
        stream.insert(stream.end(), {i, 0});
    stream.insert(stream.end(), {low(static_cast<std::uint32_t>(scan.near_lossless)),
                                 static_cast<std::uint8_t>(scan.interleave_mode()), 0});
    stream.insert(stream.end(), scan.data.begin(), scan.data.end());
    stream.insert(stream.end(), {0xFF, marker_eoi});

    decoded result{{}, bytes(scan.row() * scan.height)};
    use_scan_codecs(codec == reference::scan_codec);
    charls_jpegls_decoder* const decoder{charls_jpegls_decoder_create()};
    result.code = charls_jpegls_decoder_set_source_buffer(decoder, stream.data(), stream.size());
    if (result.code == charls_jpegls_errc{})
        result.code = charls_jpegls_decoder_read_header(decoder);
    if (result.code == charls_jpegls_errc{})
        result.code = charls_jpegls_decoder_decode_to_buffer(decoder, result.samples.data(), result.samples.size(), 0);
    charls_jpegls_decoder_destroy(decoder);
    use_scan_codecs(true);
    return result;
}

// `Random` has `integer(least, greatest)`.
template<typename Random>
bytes make_samples(Random& random, const std::size_t size, const std::int32_t bits_per_sample,
                   const std::int32_t component_count)
{
    const auto maximum{static_cast<std::uint32_t>((1 << bits_per_sample) - 1)};
    const std::size_t sample_size{bits_per_sample <= 8 ? 1U : 2U};
    const std::uint32_t kind{random.integer(0, 8)};
    const std::uint32_t step{random.integer(1, 60)};
    const std::uint32_t amplitude{1U << random.integer(0, static_cast<std::uint32_t>(bits_per_sample))};
    const std::uint32_t base{random.integer(0, maximum)};
    std::uint32_t seed{random.integer(0, 0xFFFF)};
    std::uint32_t value{base};
    const bool is_gray{component_count > 1 && random.integer(0, 3) != 0};
    bytes result(size * sample_size);
    for (std::size_t i{}; i != size; ++i)
    {
        seed = seed * 1664525U + 1013904223U;
        const std::uint32_t noise{seed >> 8U};
        switch (kind)
        {
        case 0: // noise
            value = noise;
            break;
        case 1: // noise about a value
            value = base + noise % amplitude;
            break;
        case 2: // runs of any values
            value = noise % step == 0 ? noise >> 7U : value;
            break;
        case 3: // runs of near values
            value = noise % step == 0 ? base + (noise >> 7U) % 4 : value;
            break;
        case 4: // smooth
            value += noise % 5 - 2;
            break;
        case 5: // extremes
            value = (noise & 1U) != 0 ? maximum : 0;
            break;
        case 6: // a constant, with few exceptions
            value = noise % 97 == 0 ? noise : base;
            break;
        case 7: // long runs
            value = noise % 1009 == 0 ? noise : value;
            break;
        default: // smooth with jumps
            value += noise % step == 0 ? noise >> 7U : noise % 3 - 1;
            break;
        }
        if (kind != 0) // noise has bits above the precision, which an encoder has to leave out
            value &= maximum;
        // In colour, pixels of one value are runs.
        if (is_gray && i % static_cast<std::size_t>(component_count) != 0)
            std::memcpy(&result[i * sample_size], &result[(i - 1) * sample_size], sample_size);
        else
            write_sample(&result[i * sample_size], value, sample_size);
    }
    return result;
}

// Whatever the lanes cover: NEAR is mostly 0 or small.
template<typename Random>
scan_kind make_kind(Random& random)
{
    const auto bits{static_cast<std::int32_t>(random.integer(8, 16))};
    const auto most{static_cast<std::uint32_t>(maximum_near_lossless(bits))};
    switch (random.integer(0, 7))
    {
    case 0:
    case 1:
        return {bits};
    case 2:
        return {8, 0, 3};
    case 3:
        return {bits, static_cast<std::int32_t>(random.integer(1, most))};
    case 4:
        return {bits, 0, 1, static_cast<std::int32_t>(random.integer(3, 4))};
    case 5:
        return {bits, static_cast<std::int32_t>(random.integer(1, 5)), 1,
                static_cast<std::int32_t>(random.integer(3, 4))};
    default:
        return {bits, static_cast<std::int32_t>(random.integer(1, 5))};
    }
}

template<typename Random>
scan_case make_sound_case(Random& random, const std::uint32_t width, const std::uint32_t height, const scan_kind& kind)
{
    scan_case result{kind, width, height, 0, {}, {}, true};
    if (random.integer(0, 2) == 0)
        result.gap = random.integer(1, 5);
    result.samples = make_samples(random, std::size_t{width} * static_cast<std::size_t>(kind.all_components()) * height,
                                  kind.bits_per_sample, kind.all_components());
    const encoded fast{encode_alone(result, reference::scan_codec)};
    const encoded own{encode_alone(result, reference::charls)};
    REQUIRE(fast.code == charls_jpegls_errc{} && own.code == fast.code && own.data == fast.data);
    result.data = fast.data;
    return result;
}

// Changes the entropy-coded data.
template<typename Random>
void damage(Random& random, scan_case& scan)
{
    scan.is_sound = false;
    for (std::uint32_t i{random.integer(1, 4)}; i != 0 && !scan.data.empty(); --i)
    {
        const auto last{static_cast<std::uint32_t>(scan.data.size() - 1)};
        const auto place{scan.data.begin() + random.integer(0, last)};
        const auto byte{static_cast<std::uint8_t>(random.integer(0, 255))};
        switch (random.integer(0, 7))
        {
        case 0:
            *place = byte;
            break;
        case 1:
            *place = static_cast<std::uint8_t>(*place ^ 1U << random.integer(0, 7));
            break;
        case 2:
            scan.data.insert(place, byte);
            break;
        case 3:
            scan.data.erase(place);
            break;
        case 4: // truncated
            scan.data.erase(place, scan.data.end());
            break;
        case 5: // zero bits from here on
            std::fill(place, scan.data.end(), std::uint8_t{});
            break;
        case 6: // 1 bits from here on, which are runs without an end where the neighbours are flat
            for (auto next{place}; next != scan.data.end(); ++next)
                *next = ((next - place) & 1) == 0 ? 0xFF : 0x7F;
            break;
        default: // more bytes
            scan.data.insert(scan.data.end(), random.integer(1, 9), byte);
            break;
        }
    }
}

// Lines of the caller's buffer, with the gaps between them.
inline block with_gaps(const scan_case& scan, const std::size_t size)
{
    block result{size, 0xA5};
    for (std::uint32_t y{}; y != scan.height; ++y)
    {
        const std::size_t at{y * (scan.row() + scan.gap)};
        if (at + scan.row() <= size)
            std::memcpy(result.data() + at, scan.samples.data() + y * scan.row(), scan.row());
    }
    return result;
}

inline bytes without_gaps(const scan_case& scan, const block& buffer)
{
    bytes result;
    for (std::uint32_t y{}; y != scan.height; ++y)
    {
        const std::uint8_t* const line{buffer.data() + y * (scan.row() + scan.gap)};
        result.insert(result.end(), line, line + scan.row());
        if (y + 1 != scan.height)
            REQUIRE(std::all_of(line + scan.row(), line + scan.row() + scan.gap,
                                [](const std::uint8_t byte) { return byte == 0xA5; }));
    }
    return result;
}

// Decodes the scans in lanes and one by one. `shortfall` bytes are lacking in the destinations of some.
template<typename Random>
void check_decoding(Random& random, scan::scan_lanes& lanes, const std::vector<scan_case>& cases)
{
    std::vector<scan::lane_decoding> scans;
    std::vector<block> sources;
    std::vector<block> destinations;
    for (const scan_case& one : cases)
    {
        sources.emplace_back(one.data);
        destinations.emplace_back(one.strided_size() - (random.integer(0, 15) == 0 ? 1 : 0), std::uint8_t{0xA5});
        scans.push_back({sources.back().data(), sources.back().size(), destinations.back().data(),
                         destinations.back().size(), one.row() + one.gap, one.width, one.height, one.bits_per_sample,
                         one.near_lossless, one.component_count, one.components_by_line});
    }
    lanes.decode(scans.data(), scans.size());
    for (std::size_t i{}; i != cases.size(); ++i)
    {
        const scan_case& one{cases[i]};
        if (destinations[i].size() < one.strided_size())
        {
            REQUIRE(!scans[i].done);
            continue;
        }
        if (one.is_sound)
            REQUIRE(scans[i].done);
        const decoded fast{decode_alone(one, reference::scan_codec)};
        if (scans[i].done)
        {
            const decoded own{decode_alone(one, reference::charls)};
            REQUIRE(fast.code == charls_jpegls_errc{} && own.code == charls_jpegls_errc{});
            const bytes samples{without_gaps(one, destinations[i])};
            REQUIRE(samples == fast.samples && samples == own.samples);
        }
        else
        {
            // Left alone without need: only where fill bytes of a marker belong to the data, or CharLS's byte of
            // padding.
            REQUIRE(fast.code != charls_jpegls_errc{} ||
                    (!one.data.empty() &&
                     (one.data.back() == 0xFF || (charls_api::accepts_zero_before_end && one.data.back() == 0))));
        }
    }
}

// Encodes the scans in lanes, into destinations of many sizes. The data of the cases is what they must become.
template<typename Random>
void check_encoding(Random& random, scan::scan_lanes& lanes, const std::vector<scan_case>& cases)
{
    std::vector<scan::lane_encoding> scans;
    std::vector<block> sources;
    std::vector<block> destinations;
    for (const scan_case& one : cases)
    {
        const std::uint32_t kind{random.integer(0, 7)};
        const std::size_t size{one.data.size()};
        const std::size_t capacity{kind == 0   ? size - 1
                                   : kind == 1 ? random.integer(0, static_cast<std::uint32_t>(size) - 1)
                                   : kind == 2 ? size + 100
                                               : size};
        const std::size_t lacking{random.integer(0, 15) == 0 ? 1U : 0U};
        sources.push_back(with_gaps(one, one.strided_size() - lacking));
        destinations.emplace_back(capacity);
        scans.push_back({sources.back().data(), sources.back().size(), one.row() + one.gap, one.width, one.height,
                         one.bits_per_sample, one.near_lossless, one.component_count, one.components_by_line,
                         destinations.back().data(), capacity});
    }
    lanes.encode(scans.data(), scans.size());
    for (std::size_t i{}; i != cases.size(); ++i)
    {
        const scan_case& one{cases[i]};
        const bool possible{sources[i].size() == one.strided_size() && destinations[i].size() >= one.data.size()};
        REQUIRE(scans[i].done == possible);
        if (possible)
            REQUIRE(scans[i].written == one.data.size() &&
                    std::equal(one.data.begin(), one.data.end(), destinations[i].data()));
    }
}

} // namespace dicom_jpegls::lane_batches
