// SPDX-License-Identifier: MIT
//
// CharLS behind the checks of native/stream, on any bytes: it ends in time, reads nothing but the stream, writes nothing
// but samples, and what it writes depends on nothing else. What is refused is read in part, in the same way.
#include "harness.hpp"

using namespace dicom_jpegls;

namespace {

constexpr limits allowed{default_maximum_dimension, 1 << 16}; // keeps every input well below the time limit

constexpr std::uint8_t filling{0xA5};

layout arrange(const stream_info& info, const std::uint32_t gap)
{
    return lay_out(info.width, info.height, info.component_count, info.bits_per_sample, info.interleave_mode, gap);
}

void check_sound(const block& stream, const stream_info& info)
{
    const layout packed = arrange(info, 0);
    const layout spaced = arrange(info, 6);
    const block samples{packed.size, 0};
    const block spaced_samples{spaced.size, filling};
    const int code = decode(stream, allowed, info, samples, packed);
    REQUIRE(decode(stream, allowed, info, spaced_samples, spaced) == code);

    for (std::uint64_t row = 0; row < packed.rows; ++row)
    {
        const std::uint8_t* line = spaced_samples.data() + row * spaced.stride;
        if (code == 0)
            REQUIRE(std::memcmp(line, samples.data() + row * packed.stride, packed.row) == 0);
        for (std::uint64_t i = spaced.row; i < spaced.stride && row + 1 < packed.rows; ++i)
            REQUIRE(line[i] == filling);
    }
    if (code != 0)
        return;
    for (std::uint64_t i = 0; info.bits_per_sample > 8 && i < packed.size; i += 2)
    {
        std::uint16_t sample;
        std::memcpy(&sample, samples.data() + i, sizeof sample);
        REQUIRE(sample <= maximum_sample_value(info.bits_per_sample));
    }

    // Interval by interval the image is the same.
    const block again{packed.size, filling};
    REQUIRE(decode_pieces(stream, info, inspect_pieces(stream.bytes(), allowed, 1).pieces, again, packed) == 0);
    REQUIRE(std::memcmp(again.data(), samples.data(), packed.size) == 0);
}

// Every piece lies in the image, and what can be decoded of it can be decoded of fewer of its lines.
void check_damaged(const block& stream)
{
    const piece_list found = salvage(stream.bytes(), allowed, 1);
    const stream_info& info = found.info;
    for (const piece& part : found.pieces)
    {
        const layout place = arrange(info, 0);
        REQUIRE(part.line_count >= 1 && part.begin <= part.end && part.end <= stream.size());
        REQUIRE(part.first_line < info.height && part.line_count <= info.height - part.first_line);
        const auto decode_lines = [&](const std::uint32_t count, const block& samples) {
            const int code = decode_piece(stream, info, part, count, samples.data(), samples.size(), place.stride);
            return code == 0 || found_data_left(code);
        };
        const std::uint32_t half = part.line_count / 2;
        const block lines{part.line_count * place.row, filling};
        const block first_lines{half * place.row, filling};
        REQUIRE(offset_of(info, part, place.stride) + lines.size() <= place.size);
        const bool good = decode_lines(part.line_count, lines);
        if (half == 0)
            continue;
        const bool half_good = decode_lines(half, first_lines);
        REQUIRE(half_good || !good);
        if (half_good)
            REQUIRE(std::memcmp(lines.data(), first_lines.data(), first_lines.size()) == 0);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    const block stream{data, size};
    const inspection found = inspect(stream.bytes(), allowed);
    if (found.error.code == fault::none)
        check_sound(block{data, found.info.size}, found.info);
    check_damaged(stream);
    return 0;
}
