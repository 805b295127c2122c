# The part of the CharLS 2.4 C API that this package uses, declared one to one. Nothing else.
# In C++ the enumerators live in charls::impl and the enumerations are enum classes: cast them.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint32_t


cdef extern from "charls/charls.h" nogil:
    enum: CHARLS_JPEGLS_ERRC_SUCCESS "charls::impl::CHARLS_JPEGLS_ERRC_SUCCESS"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT"
    enum: CHARLS_JPEGLS_ERRC_PARAMETER_VALUE_NOT_SUPPORTED "charls::impl::CHARLS_JPEGLS_ERRC_PARAMETER_VALUE_NOT_SUPPORTED"
    enum: CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL "charls::impl::CHARLS_JPEGLS_ERRC_DESTINATION_BUFFER_TOO_SMALL"
    enum: CHARLS_JPEGLS_ERRC_SOURCE_BUFFER_TOO_SMALL "charls::impl::CHARLS_JPEGLS_ERRC_SOURCE_BUFFER_TOO_SMALL"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ENCODED_DATA "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ENCODED_DATA"
    enum: CHARLS_JPEGLS_ERRC_TOO_MUCH_ENCODED_DATA "charls::impl::CHARLS_JPEGLS_ERRC_TOO_MUCH_ENCODED_DATA"
    enum: CHARLS_JPEGLS_ERRC_INVALID_OPERATION "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_OPERATION"
    enum: CHARLS_JPEGLS_ERRC_BIT_DEPTH_FOR_TRANSFORM_NOT_SUPPORTED "charls::impl::CHARLS_JPEGLS_ERRC_BIT_DEPTH_FOR_TRANSFORM_NOT_SUPPORTED"
    enum: CHARLS_JPEGLS_ERRC_COLOR_TRANSFORM_NOT_SUPPORTED "charls::impl::CHARLS_JPEGLS_ERRC_COLOR_TRANSFORM_NOT_SUPPORTED"
    enum: CHARLS_JPEGLS_ERRC_ENCODING_NOT_SUPPORTED "charls::impl::CHARLS_JPEGLS_ERRC_ENCODING_NOT_SUPPORTED"
    enum: CHARLS_JPEGLS_ERRC_UNKNOWN_JPEG_MARKER_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_UNKNOWN_JPEG_MARKER_FOUND"
    enum: CHARLS_JPEGLS_ERRC_JPEG_MARKER_START_BYTE_NOT_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_JPEG_MARKER_START_BYTE_NOT_FOUND"
    enum: CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY "charls::impl::CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY"
    enum: CHARLS_JPEGLS_ERRC_UNEXPECTED_FAILURE "charls::impl::CHARLS_JPEGLS_ERRC_UNEXPECTED_FAILURE"
    enum: CHARLS_JPEGLS_ERRC_START_OF_IMAGE_MARKER_NOT_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_START_OF_IMAGE_MARKER_NOT_FOUND"
    enum: CHARLS_JPEGLS_ERRC_UNEXPECTED_MARKER_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_UNEXPECTED_MARKER_FOUND"
    enum: CHARLS_JPEGLS_ERRC_INVALID_MARKER_SEGMENT_SIZE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_MARKER_SEGMENT_SIZE"
    enum: CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_IMAGE_MARKER "charls::impl::CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_IMAGE_MARKER"
    enum: CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_FRAME_MARKER "charls::impl::CHARLS_JPEGLS_ERRC_DUPLICATE_START_OF_FRAME_MARKER"
    enum: CHARLS_JPEGLS_ERRC_DUPLICATE_COMPONENT_ID_IN_SOF_SEGMENT "charls::impl::CHARLS_JPEGLS_ERRC_DUPLICATE_COMPONENT_ID_IN_SOF_SEGMENT"
    enum: CHARLS_JPEGLS_ERRC_UNEXPECTED_END_OF_IMAGE_MARKER "charls::impl::CHARLS_JPEGLS_ERRC_UNEXPECTED_END_OF_IMAGE_MARKER"
    enum: CHARLS_JPEGLS_ERRC_INVALID_JPEGLS_PRESET_PARAMETER_TYPE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_JPEGLS_PRESET_PARAMETER_TYPE"
    enum: CHARLS_JPEGLS_ERRC_JPEGLS_PRESET_EXTENDED_PARAMETER_TYPE_NOT_SUPPORTED "charls::impl::CHARLS_JPEGLS_ERRC_JPEGLS_PRESET_EXTENDED_PARAMETER_TYPE_NOT_SUPPORTED"
    enum: CHARLS_JPEGLS_ERRC_MISSING_END_OF_SPIFF_DIRECTORY "charls::impl::CHARLS_JPEGLS_ERRC_MISSING_END_OF_SPIFF_DIRECTORY"
    enum: CHARLS_JPEGLS_ERRC_UNEXPECTED_RESTART_MARKER "charls::impl::CHARLS_JPEGLS_ERRC_UNEXPECTED_RESTART_MARKER"
    enum: CHARLS_JPEGLS_ERRC_RESTART_MARKER_NOT_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_RESTART_MARKER_NOT_FOUND"
    enum: CHARLS_JPEGLS_ERRC_CALLBACK_FAILED "charls::impl::CHARLS_JPEGLS_ERRC_CALLBACK_FAILED"
    enum: CHARLS_JPEGLS_ERRC_END_OF_IMAGE_MARKER_NOT_FOUND "charls::impl::CHARLS_JPEGLS_ERRC_END_OF_IMAGE_MARKER_NOT_FOUND"
    enum: CHARLS_JPEGLS_ERRC_INVALID_SPIFF_HEADER "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_SPIFF_HEADER"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_WIDTH "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_WIDTH"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_HEIGHT "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_HEIGHT"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COMPONENT_COUNT "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COMPONENT_COUNT"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_BITS_PER_SAMPLE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_BITS_PER_SAMPLE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_INTERLEAVE_MODE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_INTERLEAVE_MODE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_NEAR_LOSSLESS "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_NEAR_LOSSLESS"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_JPEGLS_PC_PARAMETERS "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_JPEGLS_PC_PARAMETERS"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_SIZE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_SIZE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COLOR_TRANSFORMATION "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_COLOR_TRANSFORMATION"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_STRIDE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_STRIDE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_ENCODING_OPTIONS "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_ARGUMENT_ENCODING_OPTIONS"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_WIDTH "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_WIDTH"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_HEIGHT "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_HEIGHT"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_COMPONENT_COUNT "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_COMPONENT_COUNT"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_BITS_PER_SAMPLE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_BITS_PER_SAMPLE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_INTERLEAVE_MODE "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_INTERLEAVE_MODE"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_NEAR_LOSSLESS "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_NEAR_LOSSLESS"
    enum: CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_JPEGLS_PRESET_PARAMETERS "charls::impl::CHARLS_JPEGLS_ERRC_INVALID_PARAMETER_JPEGLS_PRESET_PARAMETERS"

    enum: CHARLS_ENCODING_OPTIONS_EVEN_DESTINATION_SIZE "charls::impl::CHARLS_ENCODING_OPTIONS_EVEN_DESTINATION_SIZE"
    enum: CHARLS_ENCODING_OPTIONS_INCLUDE_PC_PARAMETERS_JAI "charls::impl::CHARLS_ENCODING_OPTIONS_INCLUDE_PC_PARAMETERS_JAI"

    ctypedef enum charls_jpegls_errc:
        pass
    ctypedef enum charls_interleave_mode:
        pass
    ctypedef enum charls_encoding_options:
        pass
    ctypedef enum charls_color_transformation:
        pass
    ctypedef enum charls_spiff_profile_id:
        pass
    ctypedef enum charls_spiff_color_space:
        pass
    ctypedef enum charls_spiff_compression_type:
        pass
    ctypedef enum charls_spiff_resolution_units:
        pass

    ctypedef struct charls_frame_info:
        uint32_t width
        uint32_t height
        int32_t bits_per_sample
        int32_t component_count

    ctypedef struct charls_jpegls_pc_parameters:
        int32_t maximum_sample_value
        int32_t threshold1
        int32_t threshold2
        int32_t threshold3
        int32_t reset_value

    ctypedef struct charls_spiff_header:
        charls_spiff_profile_id profile_id
        int32_t component_count
        uint32_t height
        uint32_t width
        charls_spiff_color_space color_space
        int32_t bits_per_sample
        charls_spiff_compression_type compression_type
        charls_spiff_resolution_units resolution_units
        uint32_t vertical_resolution
        uint32_t horizontal_resolution

    const char* charls_get_version_string()
    const char* charls_get_error_message(charls_jpegls_errc error_value)

    ctypedef struct charls_jpegls_decoder:
        pass
    charls_jpegls_decoder* charls_jpegls_decoder_create()
    void charls_jpegls_decoder_destroy(const charls_jpegls_decoder* decoder)
    charls_jpegls_errc charls_jpegls_decoder_set_source_buffer(
        charls_jpegls_decoder* decoder, const void* source_buffer, size_t source_size_bytes)
    charls_jpegls_errc charls_jpegls_decoder_read_header(charls_jpegls_decoder* decoder)
    charls_jpegls_errc charls_jpegls_decoder_get_frame_info(
        const charls_jpegls_decoder* decoder, charls_frame_info* frame_info)
    charls_jpegls_errc charls_jpegls_decoder_get_near_lossless(
        const charls_jpegls_decoder* decoder, int32_t component, int32_t* near_lossless)
    charls_jpegls_errc charls_jpegls_decoder_get_interleave_mode(
        const charls_jpegls_decoder* decoder, charls_interleave_mode* interleave_mode)
    charls_jpegls_errc charls_jpegls_decoder_get_preset_coding_parameters(
        const charls_jpegls_decoder* decoder, int32_t reserved, charls_jpegls_pc_parameters* preset_coding_parameters)
    charls_jpegls_errc charls_jpegls_decoder_decode_to_buffer(
        charls_jpegls_decoder* decoder, void* destination_buffer, size_t destination_size_bytes, uint32_t stride)

    ctypedef struct charls_jpegls_encoder:
        pass
    charls_jpegls_encoder* charls_jpegls_encoder_create()
    void charls_jpegls_encoder_destroy(const charls_jpegls_encoder* encoder)
    charls_jpegls_errc charls_jpegls_encoder_set_frame_info(
        charls_jpegls_encoder* encoder, const charls_frame_info* frame_info)
    charls_jpegls_errc charls_jpegls_encoder_set_near_lossless(charls_jpegls_encoder* encoder, int32_t near_lossless)
    charls_jpegls_errc charls_jpegls_encoder_set_encoding_options(
        charls_jpegls_encoder* encoder, charls_encoding_options encoding_options)
    charls_jpegls_errc charls_jpegls_encoder_set_interleave_mode(
        charls_jpegls_encoder* encoder, charls_interleave_mode interleave_mode)
    charls_jpegls_errc charls_jpegls_encoder_set_preset_coding_parameters(
        charls_jpegls_encoder* encoder, const charls_jpegls_pc_parameters* preset_coding_parameters)
    charls_jpegls_errc charls_jpegls_encoder_set_color_transformation(
        charls_jpegls_encoder* encoder, charls_color_transformation color_transformation)
    charls_jpegls_errc charls_jpegls_encoder_set_destination_buffer(
        charls_jpegls_encoder* encoder, void* destination_buffer, size_t destination_size_bytes)
    charls_jpegls_errc charls_jpegls_encoder_write_spiff_header(
        charls_jpegls_encoder* encoder, const charls_spiff_header* spiff_header)
    charls_jpegls_errc charls_jpegls_encoder_write_comment(
        charls_jpegls_encoder* encoder, const void* comment, size_t comment_size_bytes)
    charls_jpegls_errc charls_jpegls_encoder_write_application_data(
        charls_jpegls_encoder* encoder, int32_t application_data_id, const void* application_data,
        size_t application_data_size_bytes)
    charls_jpegls_errc charls_jpegls_encoder_encode_from_buffer(
        charls_jpegls_encoder* encoder, const void* source_buffer, size_t source_size_bytes, uint32_t stride)
    charls_jpegls_errc charls_jpegls_encoder_get_bytes_written(
        const charls_jpegls_encoder* encoder, size_t* bytes_written)
