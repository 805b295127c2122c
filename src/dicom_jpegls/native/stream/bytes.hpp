// SPDX-License-Identifier: MIT
//
// A view of bytes that belong to somebody else: a stream, or a part of one.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>

namespace dicom_jpegls {

struct byte_span
{
    const std::uint8_t* data{};
    std::size_t size{};

    [[nodiscard]] byte_span subspan(const std::size_t offset, const std::size_t count) const noexcept
    {
        assert(offset <= size && count <= size - offset);
        return {data + offset, count};
    }
};

} // namespace dicom_jpegls
