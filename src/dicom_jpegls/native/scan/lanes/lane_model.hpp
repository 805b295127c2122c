// SPDX-License-Identifier: MIT
//
// Context modelling for sixteen samples of different scans at once (T.87 A.3 to A.6), as both lane codecs need it:
// MAXVAL = 2^P - 1, default thresholds, and one NEAR for all lanes.
#pragma once

#include "vectors.hpp"

#ifdef JLS_LANES

#include "../../stream/presets.hpp"
#include "../code_writer.hpp"
#include "../parameters.hpp"
#include "../regular_mode.hpp"

namespace dicom_jpegls::scan::lanes {

constexpr thresholds default_bounds(const std::int32_t bits_per_sample, const std::int32_t near_value) noexcept
{
    const preset_coding_parameters presets{
        default_preset_coding_parameters(maximum_sample_value(bits_per_sample), near_value)};
    return {presets.threshold1, presets.threshold2, presets.threshold3};
}

// `lossless` for a precision that is known at run time: that of all lanes.
struct lossless_of_any_precision
{
    static constexpr bool is_lossless{true};
    static constexpr std::int32_t near_value{0};
    static constexpr std::int32_t error_step{1};
    std::int32_t bits_per_sample;
    std::int32_t maximum;
    std::int32_t range;
    std::int32_t quantized_bits_per_sample;
    std::int32_t limit;
    thresholds bounds;

    constexpr lossless_of_any_precision(const std::int32_t bits, const std::int32_t /*near_lossless_value*/) noexcept :
        bits_per_sample{bits},
        maximum{maximum_sample_value(bits)},
        range{maximum + 1},
        quantized_bits_per_sample{bits},
        limit{code_length_limit(bits)},
        bounds{default_bounds(bits, 0)}
    {
    }

    std::int32_t quantize(const std::int32_t error) const noexcept
    {
        const std::int32_t unused_bits{32 - bits_per_sample};
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
};

// The same for near-lossless coding, with the NEAR of all lanes.
struct near_lossless_of_any_precision : near_lossless<std::uint16_t>
{
    std::int32_t bits_per_sample;
    thresholds bounds;

    near_lossless_of_any_precision(const std::int32_t bits, const std::int32_t near_lossless_value) noexcept :
        near_lossless{bits, near_lossless_value},
        bits_per_sample{bits},
        bounds{default_bounds(bits, near_lossless_value)}
    {
    }
};

// Q(difference) (T.87 A.3.3), for scalar code.
template<typename Mode>
std::int32_t quantize_gradient(const std::int32_t difference, const Mode& mode) noexcept
{
    const std::int32_t distance{difference < 0 ? -difference : difference};
    const std::int32_t steps{(distance > mode.near_value) + (distance >= mode.bounds.t1) +
                             (distance >= mode.bounds.t2) + (distance >= mode.bounds.t3)};
    return difference < 0 ? -steps : steps;
}

static_assert(default_reset_value == reset_value);

// A context in 8 bytes. From the lowest bit: A in 23 bits, k in 8 bits if it is kept, an unused bit, N and C in 8 bits
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

// At the start of a scan.
constexpr std::uint64_t make_first(const std::int32_t range, const bool keeps_k) noexcept
{
    std::uint32_t k{};
    while (keeps_k && (1 << k) < initial_a(range))
        ++k;
    return make(initial_a(range), k, 1, 0, 0);
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

// The contexts of a lane, and one that lanes that stand still use without effect. The distance keeps lanes apart in the
// sets of the first-level cache.
constexpr std::size_t context_distance{368};
static_assert(context_distance > context_count && lane_count * context_distance <= 0x10000);

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

// Code segments A.12 and A.13 of T.87, for an error that counts as `bias` in B.
JLS_INLINE statistics update(const statistics& old, const vector16 error, const vector16 bias) noexcept
{
    const vector16 n{old.n()};
    const vector16 resets{equal(n, all16(reset_value))};
    statistics result;
    result.a = shift_right(old.a + widen(magnitude(error)), widen_mask_to_1(resets));
    // Below, B is compared with numbers of at most RESET, so saturation does no harm.
    const vector16 b_sum{add_saturated(old.b, bias)};
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
class lane_model
{
public:
    template<typename Mode>
    explicit lane_model(const Mode& mode) noexcept :
        maximum_{all16(mode.maximum)},
        below_t1_{all16(mode.bounds.t1 - 1)},
        below_t2_{all16(mode.bounds.t2 - 1)},
        below_t3_{all16(mode.bounds.t3 - 1)}
    {
    }

    // What the gradients of the line above, Q1 and Q2, add to Q3 for the number of the context, with its sign (T.87
    // A.3.4).
    static JLS_INLINE vector16 weigh_above(const vector16 q1, const vector16 q2) noexcept
    {
        return times(times(q1, 9) + q2, 9);
    }

    // Mirrors samples and predictions (MAXVAL - x) where a sign is negative.
    JLS_INLINE vector16 mirror(const vector16 value, const vector16 sign) const noexcept
    {
        return value ^ (HasSignedSamples ? sign & maximum_ : sign);
    }

    // The prediction, mirrored where the sign of the context is negative, and corrected (code segments A.5 and A.6).
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

protected:
    struct difference
    {
        vector16 distance;    // as a signed number; so large that it saturates, it is above T3
        vector16 is_positive; // a mask; any if the distance is 0
    };

    static JLS_INLINE difference subtract(const vector16 minuend, const vector16 subtrahend) noexcept
    {
        if constexpr (HasSignedSamples)
        {
            const vector16 result{minuend - subtrahend};
            return {magnitude(result), greater(result, zero16())};
        }
        else
        {
            const vector16 larger{max_unsigned(minuend, subtrahend)};
            return {min_unsigned(larger - min_unsigned(minuend, subtrahend), all16(0x7FFF)), equal(larger, minuend)};
        }
    }

    // Q(difference) (T.87 A.3.3). `counts`: -1 where the distance is above NEAR, otherwise 0.
    JLS_INLINE vector16 quantize(const difference& d, const vector16 counts) const noexcept
    {
        // Each comparison that holds counts -1.
        const vector16 negative{greater(d.distance, below_t1_) + counts +
                                (greater(d.distance, below_t2_) + greater(d.distance, below_t3_))};
        return (negative ^ d.is_positive) - d.is_positive;
    }

    JLS_INLINE vector16 maximum() const noexcept
    {
        return maximum_;
    }

private:
    const vector16 maximum_;
    const vector16 below_t1_;
    const vector16 below_t2_;
    const vector16 below_t3_;
};

// A sample when it is coded: the error, modulo RANGE, and the sample that a decoder will have.
struct coded_sample
{
    vector16 error;
    vector16 reconstructed;
};

template<bool HasSignedSamples>
class lossless_model final : public lane_model<HasSignedSamples>
{
public:
    using mode = lossless_of_any_precision;
    using base = lane_model<HasSignedSamples>;

    static constexpr bool is_lossless{true};

    // Whether all numbers of 16 bits are mapped errors.
    static constexpr bool maps_all_numbers{!HasSignedSamples};

    explicit lossless_model(const mode& parameters) noexcept :
        base{parameters}, unused_bits_{all_by(16 - parameters.bits_per_sample)}
    {
    }

    // Q(minuend - subtrahend) (T.87 A.3.3).
    JLS_INLINE vector16 quantize_difference(const vector16 minuend, const vector16 subtrahend) const noexcept
    {
        const auto found{base::subtract(minuend, subtrahend)};
        return base::quantize(found, zero16() - min_signed(found.distance, all16(1)));
    }

    // Bits that are set in mapped errors out of range.
    JLS_INLINE vector16 excess(const vector16 mapped_error) const noexcept
    {
        return except(base::maximum(), mapped_error);
    }

    // The error of a sample, for a mirrored prediction (A.4.2 to A.4.5).
    JLS_INLINE coded_sample code(const vector16 sample, const vector16 predicted, const vector16 sign) const noexcept
    {
        const vector16 error{base::mirror(sample, sign) - predicted};
        if constexpr (HasSignedSamples)
            return {shift_right_signed(shift_left(error, unused_bits_), unused_bits_), sample};
        else
            return {error, sample};
    }

    // The sample of a mirrored prediction and an error (A.4.5).
    JLS_INLINE vector16 reconstruct(const vector16 predicted, const vector16 error, const vector16 sign) const noexcept
    {
        const vector16 sum{(predicted + error) ^ sign};
        if constexpr (HasSignedSamples)
            return sum & base::maximum();
        else
            return sum;
    }

    // What an error adds to B.
    static JLS_INLINE vector16 bias_of(const vector16 error) noexcept
    {
        return error;
    }

private:
    const shift_count unused_bits_;
};

// Divides numbers of 16 bits by 2 NEAR + 1, rounded up: by multiplication with a reciprocal of 17 bits, rounded up or
// down as is exact. (x + r) / d is rounded down for r = 0, or r = -1 before 1 is added.
struct step_divisor
{
    std::int32_t bits; // that are shifted out after the upper 16
    std::int32_t reciprocal;
    std::int32_t subtrahend; // taken off before, as far as the number allows

    explicit constexpr step_divisor(const std::int32_t step) noexcept : bits{}, reciprocal{}, subtrahend{}
    {
        while (step >> (bits + 1) != 0)
            ++bits;
        const std::int32_t one{1 << (16 + bits)};
        // Either reciprocal is exact for 16 bits if its error, times the step, is at most 2^bits.
        const bool rounds_down{one % step <= 1 << bits};
        reciprocal = one / step + (rounds_down ? 0 : 1);
        subtrahend = rounds_down ? 0 : 1;
    }
};

template<bool HasSignedSamples>
class near_lossless_model final : public lane_model<HasSignedSamples>
{
public:
    using mode = near_lossless_of_any_precision;
    using base = lane_model<HasSignedSamples>;

    static constexpr bool is_lossless{false};
    static constexpr bool maps_all_numbers{false};

    explicit near_lossless_model(const mode& parameters) noexcept :
        near_lossless_model{parameters, step_divisor{parameters.error_step}}
    {
    }

    // Q(minuend - subtrahend) (T.87 A.3.3).
    JLS_INLINE vector16 quantize_difference(const vector16 minuend, const vector16 subtrahend) const noexcept
    {
        const auto found{base::subtract(minuend, subtrahend)};
        return base::quantize(found, greater(found.distance, near_));
    }

    // Not 0 for mapped errors out of range: errors are in [-RANGE / 2, (RANGE + 1) / 2).
    JLS_INLINE vector16 excess(const vector16 mapped_error) const noexcept
    {
        return subtract_saturated_unsigned(mapped_error, largest_mapped_);
    }

    // The error of a sample, for a mirrored prediction (A.4.2 to A.4.5).
    JLS_INLINE coded_sample code(const vector16 sample, const vector16 predicted, const vector16 sign) const noexcept
    {
        const vector16 x{base::mirror(sample, sign)};
        vector16 distance;
        vector16 down; // where the error is negative
        if constexpr (HasSignedSamples)
        {
            const vector16 error{x - predicted};
            distance = magnitude(error);
            down = shift_right_signed<15>(error);
        }
        else
        {
            const vector16 larger{max_unsigned(x, predicted)};
            distance = larger - min_unsigned(x, predicted);
            down = except(equal(larger, x), all16(-1));
        }
        // (|x| + NEAR) / (2 NEAR + 1), rounded down, is (|x| - NEAR) / (2 NEAR + 1), rounded up, and 0 below.
        const vector16 divided{
            shift_right(times_upper_unsigned(subtract_saturated_unsigned(distance, near_and_subtrahend_), reciprocal_),
                        reciprocal_bits_)};
        const vector16 is_near{equal(subtract_saturated_unsigned(distance, near_), zero16())};
        const vector16 steps{except(is_near, divided + all16(1))};
        const vector16 error{(steps ^ down) - down};
        const vector16 reduced{error + (greater(lowest_error_, error) & range_) -
                               (greater(error, highest_error_) & range_)};
        return {reduced, move<true>(predicted, steps, down, sign)};
    }

    // The sample of a mirrored prediction and an error (A.4.5).
    JLS_INLINE vector16 reconstruct(const vector16 predicted, const vector16 error, const vector16 sign) const noexcept
    {
        return move<false>(predicted, magnitude(error), shift_right_signed<15>(error), sign);
    }

    // What an error adds to B. Beyond 64 steps, either way, B and C become the same as with 64: that is more than twice
    // the range of B, which is halved at RESET.
    JLS_INLINE vector16 bias_of(const vector16 error) const noexcept
    {
        // With less than 16 bits the product fits.
        if constexpr (HasSignedSamples)
            return times(error, step_);
        else
            return times(min_signed(max_signed(error, all16(-reset_value)), all16(reset_value)), step_);
    }

private:
    near_lossless_model(const mode& parameters, const step_divisor& divisor) noexcept :
        base{parameters},
        near_{all16(parameters.near_value)},
        step_{all16(parameters.error_step)},
        range_{all16(parameters.range)},
        lowest_error_{all16(-(parameters.range / 2))},
        highest_error_{all16((parameters.range + 1) / 2 - 1)},
        largest_mapped_{all16(parameters.range - 1)},
        cycle_{all16(parameters.range * parameters.error_step)},
        near_and_subtrahend_{all16(parameters.near_value + divisor.subtrahend)},
        reciprocal_{all16(divisor.reciprocal)},
        reciprocal_bits_{all_by(divisor.bits)}
    {
    }

    // The sample that is `steps` error steps above a mirrored prediction, or below it where `down` is set, clamped to
    // the range of samples - unless that is farther than NEAR: then an encoder has reduced the error modulo RANGE.
    // Samples are mirrored once more where they move down, so that all of them move up. `IsClose`: none was reduced.
    template<bool IsClose>
    JLS_INLINE vector16 move(const vector16 predicted, const vector16 steps, const vector16 down,
                             const vector16 sign) const noexcept
    {
        const vector16 from{base::mirror(predicted, down)};
        const vector16 room{from ^ base::maximum()};
        const vector16 distance{times(steps, step_)};
        if constexpr (IsClose)
        {
            // With 16 bits the product may have 17.
            const vector16 overflow{HasSignedSamples ? zero16() : zero16() - times_upper_unsigned(steps, step_)};
            return base::mirror(from + min_unsigned(distance | overflow, room), sign ^ down);
        }
        else
        {
            const vector16 is_inside{
                equal(subtract_saturated_unsigned(distance, add_saturated_unsigned(room, near_)), zero16())};
            return base::mirror(select(is_inside, from + min_unsigned(distance, room),
                                       subtract_saturated_unsigned(from + distance, cycle_)),
                                sign ^ down);
        }
    }

    const vector16 near_;
    const vector16 step_;
    const vector16 range_;
    const vector16 lowest_error_;
    const vector16 highest_error_;
    const vector16 largest_mapped_;
    const vector16 cycle_; // RANGE error steps, modulo 2^16
    const vector16 near_and_subtrahend_;
    const vector16 reciprocal_;
    const shift_count reciprocal_bits_;
};

JLS_END_AVX2

} // namespace dicom_jpegls::scan::lanes

#endif
