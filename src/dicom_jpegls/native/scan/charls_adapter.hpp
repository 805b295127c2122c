// SPDX-License-Identifier: MIT
//
// What CharLS's codec factory calls (0005 in patches/ and patches/charls-3/).
#pragma once

#include <charls/public_types.h>

#include <memory>

namespace charls {

struct coding_parameters;

} // namespace charls

namespace dicom_jpegls {

// A codec for the scan, or nullptr if CharLS has to use its own. `Strategy` is CharLS's decoder_strategy or
// encoder_strategy; in CharLS 3, its scan_decoder or scan_encoder.
template<typename Strategy>
std::unique_ptr<Strategy> create_scan_codec(const charls::frame_info& frame,
                                            const charls::coding_parameters& parameters,
                                            const charls::jpegls_pc_parameters& presets);

} // namespace dicom_jpegls
