// SPDX-License-Identifier: MIT
//
// The preset coding parameters: defaults and ranges (T.87 C.2.4.1.1).
#pragma once

#include "faults.hpp"

#include <algorithm>

namespace dicom_jpegls {

// MAXVAL, T1, T2, T3 and RESET (T.87 table C.1). In a stream 0 stands for the default value.
struct preset_coding_parameters
{
    std::int32_t maximum_sample_value;
    std::int32_t threshold1;
    std::int32_t threshold2;
    std::int32_t threshold3;
    std::int32_t reset_value;
};

// In the order of the LSE segment.
inline constexpr std::int32_t preset_coding_parameters::* preset_fields[]{
    &preset_coding_parameters::maximum_sample_value, &preset_coding_parameters::threshold1,
    &preset_coding_parameters::threshold2, &preset_coding_parameters::threshold3,
    &preset_coding_parameters::reset_value};

inline constexpr std::int32_t preset_coding_parameters::* preset_thresholds[]{&preset_coding_parameters::threshold1,
                                                                              &preset_coding_parameters::threshold2,
                                                                              &preset_coding_parameters::threshold3};

inline constexpr std::int32_t default_reset_value{64};

// CharLS keeps RESET in 8 bits.
inline constexpr std::int32_t largest_supported_reset_value{255};

// MAXVAL for P bits, the only one that is supported.
[[nodiscard]] constexpr std::int32_t maximum_sample_value(const std::int32_t bits_per_sample) noexcept
{
    return (1 << bits_per_sample) - 1;
}

// The largest NEAR (T.87 C.2.3).
[[nodiscard]] constexpr std::int32_t maximum_near_lossless(const std::int32_t bits_per_sample) noexcept
{
    return std::min(255, maximum_sample_value(bits_per_sample) / 2);
}

namespace detail {

inline constexpr std::int32_t basic_threshold1{3};
inline constexpr std::int32_t basic_threshold2{7};
inline constexpr std::int32_t basic_threshold3{21};

// CLAMP of T.87 figure C.3: out of range yields the lower bound.
[[nodiscard]] constexpr std::int32_t clamp_threshold(const std::int32_t value, const std::int32_t low,
                                                     const std::int32_t maximum) noexcept
{
    return value > maximum || value < low ? low : value;
}

[[nodiscard]] constexpr preset_coding_parameters
clamped_preset_coding_parameters(const std::int32_t maximum, const std::int32_t near_lossless,
                                 const std::int32_t threshold1, const std::int32_t threshold2,
                                 const std::int32_t threshold3) noexcept
{
    preset_coding_parameters result{maximum, 0, 0, 0, default_reset_value};
    result.threshold1 = clamp_threshold(threshold1, near_lossless + 1, maximum);
    result.threshold2 = clamp_threshold(threshold2, result.threshold1, maximum);
    result.threshold3 = clamp_threshold(threshold3, result.threshold2, maximum);
    return result;
}

// The formula for MAXVAL from 128 on, for a FACTOR.
[[nodiscard]] constexpr preset_coding_parameters
scaled_preset_coding_parameters(const std::int32_t maximum, const std::int32_t factor,
                                const std::int32_t near_lossless) noexcept
{
    return clamped_preset_coding_parameters(maximum, near_lossless,
                                            factor * (basic_threshold1 - 2) + 2 + 3 * near_lossless,
                                            factor * (basic_threshold2 - 3) + 3 + 5 * near_lossless,
                                            factor * (basic_threshold3 - 4) + 4 + 7 * near_lossless);
}

} // namespace detail

// The defaults for MAXVAL and NEAR (T.87 C.2.4.1.1.1).
[[nodiscard]] constexpr preset_coding_parameters
default_preset_coding_parameters(const std::int32_t maximum, const std::int32_t near_lossless) noexcept
{
    if (maximum >= 128)
        return detail::scaled_preset_coding_parameters(maximum, (std::min(maximum, 4095) + 128) / 256, near_lossless);
    const std::int32_t factor = 256 / (maximum + 1);
    return detail::clamped_preset_coding_parameters(maximum, near_lossless,
                                                    std::max(2, detail::basic_threshold1 / factor + 3 * near_lossless),
                                                    std::max(3, detail::basic_threshold2 / factor + 5 * near_lossless),
                                                    std::max(4, detail::basic_threshold3 / factor + 7 * near_lossless));
}

// Whose thresholds hold where a stream has no LSE segment with presets. The numbers are those of the Python API.
enum class default_thresholds : std::int32_t
{
    standard = 0,
    jai = 1,      // Java Advanced Imaging's, as in dcm4chee 2, for 13 to 16 bits
    charls_1 = 2, // CharLS's before version 2, as in DCMTK, for less than 8 bits
};

inline constexpr default_thresholds threshold_variants[]{default_thresholds::jai, default_thresholds::charls_1};

// The presets that a faulty encoder took for the defaults; equal to the defaults where it is right. Both encoders apply
// the formula for MAXVAL from 128 on (T.87 C.2.4.1.1.1): Java's does not limit MAXVAL to 4095 and is known without NEAR
// only, CharLS's takes it for any MAXVAL.
[[nodiscard]] constexpr preset_coding_parameters
variant_preset_coding_parameters(const default_thresholds variant, const std::int32_t bits_per_sample,
                                 const std::int32_t near_lossless) noexcept
{
    const std::int32_t maximum = maximum_sample_value(bits_per_sample);
    if (variant == default_thresholds::jai && near_lossless == 0 && maximum > 4095)
        return detail::scaled_preset_coding_parameters(maximum, (maximum + 128) / 256, near_lossless);
    if (variant == default_thresholds::charls_1 && maximum < 128)
        return detail::scaled_preset_coding_parameters(maximum, (maximum + 128) / 256, near_lossless);
    return default_preset_coding_parameters(maximum, near_lossless);
}

struct completed_presets
{
    fault error;
    preset_coding_parameters presets; // complete if there is no error
};

// Replaces zeros by the defaults and checks the result against T.87 table C.1 and against what CharLS codes correctly:
// it ignores MAXVAL, keeps RESET in 8 bits, and has no codec for sample interleave with a RESET other than 64.
[[nodiscard]] inline completed_presets complete_presets(preset_coding_parameters presets,
                                                        const std::int32_t bits_per_sample,
                                                        const std::int32_t near_lossless,
                                                        const bool sample_interleave) noexcept
{
    const std::int32_t maximum = maximum_sample_value(bits_per_sample);
    if (presets.maximum_sample_value > maximum)
        return {fault::preset_value, presets};
    if (presets.maximum_sample_value != 0 && presets.maximum_sample_value != maximum)
        return {fault::preset_maximum, presets};
    presets.maximum_sample_value = maximum;

    const preset_coding_parameters defaults = default_preset_coding_parameters(maximum, near_lossless);
    std::int32_t lower = near_lossless + 1;
    for (const auto threshold : preset_thresholds)
    {
        if (presets.*threshold == 0)
            presets.*threshold = defaults.*threshold;
        if (presets.*threshold < lower || presets.*threshold > maximum)
            return {fault::preset_value, presets};
        lower = presets.*threshold;
    }

    if (presets.reset_value == 0)
        presets.reset_value = default_reset_value;
    if (presets.reset_value < 3 || presets.reset_value > std::max(255, maximum))
        return {fault::preset_value, presets};
    if (presets.reset_value > largest_supported_reset_value ||
        (sample_interleave && presets.reset_value != default_reset_value))
        return {fault::preset_reset, presets};
    return {fault::none, presets};
}

} // namespace dicom_jpegls
