// SPDX-License-Identifier: MIT
//
// Decoding by one thread against decoding by several, which take pieces of the stream: the same streams are accepted,
// and the samples are the same. One run decodes pieces of one restart interval, one of several, in reverse order.
#include "harness.hpp"

#include "codec/decode.hpp"
#include "stream/inspector.hpp"

#include <algorithm>

using namespace dicom_jpegls;

namespace {

constexpr limits allowed{default_maximum_dimension, 1 << 14}; // keeps every input well below the time limit

bool decode_pieces(const inspected_stream& source, const std::uint32_t minimum_lines, const block& samples,
                   const image_layout& layout)
{
    auto [error, pieces] = find_pieces(source, minimum_lines);
    REQUIRE(error == status::success && !pieces.empty());
    if (minimum_lines != 1)
        std::reverse(pieces.begin(), pieces.end());
    return std::all_of(pieces.begin(), pieces.end(), [&](const piece& part) {
        return decode_piece(source, part, samples.data(), layout) == status::success;
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    const block stream{data, size};
    const auto [info, error] = inspect(stream.bytes(), allowed);
    if (error.code != fault::none)
        return 0;
    const inspected_stream source{stream.bytes(), allowed, info, false, {}};
    const image_layout layout = layout_of(frame_of(info), info.interleave_mode, 0);
    const block samples{layout.size, 0};
    const bool is_sound = decode_image(source, samples.data(), layout) == status::success;
    for (const std::uint32_t minimum_lines : {std::uint32_t{1}, std::max(std::uint32_t{1}, info.height / 4)})
    {
        const block others{layout.size, 0xA5};
        REQUIRE(decode_pieces(source, minimum_lines, others, layout) == is_sound);
        if (is_sound)
            REQUIRE(std::memcmp(samples.data(), others.data(), layout.size) == 0);
    }
    return 0;
}
