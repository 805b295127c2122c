// SPDX-License-Identifier: MIT
//
// Whether the scan codecs are compiled in, and a switch to compare them with CharLS's own. See docs/scan-codecs.md.
#pragma once

namespace dicom_jpegls {

#ifdef DICOM_JPEGLS_FAST_SCAN
inline constexpr bool has_scan_codecs{true};

// Whether the scan codecs are used, for the whole process; they are by default. Returns the previous setting.
bool use_scan_codecs(bool use) noexcept;
#else
inline constexpr bool has_scan_codecs{false};

inline bool use_scan_codecs(bool /*use*/) noexcept
{
    return false;
}
#endif

} // namespace dicom_jpegls
