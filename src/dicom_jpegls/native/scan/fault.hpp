// SPDX-License-Identifier: MIT
//
// Why the coding of a scan ends early.
#pragma once

#include "platform.hpp"

#include <exception>

namespace dicom_jpegls::scan {

enum class scan_fault
{
    invalid_encoded_data,     // no encoder writes such codes, or some are missing
    too_much_encoded_data,    // all lines are decoded, and data is left
    restart_marker_not_found, // where one is due
    source_too_small,         // the source ends before a marker
    destination_too_small,
};

class scan_error final : public std::exception
{
public:
    explicit scan_error(const scan_fault fault) noexcept : fault_{fault}
    {
    }

    [[nodiscard]] scan_fault fault() const noexcept
    {
        return fault_;
    }

    [[nodiscard]] const char* what() const noexcept override
    {
        return "the coding of a scan has failed";
    }

private:
    scan_fault fault_;
};

// Ends the coding of a scan.
[[noreturn]] JLS_NOINLINE inline void fail(const scan_fault fault)
{
    throw scan_error{fault};
}

} // namespace dicom_jpegls::scan
