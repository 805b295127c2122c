// SPDX-License-Identifier: MIT
//
// The part of context modelling that needs no state (T.87 A.3, A.4.1), for a block of samples at once. The loops have
// no branches and no dependencies between samples, so that compilers turn them into vector instructions.
//
// The encoder knows all samples of a line, the decoder only the line above: it has tables for what depends on Ra. The
// stride of the samples of a component is `ComponentCount`, so pixels of several samples need no separate loops.
#pragma once

#include "parameters.hpp"

#include <memory>

namespace dicom_jpegls::scan {

// The same pointer, of which the compiler does not know what it points into. Clang otherwise keeps what one iteration
// loaded as the left neighbour of the next, and cannot vectorize the loop for that dependency.
template<typename T>
JLS_INLINE const T* separate_pointer(const T* pointer) noexcept
{
    JLS_COMPUTED(pointer);
    return pointer;
}

// Q(minuend - subtrahend) as in T.87 A.3.3: -4 to 4. All lanes are as wide as a sample; differences are compared by
// magnitude, which saturates at the greatest signed number. That is above T3.
template<typename Sample, typename Lane = std::make_signed_t<Sample>>
JLS_INLINE Lane quantize_difference(const Sample minuend, const Sample subtrahend, const Lane t1, const Lane t2,
                                    const Lane t3) noexcept
{
    const Sample larger{std::max(minuend, subtrahend)};
    const Sample smaller{std::min(minuend, subtrahend)};
    const auto magnitude{static_cast<Lane>(std::min<Sample>(static_cast<Sample>(larger - smaller),
                                                            static_cast<Sample>(std::numeric_limits<Lane>::max())))};
    // Each comparison that holds counts -1, as in a vector register.
    const auto negative{
        static_cast<Lane>(-(magnitude > 0) - (magnitude >= t1) - (magnitude >= t2) - (magnitude >= t3))};
    const auto keep{static_cast<Lane>(minuend < subtrahend ? 0 : -1)};
    return static_cast<Lane>((negative ^ keep) - keep);
}

// The median edge detector (T.87 A.4.1) without branches: Ra + Rb - Rc, with Rc brought between Ra and Rb.
template<typename Sample>
JLS_INLINE Sample predict(const Sample ra, const Sample rb, const Sample rc) noexcept
{
    const Sample larger{std::max(ra, rb)};
    const Sample smaller{std::min(ra, rb)};
    return static_cast<Sample>(ra + rb - std::min(std::max(rc, smaller), larger));
}

// The same for a single sample: Ra plus Rb - Ra, bounded by Rb - Rc, which is `lower` if it is negative and otherwise
// `upper`; the other of them is 0. Conditional expressions, since compilers make unpredictable branches of std::min and
// std::max here.
JLS_INLINE std::int32_t predict_by_slope(const std::int32_t ra, const std::int32_t rb, const std::int32_t lower,
                                         const std::int32_t upper) noexcept
{
    const std::int32_t delta{rb - ra};
    const std::int32_t bounded{JLS_UNPREDICTABLE(delta < upper) ? delta : upper};
    return ra + (JLS_UNPREDICTABLE(bounded > lower) ? bounded : lower);
}

// What the encoder knows about a block of samples before it knows any statistics. Where the sign of the context is
// negative (T.87 A.3.4), prediction and sample are mirrored (MAXVAL - x), which changes the sign of their difference.
template<int BitsPerSample>
struct sample_block
{
    using sample = typename lossless<BitsPerSample>::sample;
    static constexpr std::ptrdiff_t size{128};
    static constexpr std::ptrdiff_t lanes{16}; // the loops run over a multiple of this

    alignas(64) std::uint16_t context[size]; // 0: all gradients are 0
    alignas(64) sample predicted_value[size];
    alignas(64) sample value[size];

    // `above` and `line` point at the first of `count` samples.
    template<int ComponentCount>
    void analyze(const sample* const above, const sample* const line, const std::ptrdiff_t count,
                 const thresholds& bounds) noexcept
    {
        with_widest_vectors([&]() JLS_INLINE_LAMBDA { fill<ComponentCount>(above, line, count, bounds); });
    }

private:
    template<int ComponentCount>
    JLS_INLINE void fill(const sample* JLS_RESTRICT above, const sample* JLS_RESTRICT line, std::ptrdiff_t count,
                         const thresholds& bounds) noexcept
    {
        using lane = std::make_signed_t<sample>;
        constexpr std::ptrdiff_t pixel_stride{ComponentCount};
        constexpr auto maximum{static_cast<sample>(lossless<BitsPerSample>::maximum)};
        const auto t1{static_cast<lane>(bounds.t1)};
        const auto t2{static_cast<lane>(bounds.t2)};
        const auto t3{static_cast<lane>(bounds.t3)};
        count = (count + lanes - 1) & -lanes;

        // Q(Rb - Rc) of a pixel is Q(Rd - Rb) of the one before.
        alignas(64) lane horizontal[size + lanes];
        const sample* const above_left{separate_pointer(above - pixel_stride)};
        const sample* const left{separate_pointer(line - pixel_stride)};
        const lane* const next_horizontal{separate_pointer(horizontal + pixel_stride)};
        JLS_VECTORIZE
        for (std::ptrdiff_t i{}; i < count + pixel_stride; ++i)
            horizontal[i] = quantize_difference(above[i], above_left[i], t1, t2, t3);

        if constexpr (sizeof(sample) == 1)
        {
            // Lanes of 8 bits where they suffice.
            alignas(64) lane vertical[size];
            alignas(64) sample mirror[size];
            JLS_VECTORIZE
            for (std::ptrdiff_t i{}; i < count; ++i)
                vertical[i] = quantize_difference(above_left[i], left[i], t1, t2, t3);
            JLS_VECTORIZE
            for (std::ptrdiff_t i{}; i < count; ++i)
            {
                const auto id{static_cast<std::int16_t>(81 * next_horizontal[i] + 9 * horizontal[i] + vertical[i])};
                const auto sign{static_cast<std::int16_t>(id >> 15)};
                context[i] = static_cast<std::uint16_t>((id ^ sign) - sign);
                mirror[i] = static_cast<sample>(sign & maximum);
            }
            JLS_VECTORIZE
            for (std::ptrdiff_t i{}; i < count; ++i)
            {
                predicted_value[i] = static_cast<sample>(predict(left[i], above[i], above_left[i]) ^ mirror[i]);
                value[i] = static_cast<sample>(line[i] ^ mirror[i]);
            }
        }
        else
        {
            JLS_VECTORIZE
            for (std::ptrdiff_t i{}; i < count; ++i)
            {
                const sample ra{left[i]};
                const sample rb{above[i]};
                const sample rc{above_left[i]};
                const auto id{static_cast<std::int16_t>(81 * next_horizontal[i] + 9 * horizontal[i] +
                                                        quantize_difference(rc, ra, t1, t2, t3))};
                const auto sign{static_cast<std::int16_t>(id >> 15)};
                const auto mirror{static_cast<sample>(sign & maximum)};
                context[i] = static_cast<std::uint16_t>((id ^ sign) - sign);
                predicted_value[i] = static_cast<sample>(predict(ra, rb, rc) ^ mirror);
                value[i] = static_cast<sample>(line[i] ^ mirror);
            }
        }
    }
};

// Q3 = Q(Rc - Ra) by the difference, in three forms for the sign of 9 Q1 + Q2: unless that is 0 it alone determines the
// sign of the context, otherwise Q3 does (T.87 A.3.4). In bytes that are used as they are, since processors take longer
// to load what has to be scaled or sign-extended.
class gradient_table final
{
public:
    // The most that Q3 can subtract from a context's index. The entries are greater by as much.
    static constexpr std::int32_t largest_q3{4};

    // Rows for Ra - Rc from -range to range - 1, for 9 Q1 + Q2 below, at and above 0. They hold what Q3 adds to
    // 9 |9 Q1 + Q2|, multiplied by the size of a context in bytes. They are followed by those of the signs: 0 or -1.
    gradient_table(const std::int32_t maximum, const std::int32_t near_value, const thresholds& bounds,
                   const std::size_t context_size) :
        bytes_{new std::uint8_t[2 * sign_offset(maximum)]}
    {
        std::uint8_t* next{bytes_.get()};
        std::uint8_t* next_sign{next + sign_offset(maximum)};
        for (std::int32_t sum_sign{-1}; sum_sign <= 1; ++sum_sign)
        {
            // Q3 falls as Ra - Rc grows. `first` is where each of its values begins.
            const std::int32_t first[]{-maximum - 1,   -bounds.t3 + 1, -bounds.t2 + 1, -bounds.t1 + 1, -near_value,
                                       near_value + 1, bounds.t1,      bounds.t2,      bounds.t3,      maximum + 1};
            for (std::int32_t q{largest_q3}; q >= -largest_q3; --q)
            {
                const bool negative{sum_sign < 0 || (sum_sign == 0 && q < 0)};
                const auto steps{static_cast<std::size_t>(largest_q3 + (negative ? -q : q))};
                const std::int32_t count{first[5 - q] - first[4 - q]};
                next = std::fill_n(next, count, static_cast<std::uint8_t>(steps * context_size));
                next_sign = std::fill_n(next_sign, count, static_cast<std::uint8_t>(negative ? 0xFF : 0));
            }
        }
    }

    // So many bytes, at most a table of 16 bits of 786432, are made in the time of decoding about as many samples as
    // this says: with fewer samples the entries are better computed.
    [[nodiscard]] static constexpr bool pays(const std::int32_t maximum, const std::uint64_t sample_count) noexcept
    {
        constexpr std::uint64_t bytes_per_sample{32};
        return sample_count * bytes_per_sample >= 2 * sign_offset(maximum);
    }

    // From an entry to its sign.
    [[nodiscard]] static constexpr std::size_t sign_offset(const std::int32_t maximum) noexcept
    {
        return std::size_t{6} * (static_cast<std::size_t>(maximum) + 1);
    }

    [[nodiscard]] const std::uint8_t* data() const noexcept
    {
        return bytes_.get();
    }

private:
    std::unique_ptr<std::uint8_t[]> bytes_;
};

// What gradient_table holds, computed for each sample: for scans of so few samples that making the table would take
// longer.
struct computed_gradients
{
    std::int32_t maximum;
    std::int32_t near_value;
    thresholds bounds;
    std::size_t context_size;

    struct entry
    {
        std::size_t offset; // what Q3 adds to 9 |9 Q1 + Q2|, multiplied by the size of a context in bytes
        std::int8_t sign;   // 0 or -1
    };

    [[nodiscard]] const computed_gradients& data() const noexcept
    {
        return *this;
    }

    // The entry of an index into the table.
    [[nodiscard]] entry operator[](const std::size_t index) const noexcept
    {
        const std::int32_t levels{maximum + 1};
        const auto row_size{static_cast<std::size_t>(2 * levels)};
        const std::size_t row{index / row_size};
        const std::int32_t d{static_cast<std::int32_t>(index % row_size) - levels}; // Ra - Rc
        const std::int32_t magnitude{d < 0 ? -d : d};
        const std::int32_t steps{(magnitude > near_value) + (magnitude >= bounds.t1) + (magnitude >= bounds.t2) +
                                 (magnitude >= bounds.t3)};
        const std::int32_t q{d < 0 ? steps : -steps};
        const bool negative{row == 0 || (row == 1 && q < 0)};
        return {static_cast<std::size_t>(gradient_table::largest_q3 + (negative ? -q : q)) * context_size,
                static_cast<std::int8_t>(negative ? -1 : 0)};
    }
};

// What the line above says about a block of samples, for contexts of `ContextSize` bytes.
template<typename Mode, std::size_t ContextSize>
struct above_block
{
    using sample = typename Mode::sample;
    static constexpr std::ptrdiff_t size{64};

    // The sum of `context` and an entry of gradient_table for context 0, that of no gradients.
    static constexpr std::size_t flat_offset{gradient_table::largest_q3 * ContextSize};
    static_assert(2 * flat_offset <= std::numeric_limits<std::uint8_t>::max());

    // Lanes of 16 bits where indices into the table and differences of samples fit.
    using index = std::conditional_t<Mode::narrow, std::uint16_t, std::uint32_t>;
    using lane = std::conditional_t<Mode::narrow, std::int16_t, std::int32_t>;

    alignas(64) index gradient[size]; // index into gradient_table, less Ra
    alignas(64) index context[size];  // 9 |9 Q1 + Q2|, in bytes
    alignas(64) lane rb[size];
    alignas(64) lane lower[size]; // the lesser of Rb - Rc and 0
    alignas(64) lane upper[size]; // the greater of them

    // Analyzes a small block after a run, where the next may not be far, otherwise a large one. Returns the number of
    // samples in the block, which is a multiple of those of a pixel.
    template<int ComponentCount>
    [[nodiscard]] std::ptrdiff_t analyze(const sample* const above, const bool after_run, const Mode& mode,
                                         const thresholds& bounds) noexcept
    {
        if (after_run)
        {
            with_widest_vectors([&]() JLS_INLINE_LAMBDA { fill<small_size, ComponentCount>(above, mode, bounds); });
            return small_size / ComponentCount * ComponentCount;
        }
        with_widest_vectors([&]() JLS_INLINE_LAMBDA { fill<size, ComponentCount>(above, mode, bounds); });
        return size / ComponentCount * ComponentCount;
    }

private:
    static constexpr std::ptrdiff_t small_size{16};

    template<std::ptrdiff_t Count, int ComponentCount>
    JLS_INLINE void fill(const sample* JLS_RESTRICT above, const Mode& mode, const thresholds& bounds) noexcept
    {
        constexpr std::ptrdiff_t pixel_stride{ComponentCount};
        const auto levels{static_cast<lane>(mode.maximum + 1)};

        // Q(Rb - Rc) of a pixel is Q(Rd - Rb) of the one before.
        alignas(64) gradient_lane horizontal[Count + pixel_stride];
        const sample* const left{separate_pointer(above - pixel_stride)};
        const gradient_lane* const next_horizontal{separate_pointer(horizontal + pixel_stride)};
        JLS_VECTORIZE
        for (std::ptrdiff_t i{}; i < Count + pixel_stride; ++i)
            horizontal[i] = quantize_horizontal(above[i], left[i], mode, bounds);
        JLS_VECTORIZE
        for (std::ptrdiff_t i{}; i < Count; ++i)
        {
            const auto rc{static_cast<lane>(left[i])};
            const auto sum{static_cast<lane>(9 * next_horizontal[i] + horizontal[i])};
            const auto sign{static_cast<lane>((sum > 0) - (sum < 0))};
            // The table has a row of 2 * levels entries for each sign; in a row Ra - Rc starts at -levels: (sign + 1) *
            // 2 * levels + levels - Rc, to which Ra is added.
            gradient[i] = static_cast<index>(sign * (2 * levels) + 3 * levels - rc);
            context[i] = static_cast<index>(static_cast<std::int32_t>(9 * ContextSize) * (sum < 0 ? -sum : sum));
            rb[i] = static_cast<lane>(above[i]);
            const auto slope{static_cast<lane>(rb[i] - rc)};
            lower[i] = std::min<lane>(slope, 0);
            upper[i] = std::max<lane>(slope, 0);
        }
    }

    // With NEAR, thresholds may exceed what a signed lane as wide as a sample holds.
    using gradient_lane = std::conditional_t<Mode::is_lossless, std::make_signed_t<sample>, lane>;

    static JLS_INLINE gradient_lane quantize_horizontal(const sample minuend, const sample subtrahend, const Mode& mode,
                                                        const thresholds& bounds) noexcept
    {
        if constexpr (Mode::is_lossless)
        {
            return quantize_difference(minuend, subtrahend, static_cast<gradient_lane>(bounds.t1),
                                       static_cast<gradient_lane>(bounds.t2), static_cast<gradient_lane>(bounds.t3));
        }
        else
        {
            const auto t0{static_cast<lane>(mode.near_value)};
            const auto t1{static_cast<lane>(bounds.t1 - 1)};
            const auto t2{static_cast<lane>(bounds.t2 - 1)};
            const auto t3{static_cast<lane>(bounds.t3 - 1)};
            const auto d{static_cast<lane>(static_cast<lane>(minuend) - static_cast<lane>(subtrahend))};
            return static_cast<lane>((d > t0) + (d > t1) + (d > t2) + (d > t3) - (d < -t0) - (d < -t1) - (d < -t2) -
                                     (d < -t3));
        }
    }
};

} // namespace dicom_jpegls::scan
