// SPDX-License-Identifier: MIT
//
// The state of the regular mode: the statistics A, B, C and N of each context (T.87 A.2.1) and their update (A.6). This
// is the part that has to run sample after sample.
#pragma once

#include "parameters.hpp"

#include <array>

namespace dicom_jpegls::scan {

inline constexpr std::int32_t minimum_c{-128};
inline constexpr std::int32_t maximum_c{127};

// The encoder's context, in 8 bytes.
struct alignas(8) encoder_context
{
    std::int32_t a;
    std::int16_t b; // above -N and at most 0 between samples
    std::int8_t c;
    std::uint8_t n;

    // Code segments A.12 and A.13 of T.87, for an error of magnitude `magnitude` that counts as `bias` in B. The
    // statistics so far come as arguments, so that the compiler need not read them again after stores elsewhere.
    //
    // `Branches`: how the bias is brought back into its range. Where it seldom leaves it, above 8 bits, branches are
    // faster; in 8-bit images it leaves it at random.
    template<bool Branches>
    JLS_INLINE void update(const std::int32_t old_a, const std::int32_t old_b, const std::int32_t old_c,
                           const std::int32_t old_n, const std::int32_t magnitude, const std::int32_t bias) noexcept
    {
        assert(old_n >= 1 && old_n <= reset_value && old_b > -old_n && old_b <= 0 && magnitude >= 0);
        std::int32_t new_a{old_a + magnitude};
        std::int32_t new_b{old_b + bias};
        std::int32_t new_n{old_n};
        if (JLS_UNLIKELY(new_n == reset_value))
        {
            new_a >>= 1;
            new_b >>= 1;
            new_n >>= 1;
        }
        ++new_n;
        a = new_a;
        n = static_cast<std::uint8_t>(new_n);

        if constexpr (Branches)
        {
            if (new_b + new_n <= 0)
            {
                new_b = std::max(new_b + new_n, 1 - new_n);
                if (old_c > minimum_c)
                    c = static_cast<std::int8_t>(old_c - 1);
            }
            else if (new_b > 0)
            {
                new_b = std::min(new_b - new_n, 0);
                if (old_c < maximum_c)
                    c = static_cast<std::int8_t>(old_c + 1);
            }
        }
        else
        {
            const std::int32_t step{(new_b > 0) - (new_b + new_n <= 0)};
            new_b -= new_n * step;
            new_b = std::min(std::max(new_b, 1 - new_n), 0);
            const std::int32_t new_c{old_c + step};
            if (JLS_LIKELY(new_c == static_cast<std::int8_t>(new_c)))
                c = static_cast<std::int8_t>(new_c);
        }
        b = static_cast<std::int16_t>(new_b);
    }
};

// The decoder's N and B with what follows from them. A table holds all of it for the next sample.
struct bias_state
{
    std::uint16_t index; // in the table: of the row of N and the column of B, where the next state is if the error is 0
    std::int8_t inverts_at_0; // -1: with k = 0 the error is inverted, since 2 B + N - 1 < 0 (T.87 A.5.2); otherwise 0
    std::int8_t c_step;       // the change of C that led here: -1, 0, 1
};

// The columns of a row: 256, so that N and the column are the two bytes of an index.
inline constexpr std::uint32_t bias_columns{256};
inline constexpr std::int32_t last_bias_column{static_cast<std::int32_t>(bias_columns) - 1};

// Errors up to this magnitude, added to B, stay in the row of their N. Outside of the row B and C change as at its
// ends.
inline constexpr std::int32_t largest_bias_in_row{(last_bias_column - reset_value) / 2};

// The column of B = 0. B is above -N and at most 0, so that there are `largest_bias_in_row` columns on either side.
inline constexpr std::int32_t bias_offset{last_bias_column - largest_bias_in_row};
static_assert(largest_bias_in_row == 95 && bias_offset - (reset_value - 1) - largest_bias_in_row >= 0);

constexpr std::uint32_t bias_index(const std::int32_t n, const std::int32_t b) noexcept
{
    return static_cast<std::uint32_t>(n) * bias_columns + static_cast<std::uint32_t>(b + bias_offset);
}

using bias_table = std::array<bias_state, std::size_t{reset_value + 1} * bias_columns>;

// Code segments A.12 and A.13 of T.87 for every N and every B that can be with an error added.
constexpr bias_table make_bias_table() noexcept
{
    bias_table table{};
    for (std::int32_t n{1}; n <= reset_value; ++n)
    {
        for (std::int32_t column{}; column <= last_bias_column; ++column)
        {
            std::int32_t b{column - bias_offset};
            std::int32_t new_n{n};
            std::int32_t step{};
            if (n == reset_value)
            {
                b = (b - (b < 0 ? 1 : 0)) / 2; // rounded down, as a shift does
                new_n /= 2;
            }
            ++new_n;
            if (b + new_n <= 0)
            {
                b = std::max(b + new_n, 1 - new_n);
                step = -1;
            }
            else if (b > 0)
            {
                b = std::min(b - new_n, 0);
                step = 1;
            }
            table[bias_index(n, column - bias_offset)] = {static_cast<std::uint16_t>(bias_index(new_n, b)),
                                                          static_cast<std::int8_t>(2 * b + new_n - 1 < 0 ? -1 : 0),
                                                          static_cast<std::int8_t>(step)};
        }
    }
    return table;
}

inline constexpr bias_table bias_transitions{make_bias_table()};

// The decoder's context. It keeps k, which seldom changes, and corrects it after an update if necessary. k is the first
// member, where it is loaded soonest: the next code and the next sample wait for it.
struct alignas(16) decoder_context
{
    std::uint8_t k;
    std::int8_t c;
    bias_state bias;
    std::uint32_t a;
    std::int32_t k_is_0; // -1 or 0

    // Leaves the values open, for arrays that are filled before they are used.
    decoder_context() = default;

    explicit decoder_context(const std::int32_t range) noexcept :
        c{}, bias{static_cast<std::uint16_t>(bias_index(1, 0)), 0, 0}, a{static_cast<std::uint32_t>(initial_a(range))}
    {
        find_k();
    }

    [[nodiscard]] std::uint32_t n() const noexcept
    {
        return bias.index / bias_columns;
    }

    // -1 if errors are inverted, otherwise 0 (T.87 A.5.2).
    [[nodiscard]] std::int32_t inversion() const noexcept
    {
        return std::int32_t{bias.inverts_at_0} & k_is_0;
    }

    // The Golomb parameter: the least k with N 2^k >= A (T.87 A.5.1).
    JLS_NOINLINE void find_k() noexcept
    {
        std::uint32_t result{};
        while ((n() << result) < a && result < largest_k)
            ++result;
        k = static_cast<std::uint8_t>(result);
        k_is_0 = result == 0 ? -1 : 0;
    }

    // Code segments A.12 and A.13 of T.87, for an error of magnitude `magnitude` that counts as `change` in B, which is
    // of magnitude `change_magnitude`.
    JLS_INLINE void update(const std::uint32_t magnitude, const std::int32_t change,
                           const std::uint32_t change_magnitude) noexcept
    {
        assert(n() >= 1 && n() <= reset_value);
        const std::uint32_t old_index{bias.index};
        std::uint32_t index{old_index + static_cast<std::uint32_t>(change)};
        if (JLS_UNLIKELY(change_magnitude > static_cast<std::uint32_t>(largest_bias_in_row)))
        {
            const std::int32_t column{static_cast<std::int32_t>(old_index % bias_columns) + change};
            index = old_index - old_index % bias_columns +
                    static_cast<std::uint32_t>(std::clamp(column, 0, last_bias_column));
        }
        const bias_state next{bias_transitions[index]};
        bias = next;

        // C does not change at the ends of its range, which are those of its type.
        static_assert(minimum_c == std::numeric_limits<std::int8_t>::min() &&
                      maximum_c == std::numeric_limits<std::int8_t>::max());
        std::int8_t new_c;
        if (JLS_LIKELY(!add_overflows(c, next.c_step, new_c)))
            c = new_c;

        std::uint32_t new_a{a + magnitude};
        if (JLS_UNLIKELY(old_index >= bias_columns * reset_value))
            new_a >>= 1U;
        a = new_a;

        // k is right if 0 <= N 2^k - A < A, and 0 for any A up to N; below 0 the difference wraps.
        const std::uint32_t slack{static_cast<std::uint8_t>(k_is_0)};
        if (JLS_UNLIKELY(((next.index / bias_columns) << k) - new_a >= new_a + slack))
            find_k();
    }
};

} // namespace dicom_jpegls::scan
