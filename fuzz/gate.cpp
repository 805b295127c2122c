// SPDX-License-Identifier: MIT
//
// The checks before CharLS (native/stream) on any bytes: they end, read nothing outside of the stream, and what they
// accept or refuse is consistent.
#include "harness.hpp"

#include "stream/inspector.hpp"

using namespace dicom_jpegls;

namespace {

void check_accepted(const stream_info& info, const std::size_t size, const limits& allowed)
{
    REQUIRE(info.has_scan);
    REQUIRE(info.size <= size);
    REQUIRE(info.trailing_size <= size - info.size);
    REQUIRE(info.zero_before_end == 0 || info.zero_before_end + 2 < info.size);
    REQUIRE(info.width >= 1 && info.width <= allowed.dimension);
    REQUIRE(info.height >= 1 && info.height <= allowed.dimension);
    REQUIRE(info.bits_per_sample >= 2 && info.bits_per_sample <= 16);
    REQUIRE(info.component_count >= 1 && info.component_count <= 255);
    const auto components = static_cast<std::uint64_t>(info.component_count);
    REQUIRE(std::uint64_t{info.width} * info.height * components <= allowed.samples);
    REQUIRE(info.interleave_mode >= interleave_none && info.interleave_mode <= interleave_sample);
    REQUIRE(info.interleave_mode == interleave_none || info.component_count == 3 || info.component_count == 4);
    REQUIRE(info.near_lossless >= 0 && info.near_lossless <= maximum_near_lossless(info.bits_per_sample));
    REQUIRE(info.color_transformation >= 0 && info.color_transformation <= 3);
    REQUIRE(info.presets.maximum_sample_value == maximum_sample_value(info.bits_per_sample));
    REQUIRE(info.presets.threshold1 <= info.presets.threshold2 && info.presets.threshold2 <= info.presets.threshold3);
    REQUIRE(info.presets.reset_value >= 3 && info.presets.reset_value <= 255);
}

// Every step of the reader gets ahead, so that it ends.
void check_segments(const block& stream)
{
    segment_reader reader{stream.bytes()};
    std::size_t position = 0;
    while (reader.next() == fault::none)
    {
        const segment& part = reader.current();
        REQUIRE(reader.position() > position && reader.position() <= stream.size());
        position = reader.position();
        REQUIRE(part.offset < part.data && part.data + part.size <= position);
        if (part.code == marker_sos)
            reader.skip_entropy_coded_data();
        REQUIRE(reader.position() >= position && reader.position() <= stream.size());
        position = reader.position();
    }
}

void check(const block& stream, const limits& allowed)
{
    const auto [info, error] = inspect(stream.bytes(), allowed);
    if (error.code != fault::none)
    {
        REQUIRE(describe(static_cast<int>(error.code)));
        REQUIRE(error.offset <= stream.size());
        return;
    }
    REQUIRE(!describe(static_cast<int>(error.code)));
    check_accepted(info, stream.size(), allowed);

    // EOI ends the stream: the bytes after it change nothing, and without it the stream is refused.
    const block exact{stream.data(), info.size};
    const inspection again = inspect(exact.bytes(), allowed);
    REQUIRE(again.error.code == fault::none);
    REQUIRE(again.info.size == info.size && again.info.trailing_size == 0);
    const block truncated{stream.data(), info.size - 1};
    REQUIRE(inspect(truncated.bytes(), allowed).error.code != fault::none);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    const block stream{data, size};
    check_segments(stream);
    check(stream, {});
    check(stream, {highest_maximum_dimension, UINT64_MAX});
    return 0;
}
