# Binds native/stream and native/codec: what they do is documented there.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.optional cimport optional
from libcpp.vector cimport vector

from dicom_jpegls._codec cimport (
    dicom_jpegls_decoding,
    dicom_jpegls_encoding,
    dicom_jpegls_encoding_parameters,
    dicom_jpegls_frame_info,
    dicom_jpegls_preset_coding_parameters,
    dicom_jpegls_stream_info,
)


cdef extern from "stream/bytes.hpp" namespace "dicom_jpegls" nogil:
    cppclass byte_span:
        const uint8_t* data
        size_t size


cdef extern from "stream/markers.hpp" namespace "dicom_jpegls" nogil:
    byte_span without_fill_bytes(byte_span stream)


cdef extern from "stream/faults.hpp" namespace "dicom_jpegls" nogil:
    enum class fault(int):
        none
        color_transformation_use

    enum class fault_kind(int):
        unsupported

    enum: first_fault_code

    cppclass fault_description:
        const char* name
        const char* text
        fault_kind kind

    const fault_description* describe(int code)

    cppclass inspection_error:
        fault code
        uint8_t marker
        size_t offset
        int64_t value


cdef extern from "stream/annotations.hpp" namespace "dicom_jpegls" nogil:
    enum: marker_com
    enum: marker_app0
    enum: marker_app8

    cppclass spiff_header:
        int32_t profile_id
        int32_t component_count
        uint32_t height
        uint32_t width
        int32_t color_space
        int32_t bits_per_sample
        int32_t compression_type
        int32_t resolution_units
        uint32_t vertical_resolution
        uint32_t horizontal_resolution

    cppclass annotation:
        uint8_t code
        byte_span data

    bool is_structure(byte_span data)
    vector[annotation] list_annotations(byte_span stream) except +


cdef extern from "stream/inspector.hpp" namespace "dicom_jpegls" nogil:
    cppclass preset_coding_parameters:
        int32_t maximum_sample_value
        int32_t threshold1
        int32_t threshold2
        int32_t threshold3
        int32_t reset_value

    enum class default_thresholds(int32_t):
        standard

    int32_t maximum_near_lossless(int32_t bits_per_sample)

    const uint32_t default_maximum_dimension
    const uint32_t highest_maximum_dimension
    const uint64_t default_maximum_samples

    cppclass limits:
        uint32_t dimension
        uint64_t samples

    enum: interleave_none
    enum: interleave_sample

    cppclass stream_info:
        uint32_t width
        uint32_t height
        int32_t bits_per_sample
        int32_t component_count
        int32_t interleave_mode
        int32_t near_lossless
        int32_t color_transformation
        uint32_t restart_interval
        preset_coding_parameters presets
        bool has_spiff_header
        spiff_header spiff
        size_t annotation_count
        size_t size
        size_t trailing_size
        bool has_presets

    cppclass inspection:
        stream_info info
        inspection_error error

    cppclass piece:
        pass

    cppclass piece_list:
        stream_info info
        vector[piece] pieces

    inspection inspect(byte_span stream, const limits& allowed) noexcept


cdef extern from "stream/salvage.hpp" namespace "dicom_jpegls" nogil:
    piece_list salvage(byte_span stream, const limits& allowed) except +


cdef extern from "scan/codec_fault.hpp" namespace "dicom_jpegls" nogil:
    enum class codec_fault(int):
        argument_interleave_mode

    enum class codec_fault_kind(int):
        argument
        invalid_stream
        unsupported_stream
        destination
        memory

    cppclass codec_fault_description:
        const char* name
        const char* text
        codec_fault_kind kind

    const codec_fault_description* describe_codec_fault(int code)


cdef extern from "codec/status.hpp" namespace "dicom_jpegls" nogil:
    enum class status(int):
        success
        destination_too_small
        source_too_small
        stride_too_small
        stride_odd
        overlap
        fourth_component


cdef extern from "codec/memory.hpp" namespace "dicom_jpegls" nogil:
    void prefer_huge_pages(uint8_t* data, size_t size)

    cppclass heap_bytes:
        size_t size()
        void move_to(uint8_t* destination)


cdef extern from "codec/layout.hpp" namespace "dicom_jpegls" nogil:
    const uint64_t maximum_stride
    uint32_t bytes_per_sample(int32_t bits_per_sample)
    uint32_t plane_count(int32_t component_count, int32_t interleave_mode)
    uint64_t sample_count(const dicom_jpegls_frame_info& frame)
    uint64_t packed_size(const dicom_jpegls_frame_info& frame)
    dicom_jpegls_frame_info frame_of(const stream_info& info)
    bool overlaps "dicom_jpegls::overlap"(byte_span first, byte_span second)

    cppclass image_layout:
        uint64_t line_size
        uint64_t line_count
        uint64_t stride
        uint64_t size

    cppclass layout_result:
        status error
        image_layout layout

    layout_result lay_out(const dicom_jpegls_frame_info& frame, int32_t interleave_mode, uint64_t stride)

    cppclass output_buffer:
        output_buffer()
        output_buffer(
            uint8_t* destination, const image_layout& layout, int32_t bits_per_sample, bool is_signed) except +
        uint8_t* data()
        const image_layout& layout()
        void deliver()


cdef extern from "codec/decode.hpp" namespace "dicom_jpegls" nogil:
    cppclass inspected_stream:
        byte_span bytes
        limits allowed
        stream_info info
        bool is_damaged

    fault assume_presets(inspected_stream& source, const preset_coding_parameters& presets)

    status decode_image(const inspected_stream& source, uint8_t* samples, const image_layout& layout)

    cppclass variant_result:
        status error
        default_thresholds variant
        preset_coding_parameters presets

    variant_result decode_with_variants(
        const inspected_stream& source, uint8_t* samples, const image_layout& layout)

    cppclass found_pieces:
        status error
        vector[piece] pieces

    found_pieces find_pieces(const inspected_stream& source, uint32_t minimum_lines)
    status decode_piece(
        const inspected_stream& source, const piece& part, uint8_t* samples, const image_layout& layout)

    status decode_good_lines(
        const inspected_stream& source, uint8_t* samples, const image_layout& layout, uint8_t* good)


cdef extern from "codec/encode.hpp" namespace "dicom_jpegls" nogil:
    const uint32_t maximum_encoded_dimension
    const int32_t maximum_component_count
    const int32_t minimum_bits_per_sample
    const int32_t maximum_bits_per_sample
    const int32_t maximum_color_transformation
    const int32_t maximum_preset_value
    const uint32_t maximum_restart_interval
    const size_t maximum_segment_data_size
    const int32_t maximum_application_data_number
    const uint64_t samples_per_task

    int32_t default_interleave_mode(int32_t component_count)
    uint32_t automatic_restart_interval(const dicom_jpegls_frame_info& frame)
    status check_encoding(
        const dicom_jpegls_frame_info& frame, const dicom_jpegls_encoding_parameters& parameters)
    uint64_t max_encoded_size(const dicom_jpegls_frame_info& frame)

    cppclass header_segments:
        optional[spiff_header] spiff
        vector[annotation] annotations
        uint64_t annotations_size()

    cppclass image_source:
        const uint8_t* samples
        image_layout layout
        dicom_jpegls_frame_info frame
        dicom_jpegls_encoding_parameters parameters
        header_segments segments

    optional[int32_t] find_unsafe_sample(const image_source& image)

    cppclass encoded_size:
        status error
        size_t size

    cppclass encoded_stream:
        status error
        heap_bytes bytes

    cppclass strip_encoder:
        strip_encoder()
        strip_encoder(const image_source& image) except +

        @staticmethod
        bool is_needed(const image_source& image)
        size_t count()
        status encode(size_t first, size_t last)
        encoded_size join()
        void write(uint8_t* destination)

    encoded_size encode_image(const image_source& image, uint8_t* destination, size_t destination_size)
    encoded_stream encode_image(const image_source& image)


cdef extern from "codec/many.hpp" namespace "dicom_jpegls" nogil:
    bool has_lanes()
    bool use_lanes(bool use)
    vector[size_t] batch_sizes(size_t count, size_t workers) except +
    size_t items_at_once(size_t count, size_t workers, size_t most)
    uint32_t piece_height(const inspected_stream& source, size_t workers)
    bool fills_lanes(const inspected_stream& source)

    cppclass decoding:
        const inspected_stream* source
        uint8_t* samples
        image_layout layout
        status error

    cppclass encoding:
        encoding()
        encoding(const image_source& image)
        status error()
        size_t size()
        void write(uint8_t* destination)

    cppclass many_coder:
        void decode(decoding* decodings, size_t count)
        status decode_pieces(
            const inspected_stream& source, const piece* pieces, size_t count, uint8_t* samples,
            const image_layout& layout)
        void encode(encoding* encodings, size_t count)
        status encode_strips(strip_encoder& strips, size_t first, size_t last)


cdef extern from "dicom_jpegls/dicom_jpegls.h" nogil:
    const char* DICOM_JPEGLS_CAPSULE

    ctypedef struct dicom_jpegls_api:
        pass


cdef extern from "codec/c_api.hpp" namespace "dicom_jpegls::c_api" nogil:
    int c_read_info "dicom_jpegls::c_api::read_info"(
        const uint8_t* source, size_t source_size, dicom_jpegls_stream_info* info)
    int c_decode "dicom_jpegls::c_api::decode"(
        const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
        dicom_jpegls_stream_info* info)
    int c_decode_signed "dicom_jpegls::c_api::decode_signed"(
        const uint8_t* source, size_t source_size, uint8_t* destination, size_t destination_size, size_t stride,
        dicom_jpegls_stream_info* info)
    int c_encode "dicom_jpegls::c_api::encode"(
        const uint8_t* source, size_t source_size, size_t stride, const dicom_jpegls_frame_info* frame,
        const dicom_jpegls_encoding_parameters* parameters, uint8_t* destination, size_t destination_size,
        size_t* bytes_written)
    int c_decode_many "dicom_jpegls::c_api::decode_many"(dicom_jpegls_decoding* items, size_t count, size_t workers)
    int c_encode_many "dicom_jpegls::c_api::encode_many"(dicom_jpegls_encoding* items, size_t count, size_t workers)
    int c_max_encoded_size "dicom_jpegls::c_api::max_encoded_size"(
        const dicom_jpegls_frame_info* frame, uint64_t* size)
    const char* error_text(int code)
    const char* version()
    const dicom_jpegls_api table
