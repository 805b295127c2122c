// SPDX-License-Identifier: MIT
//
// What is constant for a scan: the quantities of T.87 A.2.1 for lossless and for near-lossless coding, with the three
// operations that depend on them. Both kinds have members of the same names, so that the loops are written once.
#pragma once

#include "fault.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace dicom_jpegls::scan {

// RESET: the occurrences of a context at which its statistics are halved (T.87 table C.2).
inline constexpr std::int32_t reset_value{64};

// The largest Golomb parameter that valid data of 16 bits needs.
inline constexpr std::uint32_t largest_k{15};

// Contexts of the regular mode: those of the gradients with the sign removed, 0 included (T.87 A.3.4).
inline constexpr std::size_t context_count{365};

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

// NEAR = 0: with MAXVAL = 2^P - 1 everything is known at compile time, and modulo RANGE is a mask.
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
    static constexpr std::int32_t quantized_bits_per_sample{BitsPerSample}; // qbpp
    static constexpr std::int32_t limit{code_length_limit(BitsPerSample)};
    static constexpr std::int32_t error_step{1}; // 2 NEAR + 1

    // Prediction error of a sample, reduced modulo RANGE (T.87 A.4.4, A.4.5).
    static JLS_INLINE std::int32_t quantize(const std::int32_t error_value) noexcept
    {
        if constexpr (BitsPerSample == 8)
            return static_cast<std::int8_t>(error_value);
        else if constexpr (BitsPerSample == 16)
            return static_cast<std::int16_t>(error_value);
        else
            return static_cast<std::int32_t>(static_cast<std::uint32_t>(error_value) << (32 - BitsPerSample)) >>
                   (32 - BitsPerSample);
    }

    // The sample that a decoder reconstructs from a prediction and an error (T.87 A.4.5).
    static JLS_INLINE std::int32_t reconstruct(const std::int32_t predicted_value,
                                               const std::int32_t error_value) noexcept
    {
        return (predicted_value + error_value) & maximum;
    }

    static JLS_INLINE bool is_near(const std::int32_t a, const std::int32_t b) noexcept
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
    std::int32_t maximum;
    std::int32_t near_value;
    std::int32_t error_step;
    std::int32_t range;
    std::int32_t quantized_bits_per_sample;
    std::int32_t limit;

    near_lossless(const std::int32_t bits, const std::int32_t near_lossless_value) noexcept :
        maximum{(1 << bits) - 1},
        near_value{near_lossless_value},
        error_step{2 * near_value + 1},
        range{(maximum + 2 * near_value) / error_step + 1},
        quantized_bits_per_sample{static_cast<std::int32_t>(highest_bit(static_cast<std::uint32_t>(2 * range - 1)))},
        limit{code_length_limit(bits)},
        reciprocal_{(std::uint64_t{1} << 32) / static_cast<std::uint32_t>(error_step) + 1}
    {
    }

    // Prediction error of a sample, quantized and reduced modulo RANGE (T.87 A.4.4, A.4.5).
    JLS_INLINE std::int32_t quantize(const std::int32_t error_value) const noexcept
    {
        const auto magnitude{
            static_cast<std::uint32_t>(error_value < 0 ? near_value - error_value : near_value + error_value)};
        // Division by the step: exact, since magnitude times step, 2^17 times 2^9, is below 2^32.
        assert(magnitude < 1U << 17);
        const auto quotient{static_cast<std::int32_t>((magnitude * reciprocal_) >> 32U)};
        const std::int32_t result{error_value < 0 ? -quotient : quotient};
        if (result < -(range / 2))
            return result + range;
        if (result >= (range + 1) / 2)
            return result - range;
        return result;
    }

    // The sample that a decoder reconstructs from a prediction and a quantized error (T.87 A.4.5).
    JLS_INLINE std::int32_t reconstruct(const std::int32_t predicted_value,
                                        const std::int32_t error_value) const noexcept
    {
        std::int32_t value{predicted_value + error_value * error_step};
        if (JLS_UNLIKELY(static_cast<std::uint32_t>(value) > static_cast<std::uint32_t>(maximum)))
        {
            if (value < -near_value)
                value += range * error_step;
            else if (value > maximum + near_value)
                value -= range * error_step;
            value = std::clamp(value, 0, maximum);
        }
        return value;
    }

    JLS_INLINE bool is_near(const std::int32_t a, const std::int32_t b) const noexcept
    {
        return (a < b ? b - a : a - b) <= near_value;
    }

private:
    std::uint64_t reciprocal_;
};

} // namespace dicom_jpegls::scan
