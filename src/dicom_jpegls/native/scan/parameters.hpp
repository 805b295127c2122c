// SPDX-License-Identifier: MIT
//
// What is fixed for a whole scan: the quantities of T.87 A.2.1 for lossless and for near-lossless coding, with the
// three operations that depend on them. Both kinds have members of the same names, so that the loops are written once.
#pragma once

#include "platform.hpp"

#include <charls/jpegls_error.h>

#include <algorithm>
#include <limits>
#include <type_traits>

namespace dicom_jpegls::scan {

// Ends the coding of a scan with one of CharLS's error codes.
[[noreturn]] DICOM_JPEGLS_NOINLINE inline void fail(const charls::jpegls_errc code)
{
    throw charls::jpegls_error{code};
}

// RESET: the occurrences of a context at which its statistics are halved (T.87 table C.2).
constexpr std::int32_t reset_value{64};

// The largest Golomb parameter that sound data of 16 bits needs.
constexpr std::uint32_t largest_k{15};

// Contexts of the regular mode: those of the gradients with sign taken out, 0 included (T.87 A.3.4).
constexpr std::size_t context_count{365};

struct thresholds
{
    std::int32_t t1;
    std::int32_t t2;
    std::int32_t t3;
};

// The initial value of A (T.87 A.2.1, step 1.d of A.8).
constexpr std::int32_t initial_a(const std::int32_t range) noexcept
{
    return std::max(2, (range + 32) / 64);
}

// LIMIT, the greatest length of a code (T.87 A.2.1).
constexpr std::int32_t code_length_limit(const std::int32_t bits_per_sample) noexcept
{
    return 2 * (bits_per_sample + std::max(8, bits_per_sample));
}

// NEAR = 0: with MAXVAL = 2^P - 1 everything is known when the code is compiled, and modulo RANGE is a mask.
template<int BitsPerSample>
struct lossless
{
    static_assert(BitsPerSample >= 8 && BitsPerSample <= 16);

    using sample = std::conditional_t<BitsPerSample == 8, std::uint8_t, std::uint16_t>;
    static constexpr bool is_lossless{true};
    static constexpr bool narrow{BitsPerSample <= 13}; // six times RANGE fits into 16 bits
    static constexpr std::int32_t maximum{(1 << BitsPerSample) - 1};
    static constexpr std::int32_t near_value{0};
    static constexpr std::int32_t range{maximum + 1};
    static constexpr std::int32_t quantized_bits{BitsPerSample}; // qbpp
    static constexpr std::int32_t limit{code_length_limit(BitsPerSample)};
    static constexpr std::int32_t error_step{1}; // 2 NEAR + 1

    // Prediction error of a sample, reduced modulo RANGE (T.87 A.4.4, A.4.5).
    static DICOM_JPEGLS_INLINE std::int32_t quantize(const std::int32_t error) noexcept
    {
        if constexpr (BitsPerSample == 8)
            return static_cast<std::int8_t>(error);
        else if constexpr (BitsPerSample == 16)
            return static_cast<std::int16_t>(error);
        else
            return static_cast<std::int32_t>(static_cast<std::uint32_t>(error) << (32 - BitsPerSample)) >>
                   (32 - BitsPerSample);
    }

    // The sample that a decoder gets from a prediction and an error (T.87 A.4.5).
    static DICOM_JPEGLS_INLINE std::int32_t reconstruct(const std::int32_t predicted, const std::int32_t error) noexcept
    {
        return (predicted + error) & maximum;
    }

    static DICOM_JPEGLS_INLINE bool is_near(const std::int32_t a, const std::int32_t b) noexcept
    {
        return a == b;
    }
};

// NEAR > 0, MAXVAL = 2^P - 1.
template<typename Sample>
struct near_lossless
{
    using sample = Sample;
    static constexpr bool is_lossless{false};
    static constexpr bool narrow{sizeof(Sample) == 1};
    const std::int32_t maximum;
    const std::int32_t near_value;
    const std::int32_t error_step;
    const std::int32_t range;
    const std::int32_t quantized_bits;
    const std::int32_t limit;

    near_lossless(const std::int32_t bits, const std::int32_t near_lossless_value) noexcept :
        maximum{(1 << bits) - 1},
        near_value{near_lossless_value},
        error_step{2 * near_value + 1},
        range{(maximum + 2 * near_value) / error_step + 1},
        quantized_bits{static_cast<std::int32_t>(highest_bit(static_cast<std::uint32_t>(2 * range - 1)))},
        limit{code_length_limit(bits)},
        reciprocal_{(std::uint64_t{1} << 32) / static_cast<std::uint32_t>(error_step) + 1}
    {
    }

    // Prediction error of a sample, quantized and reduced modulo RANGE (T.87 A.4.4, A.4.5).
    DICOM_JPEGLS_INLINE std::int32_t quantize(const std::int32_t error) const noexcept
    {
        const auto magnitude{static_cast<std::uint32_t>(error < 0 ? near_value - error : near_value + error)};
        // Division by the step: exact, since both factors together stay below 2^32 (2^17 and 2^9).
        const auto quotient{static_cast<std::int32_t>((magnitude * reciprocal_) >> 32U)};
        const std::int32_t result{error < 0 ? -quotient : quotient};
        if (result < -(range / 2))
            return result + range;
        if (result >= (range + 1) / 2)
            return result - range;
        return result;
    }

    // The sample that a decoder gets from a prediction and a quantized error (T.87 A.4.5).
    DICOM_JPEGLS_INLINE std::int32_t reconstruct(const std::int32_t predicted, const std::int32_t error) const noexcept
    {
        std::int32_t value{predicted + error * error_step};
        if (DICOM_JPEGLS_UNLIKELY(static_cast<std::uint32_t>(value) > static_cast<std::uint32_t>(maximum)))
        {
            if (value < -near_value)
                value += range * error_step;
            else if (value > maximum + near_value)
                value -= range * error_step;
            value = std::clamp(value, 0, maximum);
        }
        return value;
    }

    DICOM_JPEGLS_INLINE bool is_near(const std::int32_t a, const std::int32_t b) const noexcept
    {
        return (a < b ? b - a : a - b) <= near_value;
    }

private:
    const std::uint64_t reciprocal_;
};

// What lies outside of the image (T.87 A.2.1): left of a line stands the first sample above, right of the line above
// its own last sample. `above` and `current` point at the first sample of lines of `count` samples.
template<int ComponentCount, typename Sample>
inline void set_edges(Sample* const above, Sample* const current, const std::ptrdiff_t count) noexcept
{
    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
    {
        above[count + component] = above[count - ComponentCount + component];
        current[component - ComponentCount] = above[component];
    }
}

} // namespace dicom_jpegls::scan
