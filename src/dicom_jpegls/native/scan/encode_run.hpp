// SPDX-License-Identifier: MIT
//
// The encoder's half of the run mode (T.87 A.7). Codes go to `Codes::add(value, length)`, such as that of
// pending_codes: values of up to 16 bits, lengths of up to 64. The templates are `inline` for GCC, which takes it as a
// hint.
#pragma once

#include "run_state.hpp"

#include <cstdlib>

namespace dicom_jpegls::scan {

// Codes the sample `x` that interrupts a run (T.87 A.7.2). Returns its reconstructed value.
template<int ComponentCount, typename Codes, typename Mode>
inline std::int32_t encode_interruption(run_state& state, Codes& codes, const std::int32_t x, const std::int32_t ra,
                                        const std::int32_t rb, const Mode& mode) noexcept
{
    const std::int32_t type{interruption_type<ComponentCount>(ra, rb, mode)};
    const std::int32_t predicted_value{type != 0 ? ra : rb};
    const bool inverted{type == 0 && ra > rb};
    const std::int32_t error_value{mode.quantize(inverted ? predicted_value - x : x - predicted_value)};

    run_context& context{state.contexts[static_cast<std::size_t>(type)]};
    const std::uint32_t k{context.golomb_parameter(type)};
    const bool map{error_value < 0 ? context.maps_negative(k) : error_value > 0 && !context.maps_negative(k)};
    const std::int32_t mapped_error{2 * std::abs(error_value) - type - static_cast<std::int32_t>(map)};

    const std::int32_t limit{mode.limit - state.order() - 1};
    const std::int32_t zeros{mapped_error >> k};
    if (zeros < limit - mode.quantized_bits_per_sample - 1)
    {
        const std::uint32_t remainder{static_cast<std::uint32_t>(mapped_error) & ((1U << k) - 1)};
        codes.add(remainder | (1U << k), static_cast<std::uint32_t>(zeros) + k + 1);
    }
    else
    {
        codes.add(1, static_cast<std::uint32_t>(limit - mode.quantized_bits_per_sample));
        codes.add(static_cast<std::uint32_t>(mapped_error - 1) & ((1U << mode.quantized_bits_per_sample) - 1),
                  static_cast<std::uint32_t>(mode.quantized_bits_per_sample));
    }
    context.update(error_value, mapped_error, type);
    return mode.reconstruct(predicted_value, inverted ? -error_value : error_value);
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

// The number of pixels, up to `limit`, that are equal to the one before `line`.
template<int ComponentCount, typename Sample>
[[nodiscard]] inline std::ptrdiff_t find_run_length(const Sample* const line, const std::ptrdiff_t limit) noexcept
{
    // Each sample is compared with that of the previous pixel, 8 bytes at a time. Of the bytes that differ, the first
    // is the highest one.
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

// The same in near-lossless coding: pixels within NEAR of the one before `line`, whose value they take, as a decoder
// will have them.
template<typename Sample, typename Mode>
[[nodiscard]] inline std::ptrdiff_t flatten_run(Sample* const line, const std::ptrdiff_t limit,
                                                const Mode& mode) noexcept
{
    const std::int32_t ra{line[-1]};
    std::ptrdiff_t length{};
    for (; length != limit && mode.is_near(line[length], ra); ++length)
        line[length] = static_cast<Sample>(ra);
    return length;
}

} // namespace dicom_jpegls::scan
