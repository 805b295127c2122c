// SPDX-License-Identifier: MIT
//
// CharLS behind the checks of stream.hpp, on any bytes: it ends in time, reads nothing but the stream, writes nothing
// but samples, and what it writes depends on nothing else.
#include "harness.hpp"

using namespace dicom_jpegls;

namespace {

constexpr std::uint64_t largest_image{1 << 20}; // bytes; keeps every input well below the time limit

constexpr std::uint8_t filling{0xA5};

void check(const block& stream, const stream_info& info)
{
    const auto arrange = [&info](const std::uint32_t gap) {
        return lay_out(info.width, info.height, info.component_count, info.bits_per_sample, info.interleave_mode, gap);
    };
    const layout packed = arrange(0);
    if (packed.size > largest_image)
        return;
    const layout spaced = arrange(6);
    const block samples{packed.size, 0};
    const block spaced_samples{spaced.size, filling};
    const int code = decode(stream, info, samples, packed.stride);
    REQUIRE(decode(stream, info, spaced_samples, spaced.stride) == code);

    for (std::uint64_t row = 0; row < packed.rows; ++row)
    {
        const std::uint8_t* line = spaced_samples.data() + row * spaced.stride;
        if (code == 0)
            REQUIRE(std::memcmp(line, samples.data() + row * packed.stride, packed.row) == 0);
        for (std::uint64_t i = spaced.row; i < spaced.stride && row + 1 < packed.rows; ++i)
            REQUIRE(line[i] == filling);
    }
    if (code != 0 || info.bits_per_sample <= 8)
        return;
    for (std::uint64_t i = 0; i < packed.size; i += 2)
    {
        std::uint16_t sample;
        std::memcpy(&sample, samples.data() + i, sizeof sample);
        REQUIRE(sample <= maximum_sample_value(info.bits_per_sample));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    stream_info info;
    refusal at;
    if (inspect(data, size, default_maximum_dimension, info, at) == fault::none)
        check(block{data, info.size}, info);
    return 0;
}
