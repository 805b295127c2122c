// SPDX-License-Identifier: MIT
//
// What the fuzz targets share. What they test is the code that the package is made of.
#pragma once

#include "codec/layout.hpp"
#include "tests/exact_memory.hpp"

namespace dicom_jpegls {

// The layout of an image with so many bytes between its lines.
inline image_layout layout_of(const frame_info& frame, const std::int32_t interleave_mode, const std::uint32_t gap)
{
    const std::uint64_t line_size = lay_out(frame, interleave_mode, 0).layout.line_size;
    const auto [error, layout] = lay_out(frame, interleave_mode, line_size + gap);
    REQUIRE(error == status::success);
    return layout;
}

} // namespace dicom_jpegls
