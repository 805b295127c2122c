// SPDX-License-Identifier: MIT
//
// The code writer against T.87 A.5 and A.1 bit by bit, and the code reader on what it wrote.
#include "bit_strings.hpp"
#include "harness.hpp"

#include <memory>
#include <set>

using namespace dicom_jpegls::scan;
using namespace dicom_jpegls::tests;

namespace {

constexpr std::uint8_t end_of_image[]{0xFF, 0xD9};

std::vector<std::uint8_t> with_end(std::vector<std::uint8_t> data)
{
    data.insert(data.end(), std::begin(end_of_image), std::end(end_of_image));
    return data;
}

// An error with the statistics of its context.
struct coded_error
{
    std::int32_t a;
    std::int32_t n;
    std::int32_t b;
    std::int32_t error_value;
};

// Code segment A.10.
std::uint32_t literal_k(const coded_error& given)
{
    std::uint32_t k{};
    while ((given.n << k) < given.a)
        ++k;
    return k;
}

// Code segment A.11.
std::uint32_t literal_mapping(const coded_error& given, const std::uint32_t k, const std::int32_t near_value)
{
    const std::int32_t e{given.error_value};
    if (near_value == 0 && k == 0 && 2 * given.b <= -given.n)
        return static_cast<std::uint32_t>(e >= 0 ? 2 * e + 1 : -2 * (e + 1));
    return static_cast<std::uint32_t>(e >= 0 ? 2 * e : -2 * e - 1);
}

// Errors at the boundaries of codes, for all Golomb parameters.
template<typename Mode>
std::vector<coded_error> boundary_errors(const Mode& mode)
{
    std::vector<coded_error> result;
    const std::int32_t lowest{-(mode.range / 2)};
    const std::int32_t highest{(mode.range + 1) / 2 - 1};
    for (const std::int32_t n : {1, 2, 3, 31, 63, 64})
    {
        std::set<std::int32_t> sums;
        for (std::int32_t k{}; k <= mode.quantized_bits_per_sample; ++k)
            for (const std::int32_t a : {(n << k) - 1, n << k, (n << k) + 1})
                if (a <= n * std::max(2, mode.range / 2))
                    sums.insert(a);
        for (const std::int32_t a : sums)
        {
            std::set<std::int32_t> errors{lowest, lowest + 1, highest - 1, highest};
            for (std::int32_t e{1}; e <= highest; e = 2 * e + 1)
                errors.insert({e - 1, e, e + 1, -e, -e - 1});
            for (const std::int32_t e : errors)
                if (e >= lowest && e <= highest)
                    for (const std::int32_t b : {1 - n, -n / 2, -(n + 1) / 2, 0})
                        result.push_back({a, n, b, e});
        }
    }
    return result;
}

template<typename Mode>
void check_codes(const Mode& mode, const std::string& name)
{
    const std::vector<coded_error> errors{boundary_errors(mode)};
    const logarithm_table logarithms;
    const auto codes{std::make_unique<pending_codes>()};
    std::vector<std::uint8_t> stream(errors.size() * 16 + 16);
    const auto writer{std::make_unique<code_writer>(stream.data(), stream.size())};
    std::string bits;
    std::vector<std::uint32_t> ks;
    std::vector<std::uint32_t> mapped_errors;
    for (const coded_error& given : errors)
    {
        const std::size_t slot{codes->count++};
        codes->a[slot] = given.a;
        codes->n_offset[slot] = logarithms[static_cast<std::size_t>(given.n)];
        codes->balance[slot] = static_cast<std::int16_t>(2 * given.b + given.n - 1);
        codes->error_value[slot] = static_cast<std::int16_t>(given.error_value);
        ks.push_back(literal_k(given));
        mapped_errors.push_back(literal_mapping(given, ks.back(), mode.near_value));
        bits += golomb_bits(mapped_errors.back(), ks.back(), mode.limit, mode.quantized_bits_per_sample);
        if (codes->count >= pending_codes::flush_count || ks.size() == errors.size())
        {
            codes->make_codes(mode);
            writer->write(*codes, mode);
            codes->clear();
        }
    }
    stream.resize(writer->finish());
    CHECK_EQUAL_IN(name, stream == stuffed_bytes(bits), true);

    stream = with_end(stream);
    const auto reader{std::make_unique<code_reader>(stream.data(), stream.data() + stream.size())};
    for (std::size_t i{}; i != errors.size(); ++i)
    {
        reader->prepare();
        const golomb_code code{code_reader::read_golomb(reader->bytes(), reader->position, ks[i], mode.limit,
                                                        mode.quantized_bits_per_sample)};
        CHECK_EQUAL_IN(name + ", code " + text(i), code.mapped_error, mapped_errors[i]);
        reader->position = code.position;
    }
    CHECK_EQUAL_IN(name, reader->finish() == stream.data() + stream.size() - 2, true);
}

std::size_t write_ones(const std::size_t bits, std::uint8_t* const destination, const std::size_t size)
{
    const lossless<8> mode;
    const auto codes{std::make_unique<pending_codes>()};
    const auto writer{std::make_unique<code_writer>(destination, size)};
    for (std::size_t rest{bits}; rest != 0;)
    {
        const auto length{static_cast<std::uint32_t>(std::min<std::size_t>(rest, 16))};
        codes->add((1U << length) - 1, length);
        rest -= length;
    }
    codes->make_codes(mode);
    writer->write(*codes, mode);
    return writer->finish();
}

code_reader reader_of(const std::vector<std::uint8_t>& stream)
{
    return {stream.data(), stream.data() + stream.size()};
}

} // namespace

TEST(lossless_codes)
{
    check_codes(lossless<8>{}, "8 bits");
    check_codes(lossless<9>{}, "9 bits");
    check_codes(lossless<12>{}, "12 bits");
    check_codes(lossless<16>{}, "16 bits");
}

TEST(near_lossless_codes)
{
    check_codes(near_lossless<std::uint8_t>{2, 1}, "2 bits, NEAR 1");
    check_codes(near_lossless<std::uint8_t>{8, 1}, "8 bits, NEAR 1");
    check_codes(near_lossless<std::uint8_t>{8, 127}, "8 bits, NEAR 127");
    check_codes(near_lossless<std::uint16_t>{16, 1}, "16 bits, NEAR 1");
    check_codes(near_lossless<std::uint16_t>{16, 255}, "16 bits, NEAR 255");
}

// The longest sequences of FF, each with its 0 bit, and destinations with and without room.
TEST(stuffed_bits_of_ones)
{
    for (std::size_t bits{}; bits <= 300; ++bits)
    {
        const std::vector<std::uint8_t> expected{stuffed_bytes(std::string(bits, '1'))};
        std::vector<std::uint8_t> stream(expected.size());
        CHECK_EQUAL_IN(text(bits) + " bits", write_ones(bits, stream.data(), stream.size()), expected.size());
        CHECK_EQUAL_IN(text(bits) + " bits", stream == expected, true);
        if (!stream.empty())
            CHECK_EQUAL_IN(text(bits) + " bits", fault_of([&] { write_ones(bits, stream.data(), stream.size() - 1); }),
                           static_cast<int>(scan_fault::destination_too_small));
    }
}

TEST(data_that_ends_early)
{
    const std::vector<std::uint8_t> stream{with_end({0x80})};
    code_reader reader{reader_of(stream)};
    reader.prepare();
    reader.position = 8;
    CHECK_EQUAL(fault_of([&] { reader.check_position(); }), -1);
    reader.position = 9;
    CHECK_EQUAL(fault_of([&] { reader.check_position(); }), static_cast<int>(scan_fault::invalid_encoded_data));
    CHECK_EQUAL(fault_of([&] { reader.prepare(); }), static_cast<int>(scan_fault::invalid_encoded_data));
}

TEST(codes_without_a_one)
{
    const std::vector<std::uint8_t> stream{with_end(std::vector<std::uint8_t>(32))};
    code_reader reader{reader_of(stream)};
    reader.prepare();
    CHECK_EQUAL(fault_of([&] { static_cast<void>(code_reader::read_golomb(reader.bytes(), 0, 3, 32, 8)); }),
                static_cast<int>(scan_fault::invalid_encoded_data));
}

// A scan may end with 0 bits that fill its last byte and one byte of zeros.
TEST(data_that_is_left)
{
    const struct
    {
        std::vector<std::uint8_t> data;
        std::size_t position;
        int fault;
        std::size_t unread; // bytes before the marker
    } cases[]{
        {{0x80}, 1, -1, 0},
        {{0x80, 0}, 1, -1, 1},
        {{0x80, 0, 0}, 1, static_cast<int>(scan_fault::too_much_encoded_data), 0},
        {{0x81}, 1, static_cast<int>(scan_fault::too_much_encoded_data), 0},
        {{0x80, 0x80}, 8, static_cast<int>(scan_fault::too_much_encoded_data), 0},
        {{0x80, 0}, 8, -1, 1},
    };
    for (const auto& [data, position, fault, unread] : cases)
    {
        const std::vector<std::uint8_t> stream{with_end(data)};
        code_reader reader{reader_of(stream)};
        reader.prepare();
        reader.position = position;
        const std::uint8_t* rest{};
        const std::string context{text(data.size()) + " bytes, position " + text(position)};
        CHECK_EQUAL_IN(context, fault_of([&, &bits = reader] { rest = bits.finish(); }), fault);
        if (fault == -1)
            CHECK_EQUAL_IN(context, stream.data() + data.size() - rest, static_cast<std::ptrdiff_t>(unread));
    }
    const std::vector<std::uint8_t> without_end{0x80};
    code_reader reader{reader_of(without_end)};
    reader.prepare();
    reader.position = 1;
    CHECK_EQUAL(fault_of([&] { static_cast<void>(reader.finish()); }), static_cast<int>(scan_fault::source_too_small));
}

TEST(restart_markers)
{
    const struct
    {
        std::vector<std::uint8_t> data;
        std::uint32_t number;
        int fault;
    } cases[]{
        {{0xFF, 0xD0, 0x40}, 0, -1},
        {{0xFF, 0xFF, 0xD7, 0x40}, 7, -1},
        {{0xFF, 0xD1, 0x40}, 0, static_cast<int>(scan_fault::restart_marker_not_found)},
        {{0xFF, 0xD9}, 0, static_cast<int>(scan_fault::restart_marker_not_found)},
        {{0x40}, 0, static_cast<int>(scan_fault::restart_marker_not_found)},
        {{0xFF}, 0, static_cast<int>(scan_fault::source_too_small)},
        {{}, 0, static_cast<int>(scan_fault::source_too_small)},
    };
    for (const auto& [data, number, fault] : cases)
    {
        const std::vector<std::uint8_t> stream{with_end(data)};
        code_reader reader{stream.data(), stream.data() + data.size()};
        const std::string context{text(data.size()) + " bytes, RST" + text(number)};
        CHECK_EQUAL_IN(context, fault_of([&, &bits = reader, n = number] { bits.read_restart_marker(n); }), fault);
        if (fault == -1)
        {
            reader.prepare();
            CHECK_EQUAL_IN(context, code_reader::load(reader.bytes(), reader.position) >> 56U, 0x40);
        }
    }
}

// Scans that are longer than the reader's buffer, with FF everywhere.
TEST(data_longer_than_the_buffer)
{
    for (const std::size_t size : {4095U, 4096U, 4097U, 5000U, 20000U})
    {
        std::string bits;
        std::uint32_t random{1};
        while (bits.size() < 8 * size)
        {
            random = random * 1664525U + 1013904223U;
            bits += random >> 30U == 0 ? binary(random >> 8U, 16) : std::string(16, '1');
        }
        const std::vector<std::uint8_t> stream{with_end(stuffed_bytes(bits))};
        const auto reader{std::make_unique<code_reader>(stream.data(), stream.data() + stream.size())};
        for (std::size_t i{}; i + 16 <= bits.size(); i += 16, reader->position += 16)
        {
            reader->prepare();
            const std::uint64_t found{code_reader::load(reader->bytes(), reader->position) >> 48U};
            CHECK_EQUAL_IN(text(size) + " bytes, bit " + text(i), binary(static_cast<std::uint32_t>(found), 16),
                           bits.substr(i, 16));
        }
        CHECK_EQUAL_IN(text(size) + " bytes", reader->finish() == stream.data() + stream.size() - 2, true);
    }
}
