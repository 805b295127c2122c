// SPDX-License-Identifier: MIT
//
// The functions of the public header, which documents them. They take anything and throw nothing.
#pragma once

#include "dicom_jpegls/dicom_jpegls.h"

#include <cstddef>
#include <cstdint>

namespace dicom_jpegls::c_api {

[[nodiscard]] int read_info(const std::uint8_t* source, std::size_t source_size,
                            dicom_jpegls_stream_info* info) noexcept;

[[nodiscard]] int decode(const std::uint8_t* source, std::size_t source_size, std::uint8_t* destination,
                         std::size_t destination_size, std::size_t stride, dicom_jpegls_stream_info* info) noexcept;

[[nodiscard]] int decode_signed(const std::uint8_t* source, std::size_t source_size, std::uint8_t* destination,
                                std::size_t destination_size, std::size_t stride,
                                dicom_jpegls_stream_info* info) noexcept;

[[nodiscard]] int encode(const std::uint8_t* source, std::size_t source_size, std::size_t stride,
                         const dicom_jpegls_frame_info* frame, const dicom_jpegls_encoding_parameters* parameters,
                         std::uint8_t* destination, std::size_t destination_size, std::size_t* bytes_written) noexcept;

[[nodiscard]] int decode_many(dicom_jpegls_decoding* items, std::size_t count, std::size_t workers) noexcept;

[[nodiscard]] int encode_many(dicom_jpegls_encoding* items, std::size_t count, std::size_t workers) noexcept;

[[nodiscard]] int max_encoded_size(const dicom_jpegls_frame_info* frame, std::uint64_t* size) noexcept;

[[nodiscard]] const char* error_text(int code) noexcept;

[[nodiscard]] const char* version() noexcept;

// The table for the capsule.
extern const dicom_jpegls_api table;

} // namespace dicom_jpegls::c_api
