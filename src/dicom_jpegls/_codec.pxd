"""The codec for other Cython code: nogil functions on pointers and sizes, which return codes and never raise.

    from dicom_jpegls cimport _codec

needs this package when compiling and when running, and nothing to link. The header documents the functions; the names
are the header's, with each function of its table as a separate function.

The structs come from the header and are not declared here again, so that C code, Cython code and this package agree on
their layout. Compiling therefore needs one folder in the include path: dicom_jpegls.get_include(). Cython compares the
functions' signatures when a module is imported; a struct that has to change therefore gets a new name.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t


cdef extern from "dicom_jpegls/dicom_jpegls.h" nogil:
    enum: DICOM_JPEGLS_ABI_VERSION
    enum: DICOM_JPEGLS_MAXIMUM_WORKERS

    enum: DICOM_JPEGLS_SUCCESS
    enum: DICOM_JPEGLS_DESTINATION_TOO_SMALL
    enum: DICOM_JPEGLS_NOT_ENOUGH_MEMORY
    enum: DICOM_JPEGLS_FIRST_STREAM_FAULT
    enum: DICOM_JPEGLS_NULL_POINTER
    enum: DICOM_JPEGLS_SOURCE_TOO_SMALL
    enum: DICOM_JPEGLS_STRIDE_TOO_SMALL
    enum: DICOM_JPEGLS_STRIDE_ODD
    enum: DICOM_JPEGLS_OVERLAP
    enum: DICOM_JPEGLS_FOURTH_COMPONENT
    enum: DICOM_JPEGLS_RESERVED_FIELD
    enum: DICOM_JPEGLS_UNSAFE_SAMPLE

    enum: DICOM_JPEGLS_INTERLEAVE_MODE_NONE
    enum: DICOM_JPEGLS_INTERLEAVE_MODE_LINE
    enum: DICOM_JPEGLS_INTERLEAVE_MODE_SAMPLE

    ctypedef struct dicom_jpegls_frame_info:
        uint32_t width
        uint32_t height
        int32_t bits_per_sample
        int32_t component_count

    ctypedef struct dicom_jpegls_preset_coding_parameters:
        int32_t maximum_sample_value
        int32_t threshold1
        int32_t threshold2
        int32_t threshold3
        int32_t reset_value

    ctypedef struct dicom_jpegls_stream_info:
        dicom_jpegls_frame_info frame
        int32_t interleave_mode
        int32_t near_lossless
        int32_t color_transformation
        uint32_t restart_interval
        dicom_jpegls_preset_coding_parameters preset_coding_parameters
        uint32_t[7] reserved
        uint64_t size
        uint64_t trailing_size
        uint64_t decoded_size

    ctypedef struct dicom_jpegls_encoding_parameters:
        int32_t near_lossless
        int32_t interleave_mode
        int32_t color_transformation
        dicom_jpegls_preset_coding_parameters preset_coding_parameters
        uint32_t restart_interval
        uint32_t is_signed
        uint32_t[6] reserved

    ctypedef struct dicom_jpegls_decoding:
        const uint8_t* source
        size_t source_size
        uint8_t* destination
        size_t destination_size
        size_t stride
        dicom_jpegls_stream_info* info
        uint32_t is_signed
        uint32_t[2] reserved
        int32_t code

    ctypedef struct dicom_jpegls_encoding:
        const uint8_t* source
        size_t source_size
        size_t stride
        const dicom_jpegls_frame_info* frame
        const dicom_jpegls_encoding_parameters* parameters
        uint8_t* destination
        size_t destination_size
        size_t bytes_written
        uint32_t[3] reserved
        int32_t code


cdef int dicom_jpegls_read_info(
    const uint8_t* source, size_t source_size, dicom_jpegls_stream_info* info) noexcept nogil
cdef int dicom_jpegls_decode(
    const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
    dicom_jpegls_stream_info* info) noexcept nogil
cdef int dicom_jpegls_decode_signed(
    const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
    dicom_jpegls_stream_info* info) noexcept nogil
cdef int dicom_jpegls_encode(
    const uint8_t* source, size_t source_size, size_t stride, const dicom_jpegls_frame_info* frame,
    const dicom_jpegls_encoding_parameters* parameters, uint8_t* destination, size_t destination_size,
    size_t* bytes_written) noexcept nogil
cdef int dicom_jpegls_decode_many(dicom_jpegls_decoding* items, size_t count, size_t workers) noexcept nogil
cdef int dicom_jpegls_encode_many(dicom_jpegls_encoding* items, size_t count, size_t workers) noexcept nogil
cdef int dicom_jpegls_max_encoded_size(const dicom_jpegls_frame_info* frame, uint64_t* size) noexcept nogil
cdef const char* dicom_jpegls_error_text(int code) noexcept nogil
cdef const char* dicom_jpegls_version() noexcept nogil
