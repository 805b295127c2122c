// SPDX-License-Identifier: MIT
//
// Many scans at once against one scan after another and against CharLS: sound and damaged data, mixed sizes,
// precisions, NEAR and components, destinations that are too small. See native/tests/lane_batches.hpp for what must be
// true.
#include "tests/lane_batches.hpp"

#include <fuzzer/FuzzedDataProvider.h>

using namespace dicom_jpegls;

namespace {

class fuzzed_choice final
{
public:
    fuzzed_choice(const std::uint8_t* const data, const std::size_t size) : input_{data, size}
    {
    }

    std::uint32_t integer(const std::uint32_t least, const std::uint32_t greatest)
    {
        return input_.ConsumeIntegralInRange(least, greatest);
    }

    bool is_used_up()
    {
        return input_.remaining_bytes() == 0;
    }

    lane_batches::bytes bytes()
    {
        return input_.ConsumeBytes<std::uint8_t>(input_.ConsumeIntegralInRange<std::size_t>(0, 200));
    }

private:
    FuzzedDataProvider input_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* const data, const std::size_t size)
{
    static scan::scan_lanes lanes;
    if (!scan::scan_lanes::available())
        return 0;
    fuzzed_choice choice{data, size};
    const std::uint32_t count{choice.integer(1, 24)};
    std::vector<lane_batches::scan_case> cases;
    for (std::uint32_t i{}; i != count && !choice.is_used_up(); ++i)
    {
        const lane_batches::scan_kind kind{lane_batches::make_kind(choice)};
        const std::uint32_t width{choice.integer(1, choice.integer(0, 7) == 0 ? 700 : 40)};
        cases.push_back(lane_batches::make_sound_case(choice, width, choice.integer(1, 9), kind));
    }
    lane_batches::check_encoding(choice, lanes, cases);
    for (lane_batches::scan_case& one : cases)
    {
        const std::uint32_t kind{choice.integer(0, 3)};
        if (kind == 0)
            lane_batches::damage(choice, one);
        if (kind == 1)
        {
            one.data = choice.bytes();
            one.is_sound = false;
        }
    }
    lane_batches::check_decoding(choice, lanes, cases);
    return 0;
}
