// SPDX-License-Identifier: MIT
//
// The run mode (T.87 A.7): the statistics of run interruptions and the order of the codes of run lengths, and how both
// are written and read.
#pragma once

#include "code_reader.hpp"
#include "parameters.hpp"

#include <array>
#include <cstdlib>

namespace dicom_jpegls::scan {

// J: a 1 bit stands for 2^J samples of a run (T.87 A.2.1, step 3).
constexpr std::array<std::uint8_t, 32> run_orders{
    {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

// How many samples the first 1 bits of a run stand for, from index 0 on.
constexpr std::array<std::uint32_t, 33> make_run_sums() noexcept
{
    std::array<std::uint32_t, 33> sums{};
    for (std::size_t i{}; i != run_orders.size(); ++i)
        sums[i + 1] = sums[i] + (1U << run_orders[i]);
    return sums;
}

inline constexpr std::array<std::uint32_t, 33> run_sums{make_run_sums()};

// Statistics of the samples that interrupt runs (T.87 A.7.2). Type 1: Ra and Rb are alike; type 0: they differ.
struct run_context
{
    std::int32_t a;
    std::int32_t n;
    std::int32_t negative; // Nn: errors below 0

    // The least k with N 2^k >= TEMP (T.87 A.7.2.1, code segment A.20). It changes seldom, so a loop is foreseen well.
    std::uint32_t golomb_parameter(const std::int32_t type) const noexcept
    {
        const std::int32_t sum{a + ((n >> 1) & -type)};
        std::uint32_t k{};
        while ((n << k) < sum && k < largest_k)
            ++k;
        return k;
    }

    // Whether a negative error is the one whose code has map = 1 (code segment A.21).
    bool maps_negative(const std::uint32_t k) const noexcept
    {
        return k != 0 || 2 * negative >= n;
    }

    // Code segment A.23.
    void update(const std::int32_t error, const std::int32_t mapped_error, const std::int32_t type) noexcept
    {
        negative += error < 0;
        a += (mapped_error + 1 - type) >> 1;
        if (n == reset_value)
        {
            a >>= 1;
            n >>= 1;
            negative >>= 1;
        }
        ++n;
    }
};

// The state that the run mode keeps for a scan. With line interleave each component has its own index (T.87 B.3).
struct run_state
{
    std::array<run_context, 2> contexts;
    std::uint32_t index{};

    explicit run_state(const std::int32_t range) noexcept
    {
        contexts.fill({initial_a(range), 1, 0});
    }

    std::int32_t order() const noexcept
    {
        return run_orders[index];
    }

    void increment() noexcept
    {
        index += index < run_orders.size() - 1;
    }

    void decrement() noexcept
    {
        index -= index > 0;
    }
};

// The type of an interruption. Several components together have type 0 (T.87 B.3: samples of a pixel).
template<int ComponentCount, typename Mode>
inline std::int32_t interruption_type(const std::int32_t ra, const std::int32_t rb, const Mode& mode) noexcept
{
    return ComponentCount == 1 && mode.is_near(ra, rb) ? 1 : 0;
}

// Codes go to `Codes::add(value, length)`, values of up to 32 bits.

// Codes the sample `x` that interrupts a run (T.87 A.7.2). Returns its reconstructed value.
template<int ComponentCount, typename Codes, typename Mode>
inline std::int32_t encode_interruption(run_state& state, Codes& codes, const std::int32_t x,
                                        const std::int32_t ra, const std::int32_t rb, const Mode& mode) noexcept
{
    const std::int32_t type{interruption_type<ComponentCount>(ra, rb, mode)};
    const std::int32_t predicted{type != 0 ? ra : rb};
    const bool inverted{type == 0 && ra > rb};
    const std::int32_t error{mode.quantize(inverted ? predicted - x : x - predicted)};

    run_context& context{state.contexts[static_cast<std::size_t>(type)]};
    const std::uint32_t k{context.golomb_parameter(type)};
    const bool map{error < 0 ? context.maps_negative(k) : error > 0 && !context.maps_negative(k)};
    const std::int32_t mapped{2 * std::abs(error) - type - static_cast<std::int32_t>(map)};

    const std::int32_t limit{mode.limit - state.order() - 1};
    const std::int32_t zeros{mapped >> k};
    if (zeros < limit - mode.quantized_bits - 1)
    {
        const std::uint32_t remainder{static_cast<std::uint32_t>(mapped) & ((1U << k) - 1)};
        codes.add(remainder | (1U << k), static_cast<std::uint32_t>(zeros) + k + 1);
    }
    else
    {
        codes.add(1, static_cast<std::uint32_t>(limit - mode.quantized_bits));
        codes.add(static_cast<std::uint32_t>(mapped - 1) & ((1U << mode.quantized_bits) - 1),
                  static_cast<std::uint32_t>(mode.quantized_bits));
    }
    context.update(error, mapped, type);
    return mode.reconstruct(predicted, inverted ? -error : error);
}

// Codes the length of a run (T.87 A.7.1.2, code segments A.15 and A.16).
template<typename Codes>
inline void encode_run_length(run_state& state, Codes& codes, std::ptrdiff_t length, const bool ends_line) noexcept
{
    std::uint32_t ones{};
    while (length >= std::ptrdiff_t{1} << state.order())
    {
        length -= std::ptrdiff_t{1} << state.order();
        state.increment();
        ++ones;
        if (ones == 16)
        {
            codes.add(0xFFFF, 16);
            ones = 0;
        }
    }
    if (ends_line)
    {
        ones += length != 0;
        if (ones != 0)
            codes.add((1U << ones) - 1, ones);
        return;
    }
    if (ones != 0)
        codes.add((1U << ones) - 1, ones);
    codes.add(static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(state.order()) + 1);
}

// How many of up to `limit` pixels are like the one before `line`.
template<int ComponentCount, typename Sample>
inline std::ptrdiff_t find_run_length(const Sample* const line, const std::ptrdiff_t limit) noexcept
{
    // Each sample is compared with that of the pixel before, 8 bytes at a time. The first byte that differs is the
    // highest one that does.
    constexpr auto step{static_cast<std::ptrdiff_t>(8 / sizeof(Sample))};
    const std::ptrdiff_t sample_limit{limit * ComponentCount};
    std::ptrdiff_t samples{};
    for (; samples + step <= sample_limit; samples += step)
    {
        std::uint64_t found;
        std::uint64_t before;
        std::memcpy(&found, line + samples, sizeof found);
        std::memcpy(&before, line + samples - ComponentCount, sizeof before);
        if (const std::uint64_t difference{big_endian(found ^ before)}; difference != 0)
        {
            samples += static_cast<std::ptrdiff_t>((63U - highest_bit(difference)) / (8 * sizeof(Sample)));
            return samples / ComponentCount;
        }
    }
    while (samples != sample_limit && line[samples] == line[samples - ComponentCount])
        ++samples;
    return samples / ComponentCount;
}

// Repeats the pixel before `line` in `samples` samples. May write up to 32 samples behind.
template<int ComponentCount, typename Sample>
inline void repeat_pixel(Sample* const line, const std::ptrdiff_t samples) noexcept
{
    if constexpr (ComponentCount == 1)
    {
        // 32 bytes at a time: most runs take one step, and steps are easier to foresee than lengths.
        constexpr auto step{static_cast<std::ptrdiff_t>(32 / sizeof(Sample))};
        constexpr auto in_word{static_cast<std::ptrdiff_t>(8 / sizeof(Sample))};
        const std::uint64_t word{
            line[-1] * (sizeof(Sample) == 1 ? std::uint64_t{0x0101010101010101} : std::uint64_t{0x0001000100010001})};
        for (std::ptrdiff_t i{}; i < samples; i += step)
        {
            for (std::ptrdiff_t j{}; j != step; j += in_word)
                std::memcpy(line + i + j, &word, sizeof word);
        }
    }
    else
    {
        // 8 pixels at a time.
        Sample pattern[8 * ComponentCount];
        for (std::ptrdiff_t i{}; i != 8 * ComponentCount; ++i)
            pattern[i] = line[i % ComponentCount - ComponentCount];
        for (std::ptrdiff_t i{}; i < samples; i += 8 * ComponentCount)
            std::memcpy(line + i, pattern, sizeof pattern);
    }
}

// The length of a run, in pixels, and the bit position behind its code.
struct run_length
{
    std::size_t position;
    std::ptrdiff_t pixels;
};

// Decodes the length of a run of at most `limit` pixels (T.87 A.7.1.2).
inline run_length decode_run_length(run_state& state, const std::uint8_t* const bytes, std::size_t position,
                                    const std::ptrdiff_t limit)
{
    std::ptrdiff_t length{};
    std::uint64_t bits{code_reader::load(bytes, position)};
    for (std::uint32_t bits_left{code_reader::loaded_bits}; (bits >> 63U) != 0; bits <<= 1U)
    {
        ++position;
        const std::ptrdiff_t stretch{std::ptrdiff_t{1} << state.order()};
        if (stretch > limit - length)
            return {position, limit};
        length += stretch;
        state.increment();
        if (length == limit)
            return {position, limit};
        if (--bits_left == 0)
        {
            bits = code_reader::load(bytes, position) >> 1U;
            bits_left = code_reader::loaded_bits;
        }
    }
    ++position;
    const auto order{static_cast<std::uint32_t>(state.order())};
    length += static_cast<std::ptrdiff_t>((code_reader::load(bytes, position) >> 1U) >> (63U - order));
    if (DICOM_JPEGLS_UNLIKELY(length > limit))
        fail(charls::jpegls_errc::invalid_encoded_data);
    return {position + order, length};
}

// A sample, and the bit position behind its code.
struct decoded_sample
{
    std::size_t position;
    std::int32_t value;
};

// Decodes the sample that interrupts a run (T.87 A.7.2).
template<int ComponentCount, typename Mode>
inline decoded_sample decode_interruption(run_state& state, const std::uint8_t* const bytes, const std::size_t position,
                                          const std::int32_t ra, const std::int32_t rb, const Mode& mode)
{
    const std::int32_t type{interruption_type<ComponentCount>(ra, rb, mode)};
    run_context& context{state.contexts[static_cast<std::size_t>(type)]};
    const std::uint32_t k{context.golomb_parameter(type)};
    const golomb_code code{
        code_reader::read_golomb(bytes, position, k, mode.limit - state.order() - 1, mode.quantized_bits)};

    const auto mapped{static_cast<std::int32_t>(code.mapped_error)};
    const std::int32_t sum{mapped + type};
    const bool map{(sum & 1) != 0};
    const std::int32_t magnitude{(sum + 1) >> 1};
    const std::int32_t error{map == context.maps_negative(k) ? -magnitude : magnitude};
    if (DICOM_JPEGLS_UNLIKELY(error < -(mode.range / 2) || error > (mode.range + 1) / 2 - 1))
        fail(charls::jpegls_errc::invalid_encoded_data);
    context.update(error, mapped, type);
    const bool inverted{type == 0 && ra > rb};
    return {code.position, mode.reconstruct(type != 0 ? ra : rb, inverted ? -error : error)};
}

} // namespace dicom_jpegls::scan
