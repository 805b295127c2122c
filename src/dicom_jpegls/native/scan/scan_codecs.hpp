// SPDX-License-Identifier: MIT
//
// The way into the scan codecs, for CharLS's codec factory (patches/0005) and for those who compare the two. See
// docs/scan-codecs.md.
#pragma once

#include <charls/public_types.h>

#include <memory>

namespace charls {

struct coding_parameters;

} // namespace charls

namespace dicom_jpegls {

// A codec for the scan, or nullptr if CharLS's own has to do it. `Strategy` is CharLS's decoder_strategy or
// encoder_strategy.
template<typename Strategy>
std::unique_ptr<Strategy> create_scan_codec(const charls::frame_info& frame,
                                            const charls::coding_parameters& parameters,
                                            const charls::jpegls_pc_parameters& presets);

// Whether the codecs are compiled in.
#ifdef DICOM_JPEGLS_FAST_SCAN
constexpr bool has_scan_codecs{true};
#else
constexpr bool has_scan_codecs{false};
#endif

// Whether create_scan_codec gives codecs, for the whole process: for comparisons. It does until told otherwise. Returns
// what was so far.
#ifdef DICOM_JPEGLS_FAST_SCAN
bool use_scan_codecs(bool use) noexcept;
#else
inline bool use_scan_codecs(bool /*use*/) noexcept
{
    return false;
}
#endif

} // namespace dicom_jpegls
