# Binds native/stream: the marker-level structure of a JPEG-LS stream.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool
from libcpp.vector cimport vector


cdef extern from "stream/bytes.hpp" namespace "dicom_jpegls" nogil:
    struct byte_span:
        const uint8_t* data
        size_t size


cdef extern from "stream/faults.hpp" namespace "dicom_jpegls" nogil:
    ctypedef enum fault:
        pass
    fault fault_none "dicom_jpegls::fault::none"
    fault fault_changed "dicom_jpegls::fault::changed"
    fault fault_color_transformation_use "dicom_jpegls::fault::color_transformation_use"
    enum: first_fault_code

    ctypedef enum fault_kind:
        pass
    fault_kind fault_kind_unsupported "dicom_jpegls::fault_kind::unsupported"

    cppclass fault_description:
        const char* name
        fault_kind kind
        const char* text

    const fault_description* describe(int code)

    cppclass inspection_error:
        fault code
        uint8_t marker
        size_t offset
        int64_t value


cdef extern from "stream/annotations.hpp" namespace "dicom_jpegls" nogil:
    enum: marker_com
    enum: marker_app0

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


cdef extern from "stream/presets.hpp" namespace "dicom_jpegls" nogil:
    cppclass preset_coding_parameters:
        int32_t maximum_sample_value
        int32_t threshold1
        int32_t threshold2
        int32_t threshold3
        int32_t reset_value

    cppclass completed_presets:
        fault error
        preset_coding_parameters presets

    int32_t maximum_near_lossless(int32_t bits_per_sample)
    completed_presets complete_presets(
        preset_coding_parameters presets, int32_t bits_per_sample, int32_t near_lossless, bool sample_interleave)


cdef extern from "stream/stream_info.hpp" namespace "dicom_jpegls" nogil:
    const uint32_t default_maximum_dimension
    const uint32_t highest_maximum_dimension
    const uint64_t default_maximum_samples

    cppclass limits:
        uint32_t dimension
        uint64_t samples

    enum: interleave_none
    enum: interleave_sample

    bool can_interleave(int32_t component_count)

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
        size_t zero_before_end

    cppclass inspection:
        stream_info info
        inspection_error error

    cppclass piece:
        size_t begin
        size_t end
        uint32_t first_line
        uint32_t line_count
        int32_t first_component
        bool position_is_certain

    cppclass piece_list:
        stream_info info
        inspection_error error
        vector[piece] pieces


cdef extern from "stream/inspector.hpp" namespace "dicom_jpegls" nogil:
    inspection inspect(byte_span stream, const limits& allowed)
    piece_list inspect_pieces(byte_span stream, const limits& allowed, uint32_t minimum_lines) except +


cdef extern from "stream/salvage.hpp" namespace "dicom_jpegls" nogil:
    piece_list salvage(byte_span stream, const limits& allowed, uint32_t minimum_lines) except +


cdef extern from "stream/pieces.hpp" namespace "dicom_jpegls" nogil:
    size_t piece_stream_size_limit(const piece& part)
    size_t write_piece(
        byte_span stream, const stream_info& info, const piece& part, uint32_t line_count, uint8_t* destination)
    byte_span first_scan_data(byte_span stream)
    size_t join(
        byte_span model, uint32_t width, uint32_t height, uint32_t restart_interval, const vector[byte_span]& intervals,
        size_t intervals_per_scan, uint8_t* destination)
