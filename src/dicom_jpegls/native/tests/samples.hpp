// SPDX-License-Identifier: MIT
//
// Samples in memory, for the unit tests and the fuzz targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace dicom_jpegls {

// Writes a sample of 1 or 2 bytes as coding expects it: in the byte order of the machine.
inline void write_sample(std::uint8_t* const destination, const std::uint32_t value, const std::size_t size) noexcept
{
    const auto sample{static_cast<std::uint16_t>(value)};
    if (size == sizeof sample)
        std::memcpy(destination, &sample, sizeof sample);
    else
        *destination = static_cast<std::uint8_t>(value);
}

} // namespace dicom_jpegls
