// SPDX-License-Identifier: MIT
//
// Context modelling for sixteen samples of different scans at once (T.87 A.3 to A.6), as both lane codecs need it:
// lossless, one component, MAXVAL = 2^P - 1 and default thresholds.
#pragma once

#include "vectors.hpp"

#ifdef JLS_LANES

#include "../../stream/presets.hpp"
#include "../code_writer.hpp"
#include "../parameters.hpp"
#include "../regular_mode.hpp"

namespace dicom_jpegls::scan::lanes {

// `lossless` for a precision that is known at run time: that of all lanes.
struct lossless_of_any_precision
{
    static constexpr bool is_lossless{true};
    std::int32_t maximum;
    std::int32_t range;
    std::int32_t quantized_bits_per_sample;
    std::int32_t limit;
    thresholds bounds;

    explicit constexpr lossless_of_any_precision(const std::int32_t bits_per_sample) noexcept :
        maximum{maximum_sample_value(bits_per_sample)},
        range{maximum + 1},
        quantized_bits_per_sample{bits_per_sample},
        limit{code_length_limit(bits_per_sample)},
        bounds{thresholds_of(default_preset_coding_parameters(maximum, 0))}
    {
    }

    std::int32_t quantize(const std::int32_t error) const noexcept
    {
        const std::int32_t unused_bits{32 - quantized_bits_per_sample};
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(error) << unused_bits) >> unused_bits;
    }

    std::int32_t reconstruct(const std::int32_t predicted, const std::int32_t error) const noexcept
    {
        return (predicted + error) & maximum;
    }

    static bool is_near(const std::int32_t a, const std::int32_t b) noexcept
    {
        return a == b;
    }

private:
    static constexpr thresholds thresholds_of(const preset_coding_parameters& presets) noexcept
    {
        return {presets.threshold1, presets.threshold2, presets.threshold3};
    }
};

static_assert(default_reset_value == reset_value);

// A context in 8 bytes. From the lowest bit: A in 23 bits, the decoder's k in 8 bits, an unused bit, N and C in 8 bits
// each, B in 16 bits.
namespace packed_context {

constexpr int k_position{float_mantissa_bits}; // where golomb_parameter leaves it
constexpr std::int32_t a_mask{(1 << k_position) - 1};
constexpr std::int32_t k_mask{0xFF << k_position};

constexpr std::uint64_t make(const std::int32_t a, const std::uint32_t k, const std::int32_t n, const std::int32_t c,
                             const std::int32_t b) noexcept
{
    return static_cast<std::uint64_t>(a) | (std::uint64_t{k} << k_position) | (static_cast<std::uint64_t>(n) << 32U) |
           (std::uint64_t{static_cast<std::uint8_t>(c)} << 40U) | (std::uint64_t{static_cast<std::uint16_t>(b)} << 48U);
}

constexpr std::uint32_t k_of(const std::uint64_t context) noexcept
{
    return static_cast<std::uint8_t>(context >> k_position);
}

inline encoder_context statistics_of(const std::uint64_t context) noexcept
{
    return {static_cast<std::int32_t>(context) & a_mask, static_cast<std::int16_t>(context >> 48U),
            static_cast<std::int8_t>(context >> 40U), static_cast<std::uint8_t>(context >> 32U)};
}

} // namespace packed_context

// A context stays below 2^23, and float conversion and `golomb_parameter` are exact, since |error| is at most 2^15 and
// N at most RESET. In a lane whose stream is damaged an error may be any number of 16 bits: then, too.
static_assert((reset_value + 1) * (1 << 15) < (1 << packed_context::k_position));

// The contexts of a lane. Context 0 belongs to no gradients: lanes that stand still use it without effect. The distance keeps
// lanes apart in the sets of the first-level cache.
constexpr std::size_t context_distance{368};
static_assert(context_distance >= context_count && lane_count * context_distance <= 0x10000);

using context_array = std::uint64_t[lane_count][context_distance];

JLS_BEGIN_AVX2

// The statistics of a context in each lane.
struct statistics
{
    vector32 a;
    vector16 n_and_c; // N in the lower bytes
    vector16 b;

    JLS_INLINE vector16 n() const noexcept
    {
        return n_and_c & all16(0xFF);
    }

    JLS_INLINE vector16 c() const noexcept
    {
        return upper_byte_signed(n_and_c);
    }
};

// Code segments A.12 and A.13 of T.87.
JLS_INLINE statistics update(const statistics& old, const vector16 error) noexcept
{
    const vector16 n{old.n()};
    const vector16 resets{equal(n, all16(reset_value))};
    statistics result;
    result.a = shift_right(old.a + widen(magnitude(error)), widen_mask_to_1(resets));
    // Below, B is compared with numbers of at most RESET, so saturation does no harm.
    const vector16 b_sum{add_saturated(old.b, error)};
    const vector16 b{select(resets, shift_right_signed<1>(b_sum), b_sum)};
    const vector16 new_n{n - (resets & all16(reset_value / 2)) + all16(1)};
    const vector16 lowest_b{all16(1) - new_n};
    const vector16 is_below{greater(lowest_b, b)};
    const vector16 is_above{greater(b, zero16())};
    result.b = min_signed(max_signed(b + ((is_below & new_n) - (is_above & new_n)), lowest_b), zero16());
    // C stays where it is at the ends of its range, which are those of a byte.
    static_assert(minimum_c == std::numeric_limits<std::int8_t>::min() &&
                  maximum_c == std::numeric_limits<std::int8_t>::max());
    const vector16 c{add_bytes_saturated(old.n_and_c, (is_above & all16(0x100)) | (is_below & all16(-0x100)))};
    result.n_and_c = (c & all16(-0x100)) | new_n;
    return result;
}

// The least k with N 2^k >= A (T.87 A.5.1), from bit 23 on - as the exponent of a float: the difference of the
// logarithms of A and N, rounded up, as in pending_codes::make_codes. The lower bits are any.
JLS_INLINE vector32 golomb_parameter(const vector32 a, const vector16 n) noexcept
{
    return max_signed(float_bits(a) - (float_bits(widen(n)) - all32(float_mantissa_mask)), all32(0));
}

// Where errors are inverted with k = 0 (T.87 A.5.2): 2 B + N - 1 < 0.
JLS_INLINE vector16 inverts(const vector16 k, const statistics& context) noexcept
{
    return equal(k, zero16()) & greater(all16(1), context.b + context.b + context.n());
}

// What depends on the precision. Samples of less than 16 bits are positive signed numbers, of 16 bits unsigned ones.
template<bool HasSignedSamples>
class lane_model final
{
public:
    explicit lane_model(const lossless_of_any_precision& mode) noexcept :
        maximum_{all16(mode.maximum)},
        below_t1_{all16(mode.bounds.t1 - 1)},
        below_t2_{all16(mode.bounds.t2 - 1)},
        below_t3_{all16(mode.bounds.t3 - 1)},
        unused_bits_{all_by(16 - mode.quantized_bits_per_sample)}
    {
    }

    // MAXVAL.
    JLS_INLINE vector16 maximum() const noexcept
    {
        return maximum_;
    }

    // Q(minuend - subtrahend) (T.87 A.3.3).
    JLS_INLINE vector16 quantize_difference(const vector16 minuend, const vector16 subtrahend) const noexcept
    {
        vector16 distance;
        vector16 is_positive; // or 0, where it does not matter
        if constexpr (HasSignedSamples)
        {
            const vector16 difference{minuend - subtrahend};
            distance = magnitude(difference);
            is_positive = greater(difference, zero16());
        }
        else
        {
            const vector16 larger{max_unsigned(minuend, subtrahend)};
            distance = min_unsigned(larger - min_unsigned(minuend, subtrahend), all16(0x7FFF));
            is_positive = equal(larger, minuend);
        }
        // Each comparison that holds counts -1.
        const vector16 negative{greater(distance, below_t1_) - min_signed(distance, all16(1)) +
                                (greater(distance, below_t2_) + greater(distance, below_t3_))};
        return (negative ^ is_positive) - is_positive;
    }

    // What the gradients of the line above, Q1 and Q2, add to Q3 for the number of the context, with its sign (T.87
    // A.3.4).
    static JLS_INLINE vector16 weigh_above(const vector16 q1, const vector16 q2) noexcept
    {
        return times(times(q1, 9) + q2, 9);
    }

    // Mirrors samples and predictions (MAXVAL - x) where the sign of the context is negative.
    JLS_INLINE vector16 mirror(const vector16 value, const vector16 sign) const noexcept
    {
        return value ^ (HasSignedSamples ? sign & maximum_ : sign);
    }

    // The prediction, mirrored and corrected (code segments A.5 and A.6).
    JLS_INLINE vector16 predict(const vector16 ra, const vector16 rb, const vector16 rc, const vector16 sign,
                                const vector16 c) const noexcept
    {
        if constexpr (HasSignedSamples)
        {
            const vector16 median{ra + rb - max_signed(min_signed(ra, rb), min_signed(max_signed(ra, rb), rc))};
            return min_signed(max_signed(add_saturated(mirror(median, sign), c), zero16()), maximum_);
        }
        else
        {
            const vector16 median{ra + rb - max_unsigned(min_unsigned(ra, rb), min_unsigned(max_unsigned(ra, rb), rc))};
            return subtract_saturated_unsigned(add_saturated_unsigned(mirror(median, sign), max_signed(c, zero16())),
                                               max_signed(zero16() - c, zero16()));
        }
    }

    // An error modulo RANGE (A.4.5).
    JLS_INLINE vector16 reduce(const vector16 error) const noexcept
    {
        if constexpr (HasSignedSamples)
            return shift_right_signed(shift_left(error, unused_bits_), unused_bits_);
        else
            return error;
    }

    // The sample of a mirrored prediction and an error (A.4.5).
    JLS_INLINE vector16 reconstruct(const vector16 predicted, const vector16 error, const vector16 sign) const noexcept
    {
        const vector16 sum{(predicted + error) ^ sign};
        if constexpr (HasSignedSamples)
            return sum & maximum_;
        else
            return sum;
    }

private:
    const vector16 maximum_;
    const vector16 below_t1_;
    const vector16 below_t2_;
    const vector16 below_t3_;
    const shift_count unused_bits_;
};

JLS_END_AVX2

} // namespace dicom_jpegls::scan::lanes

#endif
