// SPDX-License-Identifier: MIT
//
// Why the coding of a scan ends early.
#pragma once

#include "platform.hpp"

namespace dicom_jpegls::scan {

enum class scan_fault
{
    invalid_encoded_data,     // no encoder writes such codes, or some are missing
    too_much_encoded_data,    // all lines are decoded, and data is left
    restart_marker_not_found, // where one is due
    source_too_small,         // the source ends before a marker
    destination_too_small,
};

struct scan_error
{
    scan_fault fault;
};

// Ends the coding of a scan.
[[noreturn]] JLS_NOINLINE inline void fail(const scan_fault fault)
{
    throw scan_error{fault};
}

} // namespace dicom_jpegls::scan
