// SPDX-License-Identifier: MIT
//
// The run mode (T.87 A.7): lengths and interruptions as they are written and read.
#include "scan/decode_run.hpp"
#include "scan/encode_run.hpp"

#include "bit_strings.hpp"
#include "harness.hpp"

#include <memory>

using namespace dicom_jpegls::scan;
using namespace dicom_jpegls::tests;

namespace {

constexpr std::int32_t order_of[]{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
                                  4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Code segments A.15 and A.16, word for word.
std::string literal_run_bits(std::int32_t run_count, const bool ends_line, std::uint32_t& index)
{
    std::string bits;
    while (run_count >= 1 << order_of[index])
    {
        bits += '1';
        run_count -= 1 << order_of[index];
        if (index < 31)
            ++index;
    }
    if (ends_line)
        return run_count > 0 ? bits + '1' : bits;
    return bits + '0' + binary(static_cast<std::uint32_t>(run_count), order_of[index]);
}

// What is in a writer, with enough after it for a reader.
template<typename Mode>
std::vector<std::uint8_t> written(pending_codes& codes, const Mode& mode)
{
    std::vector<std::uint8_t> stream(codes.count * 16 + 16);
    const auto writer{std::make_unique<code_writer>(stream.data(), stream.size())};
    codes.make_codes(mode);
    writer->write(codes, mode);
    stream.resize(writer->finish());
    codes.clear();
    return stream;
}

std::unique_ptr<code_reader> prepared_reader(const std::vector<std::uint8_t>& stream)
{
    auto reader{std::make_unique<code_reader>(stream.data(), stream.data() + stream.size())};
    reader->prepare();
    return reader;
}

} // namespace

TEST(run_lengths)
{
    const lossless<8> mode;
    const auto codes{std::make_unique<pending_codes>()};
    for (std::uint32_t index{}; index != 32; ++index)
    {
        for (const std::int32_t length : {0, 1, 2, 3, 4, 15, 16, 17, 255, 1023, 32767, 32768, 65534, 65535})
        {
            for (const bool ends_line : {false, true})
            {
                const std::string context{"index " + text(index) + ", length " + text(length) +
                                          (ends_line ? ", at the end of a line" : "")};
                run_state state{256};
                state.index = index;
                encode_run_length(state, *codes, length, ends_line);
                std::uint32_t expected_index{index};
                const std::string bits{literal_run_bits(length, ends_line, expected_index)};
                const std::vector<std::uint8_t> stream{written(*codes, mode)};
                CHECK_EQUAL_IN(context, stream == stuffed_bytes(bits), true);
                CHECK_EQUAL_IN(context, state.index, expected_index);
                if (ends_line && length == 0)
                    continue; // no run begins at the end of a line

                run_state decoded{256};
                decoded.index = index;
                const auto reader{prepared_reader(stream)};
                const run_length found{
                    decode_run_length(decoded, reader->bytes(), 0, ends_line ? length : std::ptrdiff_t{65536})};
                CHECK_EQUAL_IN(context, found.pixels, length);
                CHECK_EQUAL_IN(context, found.position, bits.size());
                CHECK_EQUAL_IN(context, decoded.index, expected_index);
            }
        }
    }
}

TEST(run_lengths_beyond_the_line)
{
    // A 0 bit and a remainder of 15 bits that is above what is left of the line.
    run_state state{256};
    state.index = 31;
    const std::vector<std::uint8_t> stream{0x40, 0, 0, 0};
    const auto reader{prepared_reader(stream)};
    CHECK_EQUAL(fault_of([&] { static_cast<void>(decode_run_length(state, reader->bytes(), 0, 16383)); }),
                static_cast<int>(scan_fault::invalid_encoded_data));
    CHECK_EQUAL(decode_run_length(state, reader->bytes(), 0, 16384).pixels, 16384);
}

template<int ComponentCount, typename Mode>
void check_interruptions(const Mode& mode, const std::string& name)
{
    const auto codes{std::make_unique<pending_codes>()};
    const std::int32_t maximum{mode.maximum};
    run_state encoder_state{mode.range};
    run_state decoder_state{mode.range};
    std::uint32_t random{7};
    for (int i{}; i != 2000; ++i)
    {
        random = random * 1664525U + 1013904223U;
        const auto draw{[&](const int shift) {
            const auto value{static_cast<std::int32_t>((random >> shift) % static_cast<std::uint32_t>(maximum + 1))};
            return (random >> 30U) == 0 ? value : (random >> 30U) == 1 ? maximum : value % 4;
        }};
        const std::int32_t ra{draw(3)};
        const std::int32_t rb{i % 3 == 0 ? ra : draw(7)};
        const std::int32_t x{draw(11)};
        if (mode.is_near(x, ra))
            continue; // no interruption
        encoder_state.index = decoder_state.index = static_cast<std::uint32_t>(i % 32);
        const std::string context{name + ", interruption " + text(i)};
        const std::int32_t coded{encode_interruption<ComponentCount>(encoder_state, *codes, x, ra, rb, mode)};
        CHECK_EQUAL_IN(context, std::abs(coded - x) <= mode.near_value, true);
        const std::vector<std::uint8_t> stream{written(*codes, mode)};
        const auto reader{prepared_reader(stream)};
        const decoded_sample found{
            decode_interruption<ComponentCount>(decoder_state, reader->bytes(), 0, ra, rb, mode)};
        CHECK_EQUAL_IN(context, found.value, coded);
        for (std::size_t type{}; type != 2; ++type)
        {
            CHECK_EQUAL_IN(context, decoder_state.contexts[type].a, encoder_state.contexts[type].a);
            CHECK_EQUAL_IN(context, decoder_state.contexts[type].n, encoder_state.contexts[type].n);
            CHECK_EQUAL_IN(context, decoder_state.contexts[type].negative, encoder_state.contexts[type].negative);
        }
    }
}

TEST(interruptions)
{
    check_interruptions<1>(lossless<8>{}, "8 bits");
    check_interruptions<3>(lossless<8>{}, "8 bits, 3 components");
    check_interruptions<1>(lossless<16>{}, "16 bits");
    check_interruptions<1>(near_lossless<std::uint8_t>{8, 3}, "8 bits, NEAR 3");
    check_interruptions<1>(near_lossless<std::uint16_t>{16, 255}, "16 bits, NEAR 255");
}

TEST(runs_are_found_and_repeated)
{
    for (std::ptrdiff_t length{}; length <= 70; ++length)
    {
        std::vector<std::uint16_t> line(3 * 72 + 64, 9);
        line[static_cast<std::size_t>(3 + 3 * length + 1)] = 8; // the second component of the pixel after the run
        CHECK_EQUAL_IN(text(length), find_run_length<3>(line.data() + 3, 71), length);
        CHECK_EQUAL_IN(text(length), find_run_length<3>(line.data() + 3, length), length);

        std::vector<std::uint8_t> repeated(128);
        repeated[0] = 7;
        repeat_pixel<1>(repeated.data() + 1, length);
        for (std::ptrdiff_t i{}; i <= length; ++i)
            CHECK_EQUAL_IN(text(length) + ", sample " + text(i), repeated[static_cast<std::size_t>(i)], 7);
    }
}
