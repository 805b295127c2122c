# Binds native/stream.hpp: the marker-level structure of a JPEG-LS stream.
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool


cdef extern from "stream.hpp" namespace "dicom_jpegls" nogil:
    enum: marker_com
    enum: marker_app0
    enum: marker_app8
    enum: marker_app15
    enum: marker_sos

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
        const char* text
        fault_kind kind

    const fault_description* describe(int code)

    cppclass segment:
        uint8_t code
        size_t offset
        size_t data
        size_t size

    cppclass segment_reader:
        segment_reader(const uint8_t* stream, size_t size)
        fault next(segment& result)
        bool skip_entropy_coded_data()

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

    bool read_spiff_header(const uint8_t* data, size_t size, spiff_header& header)
    int32_t read_color_transformation(const uint8_t* data, size_t size)

    cppclass preset_coding_parameters:
        int32_t maximum_sample_value
        int32_t threshold1
        int32_t threshold2
        int32_t threshold3
        int32_t reset_value

    int32_t maximum_near_lossless(int32_t bits_per_sample)
    fault complete_presets(
        preset_coding_parameters& presets, int32_t bits_per_sample, int32_t near_lossless, bool sample_interleave)
    const uint32_t default_maximum_dimension
    const uint32_t highest_maximum_dimension
    const uint64_t default_maximum_samples

    cppclass limits:
        uint32_t dimension
        uint64_t samples

    enum: interleave_none
    enum: interleave_line
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
        bool has_scan
        size_t zero_before_end

    cppclass refusal:
        fault code
        size_t offset
        uint8_t marker
        int64_t value

    cppclass piece:
        size_t begin
        size_t end
        uint32_t first_line
        uint32_t line_count
        int32_t first_component
        bool place_is_sure

    cppclass piece_list:
        piece* items
        size_t capacity
        uint32_t lines
        size_t count

    fault inspect(
        const uint8_t* stream, size_t size, const limits& allowed, stream_info& info, refusal& at)
    fault inspect(
        const uint8_t* stream, size_t size, const limits& allowed, stream_info& info, refusal& at, piece_list* pieces)
    fault salvage(
        const uint8_t* stream, size_t size, const limits& allowed, stream_info& info, refusal& at, piece_list& pieces)

    enum: piece_overhead
    size_t write_piece(
        const uint8_t* stream, const stream_info& info, const piece& part, uint32_t line_count, uint8_t* destination)

    cppclass coded_data:
        const uint8_t* begin
        size_t size

    coded_data first_scan_data(const uint8_t* stream, size_t size)
    size_t join(
        const uint8_t* model, size_t model_size, uint32_t width, uint32_t height, uint32_t restart_interval,
        const coded_data* intervals, size_t intervals_per_scan, uint8_t* destination)
