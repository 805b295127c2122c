// SPDX-License-Identifier: MIT
//
// The decoder (native/codec/decode.hpp) on any bytes: it ends in time, reads only the stream, writes only samples, and
// what it writes depends on nothing else. A stream that is refused is decoded in part, in the same way.
#include "harness.hpp"

#include "codec/decode.hpp"
#include "stream/salvage.hpp"

#include <algorithm>

using namespace dicom_jpegls;

namespace {

constexpr limits allowed{default_maximum_dimension, 1 << 16}; // keeps every input well below the time limit

constexpr std::uint8_t filling{0xA5};

image_layout arrange(const stream_info& info, const std::uint32_t gap)
{
    return layout_of(frame_of(info), info.interleave_mode, gap);
}

status decode_pieces(const inspected_stream& source, const block& samples, const image_layout& layout)
{
    const auto [error, pieces] = find_pieces(source, 1);
    REQUIRE(error == status::success && !pieces.empty());
    for (const piece& part : pieces)
        if (const status code = decode_piece(source, part, samples.data(), layout); code != status::success)
            return code;
    return status::success;
}

void check_gaps(const block& samples, const image_layout& layout)
{
    for (std::uint64_t line = 0; line + 1 < layout.line_count; ++line)
        for (std::uint64_t i = layout.line_size; i < layout.stride; ++i)
            REQUIRE(samples.data()[line * layout.stride + i] == filling);
}

// To memory of odd address, with gaps, and with signs.
void check_output_buffer(const inspected_stream& source, const block& expected, const image_layout& packed)
{
    const std::int32_t bits = source.info.bits_per_sample;
    const image_layout layout = arrange(source.info, 2);
    const block memory{layout.size + 1, filling};
    const output_buffer output{memory.data() + 1, layout, bits, true};
    REQUIRE(!is_misaligned(output.data(), bits));
    REQUIRE(decode_image(source, output.data(), output.layout()) == status::success);
    output.deliver();
    const std::uint32_t size = bytes_per_sample(bits);
    const auto read = [size](const std::uint8_t* const from) {
        std::uint16_t value{*from};
        if (size == 2)
            std::memcpy(&value, from, sizeof value);
        return std::int32_t{value};
    };
    const std::int32_t unused = 0xFFFF >> (16 - 8 * size) & ~maximum_sample_value(bits);
    for (std::uint64_t line = 0; line < layout.line_count; ++line)
        for (std::uint64_t i = 0; i < layout.line_size; i += size)
        {
            const std::int32_t sample = read(expected.data() + line * packed.stride + i);
            REQUIRE(sample <= maximum_sample_value(bits));
            const bool is_negative = sample >> (bits - 1) == 1;
            REQUIRE(read(memory.data() + 1 + line * layout.stride + i) == (is_negative ? sample | unused : sample));
        }
}

void check_sound(const inspected_stream& source)
{
    const stream_info& info = source.info;
    const image_layout packed = arrange(info, 0);
    const image_layout spaced = arrange(info, 6);
    const block samples{packed.size, 0};
    const block spaced_samples{spaced.size, filling};
    const status code = decode_image(source, samples.data(), packed);
    REQUIRE(decode_image(source, spaced_samples.data(), spaced) == code);
    check_gaps(spaced_samples, spaced);
    if (code != status::success)
        return;
    for (std::uint64_t line = 0; line < packed.line_count; ++line)
        REQUIRE(std::memcmp(spaced_samples.data() + line * spaced.stride, samples.data() + line * packed.stride,
                            packed.line_size) == 0);
    check_output_buffer(source, samples, packed);

    // Interval by interval the image is the same.
    const block again{packed.size, filling};
    REQUIRE(decode_pieces(source, again, packed) == status::success);
    REQUIRE(std::memcmp(again.data(), samples.data(), packed.size) == 0);
}

// Others change the stream after it was inspected: any result, but nothing outside of it is read, nor of the image
// written.
void check_changed(const inspected_stream& source)
{
    const image_layout layout = arrange(source.info, 2);
    const block samples{layout.size, filling};
    const block changed{source.bytes.data, source.bytes.size};
    const std::size_t position = source.bytes.data[source.bytes.size / 2] * 131U % changed.size();
    for (const unsigned change : {0xFFU, 1U, 2U, 64U})
    {
        changed.data()[position] = static_cast<std::uint8_t>(source.bytes.data[position] ^ change);
        const inspected_stream other{changed.bytes(), source.allowed, source.info, false, {}};
        static_cast<void>(decode_image(other, samples.data(), layout));
        const auto [error, pieces] = find_pieces(other, 1);
        REQUIRE(error == status::success ? !pieces.empty() : pieces.empty());
        for (const piece& part : pieces)
            static_cast<void>(decode_piece(other, part, samples.data(), layout));
        check_gaps(samples, layout);
    }
    // The header that is decoded is the one that was inspected.
    inspected_stream other{source};
    other.info.near_lossless = source.info.near_lossless == 0 ? 1 : 0;
    if (plane_count(source.info.component_count, source.info.interleave_mode) == 1)
        REQUIRE(decode_image(other, samples.data(), layout) == to_status(fault::changed));
    other = source;
    ++other.info.height;
    const image_layout larger = arrange(other.info, 2);
    const block larger_samples{larger.size, filling};
    REQUIRE(decode_image(other, larger_samples.data(), larger) == to_status(fault::changed));
}

// Every piece is in the image, and lines are good again if only they are asked for.
void check_damaged(const block& stream)
{
    const piece_list found = salvage(stream.bytes(), allowed);
    if (found.pieces.empty())
        return;
    const inspected_stream source{stream.bytes(), allowed, found.info, true, {}};
    const image_layout layout = arrange(found.info, 2);
    for (const piece& part : found.pieces)
    {
        REQUIRE(part.line_count >= 1 && part.begin <= part.end && part.end <= stream.size());
        REQUIRE(line_number(found.info, part) + part.line_count <= layout.line_count);
    }
    const block samples{layout.size, filling};
    const block good{layout.line_count, 0};
    REQUIRE(decode_good_lines(source, samples.data(), layout, good.data()) == status::success);
    check_gaps(samples, layout);

    const block again{layout.size, 0};
    const block good_again{layout.line_count, 0};
    REQUIRE(decode_good_lines(source, again.data(), layout, good_again.data()) == status::success);
    REQUIRE(std::memcmp(good.data(), good_again.data(), good.size()) == 0);
    for (std::uint64_t line = 0; line < layout.line_count; ++line)
    {
        REQUIRE(good.data()[line] <= 1);
        if (good.data()[line] == 1)
            REQUIRE(std::memcmp(samples.data() + line * layout.stride, again.data() + line * layout.stride,
                                layout.line_size) == 0);
    }
    for (const piece& part : found.pieces)
        if (decode_piece(source, part, again.data(), layout) == status::success && part.position_is_certain)
            REQUIRE(std::all_of(good.data() + line_number(found.info, part),
                                good.data() + line_number(found.info, part) + part.line_count,
                                [](const std::uint8_t mark) { return mark == 1; }));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    const block stream{data, size};
    const auto [info, error] = inspect(stream.bytes(), allowed);
    if (error.code == fault::none)
    {
        const block exact{data, info.size};
        check_sound({exact.bytes(), allowed, info, false});
        check_changed({exact.bytes(), allowed, info, false});
    }
    check_damaged(stream);
    return 0;
}
