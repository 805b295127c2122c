// SPDX-License-Identifier: MIT
//
// The state of the run mode (T.87 A.7): the statistics of run interruptions, and the order of the codes of run lengths.
#pragma once

#include "parameters.hpp"

#include <array>

namespace dicom_jpegls::scan {

// J: a 1 bit stands for 2^J samples of a run (T.87 A.2.1, step 3).
inline constexpr std::array<std::uint8_t, 32> run_orders{
    {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

// Statistics of the samples that interrupt runs (T.87 A.7.2). Type 1: Ra and Rb are alike; type 0: they differ.
struct run_context
{
    std::int32_t a;
    std::int32_t n;
    std::int32_t negative; // Nn: errors below 0

    // The least k with N 2^k >= TEMP (T.87 A.7.2.1, code segment A.20). It seldom changes, so the branches of a loop
    // are predicted well.
    [[nodiscard]] std::uint32_t golomb_parameter(const std::int32_t type) const noexcept
    {
        const std::int32_t sum{a + ((n >> 1) & -type)};
        std::uint32_t k{};
        while ((n << k) < sum && k < largest_k)
            ++k;
        return k;
    }

    // Whether a negative error is the one whose code has map = 1 (code segment A.21).
    [[nodiscard]] bool maps_negative(const std::uint32_t k) const noexcept
    {
        return k != 0 || 2 * negative >= n;
    }

    // Code segment A.23.
    void update(const std::int32_t error_value, const std::int32_t mapped_error, const std::int32_t type) noexcept
    {
        assert(n >= 1 && n <= reset_value && negative >= 0 && negative <= n);
        negative += error_value < 0;
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

// The state of the run mode in a scan. With line interleave each component has its own index (T.87 B.3).
struct run_state
{
    std::array<run_context, 2> contexts;
    std::uint32_t index{};

    explicit run_state(const std::int32_t range) noexcept
    {
        contexts.fill({initial_a(range), 1, 0});
    }

    [[nodiscard]] std::int32_t order() const noexcept
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

// The type of an interruption, RItype. Pixels of several components have type 0 (T.87 B.3).
template<int ComponentCount, typename Mode>
[[nodiscard]] inline std::int32_t interruption_type(const std::int32_t ra, const std::int32_t rb,
                                                    const Mode& mode) noexcept
{
    return ComponentCount == 1 && mode.is_near(ra, rb) ? 1 : 0;
}

} // namespace dicom_jpegls::scan
