// SPDX-License-Identifier: MIT
//
// CharLS's public API in one spelling for 2.4 and 3. Only this file and the adapters of the scan codecs know how the
// versions differ.
#pragma once

#include "codec_fault.hpp"

#include <charls/charls.h>

namespace dicom_jpegls::charls_api {

using error_code = charls::jpegls_errc;

// Whether there is a code for data that is left after the last line, without patches.
inline constexpr bool tells_data_left{CHARLS_VERSION_MAJOR < 3};

// Whether CharLS's codes have the numbers of their faults, which are those of CharLS 2.4.
inline constexpr bool has_fault_numbers{CHARLS_VERSION_MAJOR < 3};

// Whether CharLS itself accepts a byte of padding 00 before EOI.
inline constexpr bool accepts_zero_before_end{
    CHARLS_VERSION_MAJOR * 10000 + CHARLS_VERSION_MINOR * 100 + CHARLS_VERSION_PATCH >= 20403};

#if CHARLS_VERSION_MAJOR >= 3

// CharLS 3 has no such code. Our patches return this number, and an unpatched CharLS never does.
inline constexpr error_code too_much_data{1000};
inline constexpr error_code invalid_data{error_code::invalid_data};
inline constexpr error_code source_ends{error_code::need_more_data};
inline constexpr error_code destination_too_small{error_code::destination_too_small};

inline error_code get_interleave_mode(const charls_jpegls_decoder* const decoder, charls_interleave_mode& mode) noexcept
{
    return charls_jpegls_decoder_get_interleave_mode(decoder, 0, &mode);
}

// Whether lossless coding in sample interleave compares the fourth component, without patch 0004.
inline constexpr bool compares_fourth_component{true};

#else

inline constexpr error_code too_much_data{error_code::too_much_encoded_data};
inline constexpr error_code invalid_data{error_code::invalid_encoded_data};
inline constexpr error_code source_ends{error_code::source_buffer_too_small};
inline constexpr error_code destination_too_small{error_code::destination_buffer_too_small};

inline error_code get_interleave_mode(const charls_jpegls_decoder* const decoder, charls_interleave_mode& mode) noexcept
{
    return charls_jpegls_decoder_get_interleave_mode(decoder, &mode);
}

inline constexpr bool compares_fourth_component{false};

#endif

// The fault for a code of CharLS, whose numbers depend on its version. Compilers warn of a code that is not mapped.
constexpr codec_fault to_codec_fault(const error_code code) noexcept
{
    switch (code)
    {
    case error_code::success:
        return codec_fault::none;
    case error_code::invalid_argument:
        return codec_fault::invalid_argument;
    case error_code::parameter_value_not_supported:
        return codec_fault::parameter_not_supported;
    case error_code::invalid_operation:
        return codec_fault::invalid_operation;
    case error_code::color_transform_not_supported:
        return codec_fault::transformation_not_supported;
    case error_code::encoding_not_supported:
        return codec_fault::other_encoding;
    case error_code::unknown_jpeg_marker_found:
        return codec_fault::unknown_marker;
    case error_code::jpeg_marker_start_byte_not_found:
        return codec_fault::marker_not_found;
    case error_code::not_enough_memory:
        return codec_fault::not_enough_memory;
    case error_code::start_of_image_marker_not_found:
        return codec_fault::start_of_image_not_found;
    case error_code::invalid_marker_segment_size:
        return codec_fault::segment_size;
    case error_code::duplicate_start_of_image_marker:
        return codec_fault::start_of_image_repeated;
    case error_code::duplicate_start_of_frame_marker:
        return codec_fault::start_of_frame_repeated;
    case error_code::duplicate_component_id_in_sof_segment:
        return codec_fault::component_repeated;
    case error_code::unexpected_end_of_image_marker:
        return codec_fault::unexpected_end_of_image;
    case error_code::invalid_jpegls_preset_parameter_type:
        return codec_fault::preset_type;
    case error_code::jpegls_preset_extended_parameter_type_not_supported:
        return codec_fault::preset_extension;
    case error_code::missing_end_of_spiff_directory:
        return codec_fault::spiff_directory_end_missing;
    case error_code::unexpected_restart_marker:
        return codec_fault::unexpected_restart_marker;
    case error_code::restart_marker_not_found:
        return codec_fault::restart_marker_not_found;
    case error_code::callback_failed:
        return codec_fault::callback_failed;
    case error_code::end_of_image_marker_not_found:
        return codec_fault::end_of_image_not_found;
    case error_code::invalid_spiff_header:
        return codec_fault::spiff_header;
    case error_code::invalid_argument_width:
        return codec_fault::argument_width;
    case error_code::invalid_argument_height:
        return codec_fault::argument_height;
    case error_code::invalid_argument_component_count:
        return codec_fault::argument_component_count;
    case error_code::invalid_argument_bits_per_sample:
        return codec_fault::argument_bits_per_sample;
    case error_code::invalid_argument_interleave_mode:
        return codec_fault::argument_interleave_mode;
    case error_code::invalid_argument_near_lossless:
        return codec_fault::argument_near_lossless;
    case error_code::invalid_argument_jpegls_pc_parameters:
        return codec_fault::argument_presets;
    case error_code::invalid_argument_size:
        return codec_fault::argument_size;
    case error_code::invalid_argument_color_transformation:
        return codec_fault::argument_transformation;
    case error_code::invalid_argument_stride:
        return codec_fault::argument_stride;
    case error_code::invalid_argument_encoding_options:
        return codec_fault::argument_encoding_options;
    case error_code::invalid_parameter_width:
        return codec_fault::stream_width;
    case error_code::invalid_parameter_height:
        return codec_fault::stream_height;
    case error_code::invalid_parameter_component_count:
        return codec_fault::stream_component_count;
    case error_code::invalid_parameter_bits_per_sample:
        return codec_fault::stream_bits_per_sample;
    case error_code::invalid_parameter_interleave_mode:
        return codec_fault::stream_interleave_mode;
    case error_code::invalid_parameter_near_lossless:
        return codec_fault::stream_near_lossless;
    case error_code::invalid_parameter_jpegls_preset_parameters:
        return codec_fault::stream_presets;
#if CHARLS_VERSION_MAJOR >= 3
    case error_code::destination_too_small:
        return codec_fault::destination_too_small;
    case error_code::need_more_data:
        return codec_fault::source_ends;
    case error_code::invalid_data:
        return codec_fault::invalid_data;
    case error_code::unexpected_start_of_scan_marker:
        return codec_fault::unexpected_marker;
    case error_code::unexpected_define_number_of_lines_marker:
        return codec_fault::unexpected_line_count;
    case error_code::define_number_of_lines_marker_not_found:
        return codec_fault::line_count_not_found;
    case error_code::unknown_component_id:
        return codec_fault::unknown_component;
    case error_code::abbreviated_format_and_spiff_header_mismatch:
        return codec_fault::spiff_in_abbreviated_format;
    case error_code::invalid_parameter_color_transformation:
        return codec_fault::stream_transformation;
    case error_code::invalid_parameter_mapping_table_id:
        return codec_fault::stream_mapping_table;
    case error_code::invalid_parameter_mapping_table_continuation:
        return codec_fault::stream_mapping_table_continuation;
#else
    case error_code::destination_buffer_too_small:
        return codec_fault::destination_too_small;
    case error_code::source_buffer_too_small:
        return codec_fault::source_ends;
    case error_code::invalid_encoded_data:
        return codec_fault::invalid_data;
    case error_code::too_much_encoded_data:
        return codec_fault::too_much_data;
    case error_code::bit_depth_for_transform_not_supported:
        return codec_fault::transformation_precision;
    case error_code::unexpected_marker_found:
        return codec_fault::unexpected_marker;
    case error_code::unexpected_failure:
        return codec_fault::unexpected_failure;
#endif
    }
    return code == too_much_data ? codec_fault::too_much_data : codec_fault::unexpected_failure;
}

} // namespace dicom_jpegls::charls_api
