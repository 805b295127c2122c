// SPDX-License-Identifier: MIT
//
// The decoder's half of the run mode (T.87 A.7). The templates are `inline` for GCC, which takes it as a hint.
#pragma once

#include "code_reader.hpp"
#include "run_state.hpp"

namespace dicom_jpegls::scan {

// Repeats the pixel before `line` in `samples` samples. May write up to 32 samples more.
template<int ComponentCount, typename Sample>
inline void repeat_pixel(Sample* const line, const std::ptrdiff_t samples) noexcept
{
    if constexpr (ComponentCount == 1)
    {
        // 32 bytes at a time: most runs take one step, and steps are easier to predict than lengths.
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

// The length of a run, in pixels, and the bit position after its code.
struct run_length
{
    std::size_t position;
    std::ptrdiff_t pixels;
};

// Decodes the length of a run of at most `limit` pixels (T.87 A.7.1.2).
[[nodiscard]] inline run_length decode_run_length(run_state& state, const std::uint8_t* const bytes,
                                                  std::size_t position, const std::ptrdiff_t limit)
{
    std::ptrdiff_t length{};
    std::uint64_t bits{code_reader::load(bytes, position)};
    for (std::uint32_t bits_left{code_reader::loaded_bits}; (bits >> 63U) != 0; bits <<= 1U)
    {
        ++position;
        const std::ptrdiff_t step{std::ptrdiff_t{1} << state.order()};
        if (step > limit - length)
            return {position, limit};
        length += step;
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
    if (JLS_UNLIKELY(length > limit))
        fail(scan_fault::invalid_encoded_data);
    return {position + order, length};
}

// A sample, and the bit position after its code.
struct decoded_sample
{
    std::size_t position;
    std::int32_t value;
};

// Decodes the sample that interrupts a run (T.87 A.7.2).
template<int ComponentCount, typename Mode>
[[nodiscard]] inline decoded_sample decode_interruption(run_state& state, const std::uint8_t* const bytes,
                                                        const std::size_t position, const std::int32_t ra,
                                                        const std::int32_t rb, const Mode& mode)
{
    const std::int32_t type{interruption_type<ComponentCount>(ra, rb, mode)};
    run_context& context{state.contexts[static_cast<std::size_t>(type)]};
    const std::uint32_t k{context.golomb_parameter(type)};
    const golomb_code code{
        code_reader::read_golomb(bytes, position, k, mode.limit - state.order() - 1, mode.quantized_bits_per_sample)};

    const auto mapped_error{static_cast<std::int32_t>(code.mapped_error)};
    const std::int32_t sum{mapped_error + type};
    const bool map{(sum & 1) != 0};
    const std::int32_t magnitude{(sum + 1) >> 1};
    const std::int32_t error_value{map == context.maps_negative(k) ? -magnitude : magnitude};
    if (JLS_UNLIKELY(error_value < -(mode.range / 2) || error_value > (mode.range + 1) / 2 - 1))
        fail(scan_fault::invalid_encoded_data);
    context.update(error_value, mapped_error, type);
    const bool inverted{type == 0 && ra > rb};
    return {code.position, mode.reconstruct(type != 0 ? ra : rb, inverted ? -error_value : error_value)};
}

} // namespace dicom_jpegls::scan
