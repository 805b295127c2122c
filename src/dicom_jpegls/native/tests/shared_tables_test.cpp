// SPDX-License-Identifier: MIT
//
// Tables that scans share: which are made, kept and replaced.
#include "scan/block_analysis.hpp"
#include "scan/regular_mode.hpp"
#include "scan/shared_tables.hpp"

#include "stream/presets.hpp"

#include "harness.hpp"

#include <string>

using namespace dicom_jpegls::scan;
using namespace dicom_jpegls::tests;

namespace {

using number_tables = shared_tables<std::int32_t>;

std::shared_ptr<const std::int32_t> find(number_tables& tables, const std::int32_t near_value,
                                         const std::uint64_t sample_count)
{
    return tables.find(
        {255, near_value}, sample_count, [](const std::uint64_t waiting) { return waiting >= 100; },
        [near_value] { return near_value; });
}

} // namespace

TEST(a_table_is_made_once_enough_samples_have_asked_for_it)
{
    number_tables tables;
    CHECK(!find(tables, 1, 60));
    CHECK(!find(tables, 2, 99)); // counted separately
    const auto first{find(tables, 1, 40)};
    CHECK(first && *first == 1);
    CHECK(find(tables, 1, 0) == first);
}

TEST(few_tables_are_kept_and_those_in_use_stay)
{
    number_tables tables;
    const auto first{find(tables, 0, 100)};
    for (std::int32_t key{1}; key != 4; ++key)
        find(tables, key, 100);
    CHECK(find(tables, 0, 0) == first);
    CHECK(*find(tables, 4, 100) == 4);
    CHECK(!find(tables, 0, 0));
    CHECK(*first == 0);
}

TEST(computed_gradients_are_those_of_the_table)
{
    for (const std::int32_t bits : {2, 3, 8, 12, 16})
        for (const std::int32_t near_value : {1, 2, 3, 100, 255})
        {
            if (near_value > dicom_jpegls::maximum_near_lossless(bits))
                continue;
            const std::string context{std::to_string(bits) + " bits, NEAR " + std::to_string(near_value)};
            const std::int32_t maximum{dicom_jpegls::maximum_sample_value(bits)};
            const auto presets{dicom_jpegls::default_preset_coding_parameters(maximum, near_value)};
            const thresholds bounds{presets.threshold1, presets.threshold2, presets.threshold3};
            const gradient_table table{maximum, near_value, bounds, sizeof(decoder_context)};
            const computed_gradients computed{maximum, near_value, bounds, sizeof(decoder_context)};
            bool equal{true};
            for (std::size_t i{}; i != gradient_table::sign_offset(maximum); ++i)
            {
                const computed_gradients::entry entry{computed[i]};
                equal = equal && entry.offset == table.data()[i] &&
                        entry.sign == static_cast<std::int8_t>(table.data()[i + gradient_table::sign_offset(maximum)]);
            }
            CHECK_EQUAL_IN(context, equal, true);
        }
}
