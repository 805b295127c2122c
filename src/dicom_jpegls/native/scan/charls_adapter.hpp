// SPDX-License-Identifier: MIT
//
// What CharLS's codec factory calls (patches/0005).
#pragma once

#include <charls/public_types.h>

#include <memory>

namespace charls {

struct coding_parameters;

} // namespace charls

namespace dicom_jpegls {

// A codec for the scan, or nullptr if CharLS has to use its own. `Strategy` is CharLS's decoder_strategy or
// encoder_strategy.
template<typename Strategy>
std::unique_ptr<Strategy> create_scan_codec(const charls::frame_info& frame,
                                            const charls::coding_parameters& parameters,
                                            const charls::jpegls_pc_parameters& presets);

} // namespace dicom_jpegls
