// SPDX-License-Identifier: MIT
//
// Layouts: sizes that need 64 bits, strides at their limits, overlap, and output buffers.
#include "codec/layout.hpp"

#include "harness.hpp"

#include <numeric>
#include <vector>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

TEST(sizes)
{
    const image_layout packed = lay_out({3, 2, 8, 1}, interleave_none, 0).layout;
    CHECK(packed.line_size == 3 && packed.line_count == 2 && packed.stride == 3 && packed.size == 6);
    const image_layout planes = lay_out({3, 2, 9, 4}, interleave_none, 8).layout;
    CHECK(planes.line_size == 6 && planes.line_count == 8 && planes.stride == 8 && planes.size == 7 * 8 + 6);
    const image_layout pixels = lay_out({3, 2, 16, 4}, interleave_sample, 0).layout;
    CHECK(pixels.line_size == 24 && pixels.line_count == 2 && pixels.stride == 24 && pixels.size == 48);
    CHECK(pixels.with_lines(1).size == 24 && pixels.with_lines(1).stride == 24);
    CHECK(bytes_per_sample(2) == 1 && bytes_per_sample(8) == 1 && bytes_per_sample(9) == 2 &&
          bytes_per_sample(16) == 2);
}

TEST(largest_sizes_need_64_bits)
{
    const frame_info largest{100000, 100000, 16, 255};
    const auto [error, layout] = lay_out(largest, interleave_none, maximum_stride - 1);
    CHECK(error == status::success);
    CHECK(layout.line_count == 25'500'000);
    CHECK(layout.size == (std::uint64_t{25'500'000} - 1) * (maximum_stride - 1) + 200'000);
    CHECK(packed_size(largest) == std::uint64_t{5'100'000'000'000});
    CHECK(lay_out(largest, interleave_line, 0).layout.line_size == 51'000'000);
}

TEST(strides)
{
    const frame_info bytes{10, 4, 8, 3};
    CHECK(lay_out(bytes, interleave_sample, 29).error == status::stride_too_small);
    CHECK(lay_out(bytes, interleave_sample, 30).error == status::success);
    CHECK(lay_out(bytes, interleave_sample, 31).error == status::success);
    CHECK(lay_out(bytes, interleave_none, 9).error == status::stride_too_small);
    CHECK(lay_out(bytes, interleave_none, maximum_stride).error == status::success);
    CHECK(lay_out(bytes, interleave_none, maximum_stride + 1).error == status::stride_too_small);
    CHECK(lay_out(bytes, interleave_none, UINT64_MAX).error == status::stride_too_small);
    const frame_info words{10, 4, 12, 1};
    CHECK(lay_out(words, interleave_none, 19).error == status::stride_too_small);
    CHECK(lay_out(words, interleave_none, 20).error == status::success);
    CHECK(lay_out(words, interleave_none, 21).error == status::stride_odd);
}

TEST(overlap)
{
    const std::uint8_t memory[8]{};
    CHECK(overlap({memory, 8}, {memory + 3, 1}));
    CHECK(overlap({memory + 3, 1}, {memory, 8}));
    CHECK(overlap({memory, 4}, {memory + 3, 4}));
    CHECK(!overlap({memory, 4}, {memory + 4, 4}));
    CHECK(!overlap({memory + 4, 4}, {memory, 4}));
}

TEST(line_numbers)
{
    stream_info info{};
    info.height = 10;
    piece part{};
    part.first_line = 3;
    part.first_component = 2;
    CHECK(line_number(info, part) == 23);
    info.interleave_mode = interleave_line;
    part.first_component = 0;
    CHECK(line_number(info, part) == 3);
}

TEST(sign_extension)
{
    CHECK(extend_sign(0, 2) == 0 && extend_sign(1, 2) == 1 && extend_sign(2, 2) == -2 && extend_sign(3, 2) == -1);
    CHECK(extend_sign(0x7FF, 0x800) == 2047 && extend_sign(0x800, 0x800) == -2048 &&
          extend_sign(0xF800, 0x800) == -2048);
    CHECK(extend_sign(0x7FFF, 0x8000) == 32767 && extend_sign(0xFFFF, 0x8000) == -1);
}

// Every address and every gap: the samples arrive, and the gaps stay.
TEST(output_buffer_at_every_address)
{
    const frame_info frame{3, 4, 12, 1};
    for (const std::size_t shift : {0U, 1U})
        for (const std::uint64_t gap : {0U, 2U, 6U})
            for (const bool is_signed : {false, true})
            {
                const image_layout layout = lay_out(frame, interleave_none, 6 + gap).layout;
                std::vector<std::uint16_t> memory(64, 0xA5A5);
                auto* const destination = reinterpret_cast<std::uint8_t*>(memory.data()) + shift;
                const output_buffer output{destination, layout, 12, is_signed};
                const std::string context{"shift " + text(shift) + ", gap " + text(gap) + ", signed " +
                                          text(static_cast<int>(is_signed))};
                CHECK_EQUAL_IN(context, is_misaligned(output.data(), 12), false);
                CHECK_EQUAL_IN(context, output.data() == destination, shift == 0);
                for (std::uint64_t line{}; line < 4; ++line)
                    for (std::uint64_t i{}; i < 3; ++i)
                    {
                        const auto sample = static_cast<std::uint16_t>(0x7FE + line + i);
                        std::memcpy(output.data() + line * output.layout().stride + 2 * i, &sample, 2);
                    }
                output.deliver();
                std::uint64_t untouched{};
                for (std::uint64_t i{}; i < 128 - shift; ++i)
                    untouched += destination[i] == 0xA5 ? 1 : 0;
                CHECK_EQUAL_IN(context, untouched, 128 - shift - 24);
                for (std::uint64_t line{}; line < 4; ++line)
                    for (std::uint64_t i{}; i < 3; ++i)
                    {
                        std::uint16_t sample{};
                        std::memcpy(&sample, destination + line * layout.stride + 2 * i, 2);
                        const std::uint64_t expected = 0x7FE + line + i;
                        CHECK_EQUAL_IN(context, sample, is_signed && expected >= 0x800 ? expected | 0xF000 : expected);
                    }
            }
}

TEST(heap_bytes_shrink_and_move)
{
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, (std::size_t{3} << 20) + 7})
    {
        heap_bytes bytes{size + 5};
        std::iota(bytes.data(), bytes.data() + bytes.size(), std::uint8_t{3});
        const std::vector<std::uint8_t> expected(bytes.data(), bytes.data() + size);
        bytes.shrink(size);
        CHECK_EQUAL_IN(text(size), bytes.size(), size);
        heap_bytes moved{std::move(bytes)};
        CHECK_EQUAL_IN(text(size), moved.size(), size);
        std::vector<std::uint8_t> copy(size);
        moved.move_to(copy.data());
        CHECK_EQUAL_IN(text(size), copy == expected, true);
        CHECK_EQUAL_IN(text(size), moved.size(), 0U);
    }
}
