// SPDX-License-Identifier: MIT
//
// Preset coding parameters: the defaults of T.87 C.2.4.1.1.1 for every precision and NEAR, and what is refused.
#include "stream/presets.hpp"

#include "harness.hpp"

using namespace dicom_jpegls;

namespace {

// T.87 figure C.3 and code segments of C.2.4.1.1.1, word for word.
int clamp_1(const int i, const int near_value, const int maxval)
{
    return i > maxval || i < near_value + 1 ? near_value + 1 : i;
}

int clamp_2(const int i, const int t1, const int maxval)
{
    return i > maxval || i < t1 ? t1 : i;
}

int clamp_3(const int i, const int t2, const int maxval)
{
    return i > maxval || i < t2 ? t2 : i;
}

preset_coding_parameters literal_defaults(const int maxval, const int near_value)
{
    const int basic_t1{3};
    const int basic_t2{7};
    const int basic_t3{21};
    int t1;
    int t2;
    int t3;
    if (maxval >= 128)
    {
        const int factor{(std::min(maxval, 4095) + 128) / 256};
        t1 = clamp_1(factor * (basic_t1 - 2) + 2 + 3 * near_value, near_value, maxval);
        t2 = clamp_2(factor * (basic_t2 - 3) + 3 + 5 * near_value, t1, maxval);
        t3 = clamp_3(factor * (basic_t3 - 4) + 4 + 7 * near_value, t2, maxval);
    }
    else
    {
        const int factor{256 / (maxval + 1)};
        t1 = clamp_1(std::max(2, basic_t1 / factor + 3 * near_value), near_value, maxval);
        t2 = clamp_2(std::max(3, basic_t2 / factor + 5 * near_value), t1, maxval);
        t3 = clamp_3(std::max(4, basic_t3 / factor + 7 * near_value), t2, maxval);
    }
    return {maxval, t1, t2, t3, 64};
}

std::string presets_text(const preset_coding_parameters& presets)
{
    std::string result;
    for (const auto field : preset_fields)
        result += std::to_string(presets.*field) + " ";
    return result;
}

fault completion_fault(const preset_coding_parameters& presets, const int bits, const int near_value = 0,
                       const bool sample_interleave = false)
{
    return complete_presets(presets, bits, near_value, sample_interleave).error;
}

} // namespace

TEST(defaults_are_those_of_the_standard)
{
    for (int bits{2}; bits <= 16; ++bits)
    {
        for (int near_value{}; near_value <= maximum_near_lossless(bits); ++near_value)
        {
            const std::string context{"P " + std::to_string(bits) + ", NEAR " + std::to_string(near_value)};
            const int maxval{(1 << bits) - 1};
            CHECK_EQUAL_IN(context, presets_text(default_preset_coding_parameters(maxval, near_value)),
                           presets_text(literal_defaults(maxval, near_value)));
            const auto [error, presets] = complete_presets({}, bits, near_value, false);
            CHECK_EQUAL_IN(context, error, fault::none);
            CHECK_EQUAL_IN(context, presets_text(presets), presets_text(literal_defaults(maxval, near_value)));
        }
    }
}

// T.87 table C.3.
TEST(defaults_of_table_c_3)
{
    CHECK_EQUAL(presets_text(default_preset_coding_parameters(255, 0)), "255 3 7 21 64 ");
    CHECK_EQUAL(presets_text(default_preset_coding_parameters(1023, 0)), "1023 6 19 72 64 ");
    CHECK_EQUAL(presets_text(default_preset_coding_parameters(4095, 0)), "4095 18 67 276 64 ");
    CHECK_EQUAL(presets_text(default_preset_coding_parameters(65535, 0)), "65535 18 67 276 64 ");
}

TEST(largest_near)
{
    CHECK_EQUAL(maximum_near_lossless(2), 1);
    CHECK_EQUAL(maximum_near_lossless(8), 127);
    CHECK_EQUAL(maximum_near_lossless(9), 255);
    CHECK_EQUAL(maximum_near_lossless(16), 255);
}

TEST(maximum_sample_values)
{
    CHECK_EQUAL(completion_fault({255, 0, 0, 0, 0}, 8), fault::none);
    CHECK_EQUAL(completion_fault({254, 0, 0, 0, 0}, 8), fault::preset_maximum);
    CHECK_EQUAL(completion_fault({256, 0, 0, 0, 0}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({65535, 0, 0, 0, 0}, 16), fault::none);
}

TEST(thresholds_are_in_order_and_in_range)
{
    CHECK_EQUAL(completion_fault({0, 1, 1, 1, 0}, 8), fault::none);
    CHECK_EQUAL(completion_fault({0, 255, 255, 255, 0}, 8), fault::none);
    CHECK_EQUAL(completion_fault({0, 256, 256, 256, 0}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 8, 7, 21, 0}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 3, 22, 21, 0}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 2, 7, 21, 0}, 8, 2), fault::preset_value); // T1 must be above NEAR
    CHECK_EQUAL(completion_fault({0, 3, 7, 21, 0}, 8, 2), fault::none);
    CHECK_EQUAL(completion_fault({0, 22, 0, 0, 0}, 8), fault::preset_value); // above the default of T2
}

TEST(reset_values)
{
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 2}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 3}, 8), fault::none);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 255}, 8), fault::none);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 256}, 8), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 256}, 12), fault::preset_reset);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 4096}, 12), fault::preset_value);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 64}, 8, 0, true), fault::none);
    CHECK_EQUAL(completion_fault({0, 0, 0, 0, 63}, 8, 0, true), fault::preset_reset);
}

// The values that other sources name for the variants; equal to the defaults where those encoders are right.
TEST(variants)
{
    const auto check = [](const default_thresholds variant, const int bits, const int near_value,
                          const preset_coding_parameters& expected) {
        CHECK_EQUAL(presets_text(variant_preset_coding_parameters(variant, bits, near_value)), presets_text(expected));
    };
    check(default_thresholds::jai, 13, 0, {8191, 34, 131, 548, 64});
    check(default_thresholds::jai, 16, 0, {65535, 258, 1027, 4356, 64});
    check(default_thresholds::charls_1, 7, 0, {127, 2, 3, 4, 64});
    check(default_thresholds::charls_1, 6, 1, {63, 5, 8, 11, 64});
    for (int bits{2}; bits <= 16; ++bits)
        for (int near_value{}; near_value <= maximum_near_lossless(bits); near_value += 3)
        {
            const preset_coding_parameters defaults{literal_defaults((1 << bits) - 1, near_value)};
            if (bits <= 12 || near_value != 0)
                check(default_thresholds::jai, bits, near_value, defaults);
            if (bits >= 8)
                check(default_thresholds::charls_1, bits, near_value, defaults);
            check(default_thresholds::standard, bits, near_value, defaults);
        }
}
