// SPDX-License-Identifier: MIT
//
// Codes and entropy-coded data as T.87 describes them, bit by bit, to compare the scan codecs with.
#pragma once

#include "scan/code_reader.hpp"
#include "scan/code_writer.hpp"

#include <string>
#include <vector>

namespace dicom_jpegls::tests {

// The last `length` bits of a value, as characters.
inline std::string binary(const std::uint32_t value, const std::int32_t length)
{
    std::string result;
    for (std::int32_t i{length - 1}; i >= 0; --i)
        result += i < 32 && ((value >> i) & 1U) != 0 ? '1' : '0';
    return result;
}

// The limited-length Golomb code LG(k, limit) (T.87 A.5.3).
inline std::string golomb_bits(const std::uint32_t mapped_error, const std::uint32_t k, const std::int32_t limit,
                               const std::int32_t qbpp)
{
    const auto escape{static_cast<std::uint32_t>(limit - qbpp - 1)};
    const std::uint32_t zeros{mapped_error >> k};
    if (zeros < escape)
        return std::string(zeros, '0') + '1' + binary(mapped_error, static_cast<std::int32_t>(k));
    return std::string(escape, '0') + '1' + binary(mapped_error - 1, qbpp);
}

// The bytes of a bit string: a 0 bit after each byte of FF, and 0 bits that fill the last byte (T.87 A.1).
inline std::vector<std::uint8_t> stuffed_bytes(const std::string& bits)
{
    std::vector<std::uint8_t> result;
    std::uint32_t byte{};
    int count{};
    const auto add{[&](const bool bit) {
        byte = byte << 1 | static_cast<std::uint32_t>(bit);
        if (++count == 8)
        {
            result.push_back(static_cast<std::uint8_t>(byte));
            count = byte == 0xFF ? 1 : 0;
            byte = 0;
        }
    }};
    for (const char bit : bits)
        add(bit == '1');
    while (count != 0)
        add(false);
    return result;
}

// The fault with which a function ends; -1 if it does not.
template<typename Function>
int fault_of(const Function& function)
{
    try
    {
        function();
    }
    catch (const scan::scan_error& error)
    {
        return static_cast<int>(error.fault());
    }
    return -1;
}

} // namespace dicom_jpegls::tests
