// SPDX-License-Identifier: MIT
//
// The marker-level structure of a JPEG-LS stream (ITU-T T.87 annex C, ITU-T T.81 annex B).
//
// `inspect` walks a stream once, from SOI to EOI, and either fills a `stream_info` or says what is wrong and where.
// It runs in front of CharLS: a stream it accepts has one frame header, sound segments, scans of a kind that CharLS
// decodes rightly, and entropy-coded data that ends at a marker. Plain C++: no Python, no CharLS, no heap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace dicom_jpegls {

// Marker codes: the byte after FF (T.81 table B.1, T.87 C.1.1).
enum marker : std::uint8_t
{
    marker_sof0 = 0xC0,
    marker_dht = 0xC4,
    marker_dac = 0xCC,
    marker_sof15 = 0xCF,
    marker_rst0 = 0xD0,
    marker_rst7 = 0xD7,
    marker_soi = 0xD8,
    marker_eoi = 0xD9,
    marker_sos = 0xDA,
    marker_dnl = 0xDC,
    marker_dri = 0xDD,
    marker_app0 = 0xE0,
    marker_app8 = 0xE8,
    marker_app15 = 0xEF,
    marker_sof55 = 0xF7,
    marker_lse = 0xF8,
    marker_sof57 = 0xF9,
    marker_com = 0xFE,
};

// What can be wrong with a stream: name, whether the stream is damaged or merely of an unsupported kind, and the
// sentence that a reader of the error sees. The numbers start behind CharLS's own codes.
#define DICOM_JPEGLS_FAULTS(FAULT)                                                                                     \
    FAULT(no_start_of_image, invalid, "the stream does not start with an SOI marker (FFD8)")                           \
    FAULT(truncated, invalid, "the stream ends inside a marker segment")                                               \
    FAULT(marker_expected, invalid, "a marker (FF) is expected here")                                                  \
    FAULT(segment_length, invalid, "the marker segment's length is wrong for its kind")                                \
    FAULT(unknown_marker, invalid, "the marker is not one that a JPEG-LS stream may hold (T.87 C.1.1)")                \
    FAULT(unexpected_marker, invalid, "the marker may not stand at this place")                                        \
    FAULT(other_jpeg_process, unsupported, "the frame header is of another JPEG process, not JPEG-LS (SOF55, FFF7)")   \
    FAULT(line_count_later, unsupported, "the height is 0: the number of lines is given later, by a DNL segment")      \
    FAULT(bits_per_sample, invalid, "the sample precision is not in 2..16 (T.87 C.2.2)")                               \
    FAULT(dimension_missing, invalid, "the width is 0")                                                                \
    FAULT(dimension_repeated, invalid, "the width or the height is given twice")                                       \
    FAULT(dimension_too_large, unsupported, "the width or the height is above the limit (max_dimension)")              \
    FAULT(too_many_samples, unsupported, "width x height x components is above the limit (max_samples)")               \
    FAULT(component_count, invalid, "the number of components is 0")                                                   \
    FAULT(component_repeated, invalid, "a component id stands twice in the frame header")                              \
    FAULT(subsampling, unsupported, "components are subsampled, which CharLS cannot decode and DICOM does not use")    \
    FAULT(preset_type, invalid, "the LSE segment's type is unknown (T.87 C.2.4.1)")                                    \
    FAULT(preset_extension, unsupported, "the LSE segment's type belongs to the extensions of T.870")                  \
    FAULT(mapping_table, unsupported, "the stream uses mapping tables (palettes)")                                     \
    FAULT(preset_value, invalid, "a preset coding parameter is out of range (T.87 C.2.4.1.1)")                         \
    FAULT(preset_maximum, unsupported, "MAXVAL is not 2^P - 1, which CharLS does not code rightly")                    \
    FAULT(preset_reset, unsupported, "RESET is above 255, or not 64 in sample interleave, which CharLS cannot code")   \
    FAULT(color_transformation, invalid, "the colour transformation's number is unknown")                              \
    FAULT(color_transformation_kind, unsupported, "a colour transformation other than HP1, HP2 and HP3")               \
    FAULT(color_transformation_use, unsupported,                                                                       \
          "a colour transformation outside lossless, interleaved, 3 components of 8 or 16 bits")                       \
    FAULT(scan_components, invalid, "the scan's number of components is not 1 and not that of the frame")              \
    FAULT(scan_component, invalid, "the scan names a component that the frame lacks or an earlier scan has coded")     \
    FAULT(scan_order, unsupported, "the scans hold the components in another order than the frame header")             \
    FAULT(near_lossless, invalid, "NEAR is above min(255, MAXVAL / 2) (T.87 C.2.3)")                                   \
    FAULT(interleave_mode, invalid, "the interleave mode is not one for the scan's number of components (T.87 C.2.3)") \
    FAULT(interleave_mode_two, unsupported, "line or sample interleave of other than 3 or 4 components")               \
    FAULT(point_transform, unsupported, "the scan uses a point transform")                                             \
    FAULT(scans_missing, invalid, "the stream ends before every component has been coded")                             \
    FAULT(restart_marker, invalid, "the restart marker is out of place or out of sequence")                            \
    FAULT(restart_marker_missing, invalid, "the scan has fewer restart markers than its restart interval asks for")    \
    FAULT(scan_data_too_short, invalid, "the scan's data cannot hold an image of this size")                           \
    FAULT(no_end_of_image, invalid, "the stream ends without an EOI marker (FFD9): it is truncated")                   \
    FAULT(changed, invalid, "the stream's bytes changed while it was being decoded")

enum class fault_kind
{
    invalid,
    unsupported,
};

constexpr int first_fault_code = 1000;

enum class fault : int
{
    none = 0,
    before_first = first_fault_code - 1,
#define DICOM_JPEGLS_FAULT_NAME(name, kind, text) name,
    DICOM_JPEGLS_FAULTS(DICOM_JPEGLS_FAULT_NAME)
#undef DICOM_JPEGLS_FAULT_NAME
        behind_last
};

struct fault_description
{
    const char* name;
    const char* text;
    fault_kind kind;
};

// The description of a fault code; nullptr for a number that is none.
inline const fault_description* describe(const int code) noexcept
{
    static constexpr fault_description descriptions[] = {
#define DICOM_JPEGLS_FAULT_DESCRIPTION(name, kind, text) {#name, text, fault_kind::kind},
        DICOM_JPEGLS_FAULTS(DICOM_JPEGLS_FAULT_DESCRIPTION)
#undef DICOM_JPEGLS_FAULT_DESCRIPTION
    };
    if (code < first_fault_code || code >= static_cast<int>(fault::behind_last))
        return nullptr;
    return &descriptions[code - first_fault_code];
}

#undef DICOM_JPEGLS_FAULTS

// One marker and, where it has one, its segment's data. All positions are byte offsets from the stream's start.
struct segment
{
    std::uint8_t code;  // the marker's byte after FF
    std::size_t offset; // of the FF right before that byte
    std::size_t data;   // of the first byte behind the length field
    std::size_t size;   // bytes of data; 0 for a marker that stands alone
};

// Takes a stream apart into segments. Knows which markers stand alone and how entropy-coded data ends; everything else
// about the order of segments is the caller's.
class segment_reader final
{
public:
    segment_reader(const std::uint8_t* stream, const std::size_t size) noexcept : stream_{stream}, size_{size}
    {
    }

    // Reads the marker at the current position, which may be preceded by fill bytes FF (T.81 B.1.1.2).
    fault next(segment& result) noexcept
    {
        result = {0, position_, position_, 0};
        if (position_ == size_)
            return fault::no_end_of_image;
        if (stream_[position_] != 0xFF)
            return fault::marker_expected;
        while (position_ < size_ && stream_[position_] == 0xFF)
            ++position_;
        result.offset = position_ - 1;
        if (position_ == size_)
            return fault::truncated;
        result.code = stream_[position_++];
        result.data = position_;
        if (result.code == marker_soi || result.code == marker_eoi ||
            (result.code >= marker_rst0 && result.code <= marker_rst7))
            return fault::none;
        if (result.code < marker_sof0)
            return fault::unknown_marker;
        if (size_ - position_ < 2)
            return fault::truncated;
        const std::size_t length = (std::size_t{stream_[position_]} << 8) | stream_[position_ + 1];
        if (length < 2)
            return fault::segment_length;
        if (length > size_ - position_)
            return fault::truncated;
        result.data = position_ + 2;
        result.size = length - 2;
        position_ += length;
        return fault::none;
    }

    // Moves over entropy-coded data to the next marker: FF followed by a byte with its high bit set (T.87 A.1).
    // False when the stream ends first.
    bool skip_entropy_coded_data() noexcept
    {
        while (position_ < size_)
        {
            const void* found = std::memchr(stream_ + position_, 0xFF, size_ - position_);
            if (!found)
                break;
            position_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - stream_);
            if (position_ + 1 < size_ && (stream_[position_ + 1] & 0x80) != 0)
                return true;
            ++position_;
        }
        position_ = size_;
        return false;
    }

    // Moves over bytes that belong to nothing.
    void skip(const std::size_t bytes) noexcept
    {
        position_ += std::min(bytes, size_ - position_);
    }

    std::size_t position() const noexcept
    {
        return position_;
    }

private:
    const std::uint8_t* stream_;
    std::size_t size_;
    std::size_t position_{};
};

// A segment's data, read front to back as big-endian numbers. The caller checks the size first.
class field_reader final
{
public:
    explicit field_reader(const std::uint8_t* data) noexcept : position_{data}
    {
    }

    std::uint32_t number(const int bytes) noexcept
    {
        std::uint32_t value{};
        for (int i{}; i < bytes; ++i)
            value = (value << 8) | *position_++;
        return value;
    }

    bool starts_with(const char* text, const std::size_t length) noexcept
    {
        const bool equal = std::memcmp(position_, text, length) == 0;
        position_ += length;
        return equal;
    }

private:
    const std::uint8_t* position_;
};

// The Still Picture Interchange File Format header that an APP8 segment may hold (ISO/IEC 10918-3 annex F).
struct spiff_header
{
    std::int32_t profile_id;
    std::int32_t component_count;
    std::uint32_t height;
    std::uint32_t width;
    std::int32_t color_space;
    std::int32_t bits_per_sample;
    std::int32_t compression_type;
    std::int32_t resolution_units;
    std::uint32_t vertical_resolution;
    std::uint32_t horizontal_resolution;
};

constexpr std::size_t spiff_header_data_size{30};

// Whether an APP8 segment's data is a SPIFF header that decoders read (major version 2 or lower); reads it if so.
inline bool read_spiff_header(const std::uint8_t* data, const std::size_t size, spiff_header& header) noexcept
{
    if (size < spiff_header_data_size)
        return false;
    field_reader fields{data};
    if (!fields.starts_with("SPIFF\0", 6) || fields.number(1) > 2)
        return false;
    fields.number(1); // minor version
    header.profile_id = static_cast<std::int32_t>(fields.number(1));
    header.component_count = static_cast<std::int32_t>(fields.number(1));
    header.height = fields.number(4);
    header.width = fields.number(4);
    header.color_space = static_cast<std::int32_t>(fields.number(1));
    header.bits_per_sample = static_cast<std::int32_t>(fields.number(1));
    header.compression_type = static_cast<std::int32_t>(fields.number(1));
    header.resolution_units = static_cast<std::int32_t>(fields.number(1));
    header.vertical_resolution = fields.number(4);
    header.horizontal_resolution = fields.number(4);
    return true;
}

// The number of the colour transformation that an APP8 segment's data names ("mrfx", a HP extension); -1 if none.
inline std::int32_t read_color_transformation(const std::uint8_t* data, const std::size_t size) noexcept
{
    field_reader fields{data};
    if (size != 5 || !fields.starts_with("mrfx", 4))
        return -1;
    return static_cast<std::int32_t>(fields.number(1));
}

// T.87 C.2.4.1.1, table C.1; in a stream 0 stands for the default value.
struct preset_coding_parameters
{
    std::int32_t maximum_sample_value;
    std::int32_t threshold1;
    std::int32_t threshold2;
    std::int32_t threshold3;
    std::int32_t reset_value;
};

constexpr std::int32_t default_reset_value{64};

constexpr std::int32_t maximum_sample_value(const std::int32_t bits_per_sample) noexcept
{
    return (1 << bits_per_sample) - 1;
}

// T.87 C.2.3.
constexpr std::int32_t maximum_near_lossless(const std::int32_t bits_per_sample) noexcept
{
    return std::min(255, maximum_sample_value(bits_per_sample) / 2);
}

// Default thresholds (T.87 C.2.4.1.1.1).
inline preset_coding_parameters default_preset_coding_parameters(const std::int32_t maximum,
                                                                 const std::int32_t near_lossless) noexcept
{
    // CLAMP of T.87 figure C.3: out of range gives the lower bound.
    const auto clamp = [maximum](const std::int32_t value, const std::int32_t low) noexcept {
        return value > maximum || value < low ? low : value;
    };
    constexpr std::int32_t basic1{3};
    constexpr std::int32_t basic2{7};
    constexpr std::int32_t basic3{21};

    preset_coding_parameters result{maximum, 0, 0, 0, default_reset_value};
    if (maximum >= 128)
    {
        const std::int32_t factor = (std::min(maximum, 4095) + 128) / 256;
        result.threshold1 = clamp(factor * (basic1 - 2) + 2 + 3 * near_lossless, near_lossless + 1);
        result.threshold2 = clamp(factor * (basic2 - 3) + 3 + 5 * near_lossless, result.threshold1);
        result.threshold3 = clamp(factor * (basic3 - 4) + 4 + 7 * near_lossless, result.threshold2);
    }
    else
    {
        const std::int32_t factor = 256 / (maximum + 1);
        result.threshold1 = clamp(std::max(2, basic1 / factor + 3 * near_lossless), near_lossless + 1);
        result.threshold2 = clamp(std::max(3, basic2 / factor + 5 * near_lossless), result.threshold1);
        result.threshold3 = clamp(std::max(4, basic3 / factor + 7 * near_lossless), result.threshold2);
    }
    return result;
}

// Replaces the zeros of `presets` by their defaults and checks the result against T.87 table C.1 and against what
// CharLS codes rightly: it ignores MAXVAL, keeps RESET in 8 bits, and has no codec for sample interleave with a RESET
// other than 64.
inline fault complete_presets(preset_coding_parameters& presets, const std::int32_t bits_per_sample,
                              const std::int32_t near_lossless, const bool sample_interleave) noexcept
{
    const std::int32_t maximum = maximum_sample_value(bits_per_sample);
    if (presets.maximum_sample_value > maximum)
        return fault::preset_value;
    if (presets.maximum_sample_value != 0 && presets.maximum_sample_value != maximum)
        return fault::preset_maximum;
    presets.maximum_sample_value = maximum;

    const preset_coding_parameters defaults = default_preset_coding_parameters(maximum, near_lossless);
    std::int32_t lower = near_lossless + 1;
    for (const auto threshold :
         {&preset_coding_parameters::threshold1, &preset_coding_parameters::threshold2,
          &preset_coding_parameters::threshold3})
    {
        if (presets.*threshold == 0)
            presets.*threshold = defaults.*threshold;
        if (presets.*threshold < lower || presets.*threshold > maximum)
            return fault::preset_value;
        lower = presets.*threshold;
    }

    if (presets.reset_value == 0)
        presets.reset_value = default_reset_value;
    if (presets.reset_value < 3 || presets.reset_value > std::max(255, maximum))
        return fault::preset_value;
    if (presets.reset_value > 255 || (sample_interleave && presets.reset_value != default_reset_value))
        return fault::preset_reset;
    return fault::none;
}

constexpr std::uint32_t default_maximum_dimension{65535}; // DICOM's: Rows and Columns are 16-bit numbers
constexpr std::uint32_t highest_maximum_dimension{100000}; // that of CharLS since 2.4.4

// A gigabyte of 16-bit samples: above all but the largest slides, far below what a few kilobytes can claim to hold.
constexpr std::uint64_t default_maximum_samples{std::uint64_t{1} << 29};

// What a stream may ask for, checked before anybody allocates memory for it.
struct limits
{
    std::uint32_t dimension{default_maximum_dimension}; // of the width and of the height
    std::uint64_t samples{default_maximum_samples};     // width x height x components
};

enum interleave_mode : std::int32_t
{
    interleave_none = 0,
    interleave_line = 1,
    interleave_sample = 2,
};

// What `inspect` learns. Where scans differ, the presets are those of the first and NEAR is the largest.
struct stream_info
{
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t component_count;
    std::int32_t interleave_mode;
    std::int32_t near_lossless;
    std::int32_t color_transformation;
    std::uint32_t restart_interval; // lines; 0 for none
    preset_coding_parameters presets;
    bool has_spiff_header;
    spiff_header spiff;
    std::size_t annotation_count; // COM and APPn segments, whatever they hold
    std::size_t size;             // bytes from SOI to EOI, both included
    std::size_t trailing_size;    // bytes behind EOI, without 00 and FF padding at their end
    bool has_scan;                // a scan header was found in order: what stands above is complete
    std::size_t zero_before_end;  // where a lone 00 byte stands before EOI, as some old encoders put it; 0 for nowhere
};

// Where and why a stream was refused. `value` is what was found; -1 when the place says it all.
struct refusal
{
    fault code;
    std::size_t offset;
    std::uint8_t marker; // of the segment at that place; 0 for none
    std::int64_t value;
};

// A part of a stream that can be decoded for itself, because all coding state starts anew with it (T.87 C.2.5): a scan,
// or some restart intervals of one that follow each other.
struct piece
{
    std::size_t begin; // of the entropy-coded data
    std::size_t end;   // where the marker behind that data starts
    std::uint32_t first_line;
    std::uint32_t line_count;
    std::uint32_t restart_interval; // lines
    std::int32_t first_component;
    std::int32_t component_count; // of the scan
    std::int32_t near_lossless;
    preset_coding_parameters presets;
    bool place_is_sure; // false: it is at first_line only if the last piece of its scan turns out to be cut off
};

// Where `inspect` puts the pieces of a stream. All are counted, also those that find no room.
struct piece_list
{
    piece* items;
    std::size_t capacity;
    std::uint32_t lines; // a piece gets intervals until it has this many lines, or its scan ends
    std::size_t count;
};

class inspector final
{
public:
    inspector(const std::uint8_t* stream, const std::size_t size, const limits& allowed, stream_info& info,
              piece_list* pieces) noexcept :
        stream_{stream}, size_{size}, allowed_{allowed}, reader_{stream, size}, info_{info}, pieces_{pieces}
    {
        info_ = {};
        if (pieces_)
            pieces_->count = 0;
    }

    // Returns fault::none, or a code with `at` filled.
    fault run(refusal& at) noexcept
    {
        const fault code = walk();
        at = {code, current_.offset, current_.code, value_};
        return code;
    }

    // Goes on behind damage in entropy-coded data; `at` tells of the first. The pieces are those whose place in the image
    // is known; they, too, may turn out to be damaged.
    fault salvage(refusal& at) noexcept
    {
        salvages_ = true;
        const fault code = walk();
        if (code != fault::none)
            note_damage(code, value_);
        at = first_damage_;
        return at.code;
    }

private:
    fault refuse(const fault code, const std::int64_t value) noexcept
    {
        value_ = value;
        return code;
    }

    void note_damage(const fault code, const std::int64_t value) noexcept
    {
        if (first_damage_.code == fault::none)
            first_damage_ = {code, current_.offset, current_.code, value};
    }

    bool all_components_coded() const noexcept
    {
        return info_.has_scan && components_coded_ == info_.component_count;
    }

    fault walk() noexcept
    {
        if (reader_.next(current_) != fault::none || current_.code != marker_soi || current_.offset != 0)
        {
            current_ = {};
            return fault::no_start_of_image;
        }
        for (;;)
        {
            if (const fault code = reader_.next(current_); code != fault::none)
                return code;
            if (current_.code == marker_eoi)
                return end_of_image();
            if (all_components_coded() && current_.code != marker_sos && current_.code != marker_dnl)
                return fault::unexpected_marker; // only EOI may follow the last scan
            if (const fault code = segment_fault(); code != fault::none)
                return code;
        }
    }

    fault segment_fault() noexcept
    {
        switch (current_.code)
        {
        case marker_sof55:
            return start_of_frame();
        case marker_sos:
            return start_of_scan();
        case marker_lse:
            return preset_parameters();
        case marker_dri:
            return restart_interval();
        case marker_dnl:
            return fault::line_count_later;
        case marker_soi:
            return fault::unexpected_marker;
        case marker_com:
            ++info_.annotation_count;
            return fault::none;
        case marker_sof57:
            return fault::other_jpeg_process;
        default:
            break;
        }
        if (current_.code >= marker_app0 && current_.code <= marker_app15)
            return application_data();
        if (current_.code >= marker_rst0 && current_.code <= marker_rst7)
            return fault::restart_marker;
        if (current_.code >= marker_sof0 && current_.code <= marker_sof15 && current_.code != marker_dht &&
            current_.code != 0xC8 && current_.code != marker_dac)
            return fault::other_jpeg_process;
        return fault::unknown_marker;
    }

    // T.87 C.2.2.
    fault start_of_frame() noexcept
    {
        if (info_.bits_per_sample != 0)
            return fault::unexpected_marker;
        if (current_.size < 6)
            return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
        field_reader fields{stream_ + current_.data};
        const auto bits_per_sample = static_cast<std::int32_t>(fields.number(1));
        if (bits_per_sample < 2 || bits_per_sample > 16)
            return refuse(fault::bits_per_sample, bits_per_sample);
        info_.bits_per_sample = bits_per_sample;
        const std::uint32_t height = fields.number(2);
        const std::uint32_t width = fields.number(2);
        if (const fault code = dimensions(height, width); code != fault::none)
            return code;
        info_.component_count = static_cast<std::int32_t>(fields.number(1));
        if (info_.component_count == 0)
            return fault::component_count;
        if (current_.size != 6 + std::size_t{3} * static_cast<std::size_t>(info_.component_count))
            return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
        for (std::int32_t i{}; i < info_.component_count; ++i)
        {
            const std::uint32_t id = fields.number(1);
            if (std::memchr(component_ids_, static_cast<int>(id), static_cast<std::size_t>(i)))
                return refuse(fault::component_repeated, id);
            component_ids_[i] = static_cast<std::uint8_t>(id);
            const std::uint32_t sampling = fields.number(1);
            if (sampling != 0x11)
                return refuse(fault::subsampling, sampling);
            fields.number(1); // Tq: no meaning in JPEG-LS
        }
        return fault::none;
    }

    // The frame header and an LSE segment of type 4 (T.87 C.2.4.1.4) may each give the dimensions; 0 means "not here".
    fault dimensions(const std::uint32_t height, const std::uint32_t width) noexcept
    {
        for (const auto& [value, place] : {std::pair{height, &info_.height}, std::pair{width, &info_.width}})
        {
            if (value == 0)
                continue;
            if (*place != 0)
                return refuse(fault::dimension_repeated, value);
            if (value > allowed_.dimension)
                return refuse(fault::dimension_too_large, value);
            *place = value;
        }
        return fault::none;
    }

    // T.87 C.2.4.1.
    fault preset_parameters() noexcept
    {
        if (current_.size < 1)
            return refuse(fault::segment_length, 0);
        field_reader fields{stream_ + current_.data};
        const std::uint32_t type = fields.number(1);
        switch (type)
        {
        case 1: {
            if (current_.size != 11)
                return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
            for (const auto field :
                 {&preset_coding_parameters::maximum_sample_value, &preset_coding_parameters::threshold1,
                  &preset_coding_parameters::threshold2, &preset_coding_parameters::threshold3,
                  &preset_coding_parameters::reset_value})
                presets_.*field = static_cast<std::int32_t>(fields.number(2));
            return fault::none; // checked at each SOS: the ranges depend on precision and NEAR
        }
        case 2:
        case 3:
            return refuse(fault::mapping_table, type);
        case 4: {
            if (info_.has_scan)
                return refuse(fault::unexpected_marker, type);
            if (current_.size < 2)
                return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
            const std::uint32_t bytes = fields.number(1);
            if (bytes < 2 || bytes > 4 || current_.size != 2 + std::size_t{2} * bytes)
                return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
            const std::uint32_t height = fields.number(static_cast<int>(bytes));
            const std::uint32_t width = fields.number(static_cast<int>(bytes));
            return dimensions(height, width);
        }
        default:
            return refuse(type >= 5 && type <= 13 && type != 11 ? fault::preset_extension : fault::preset_type, type);
        }
    }

    // T.87 C.2.5: 2, 3 or 4 bytes.
    fault restart_interval() noexcept
    {
        if (current_.size < 2 || current_.size > 4)
            return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
        restart_interval_ = field_reader{stream_ + current_.data}.number(static_cast<int>(current_.size));
        return fault::none;
    }

    fault application_data() noexcept
    {
        ++info_.annotation_count;
        if (current_.code != marker_app8)
            return fault::none;
        const std::uint8_t* data = stream_ + current_.data;
        if (!info_.has_spiff_header && !info_.has_scan)
            info_.has_spiff_header = read_spiff_header(data, current_.size, info_.spiff);
        const std::int32_t transformation = read_color_transformation(data, current_.size);
        if (transformation < 0)
            return fault::none;
        if (transformation > 5)
            return refuse(fault::color_transformation, transformation);
        if (transformation > 3)
            return refuse(fault::color_transformation_kind, transformation);
        if (info_.has_scan && transformation != info_.color_transformation)
            return refuse(fault::color_transformation_use, transformation);
        info_.color_transformation = transformation;
        return fault::none;
    }

    // T.87 C.2.3. Accepts one scan of all components, or one of each with interleave mode none.
    fault start_of_scan() noexcept
    {
        if (info_.bits_per_sample == 0)
            return fault::unexpected_marker;
        if (info_.width == 0)
            return fault::dimension_missing;
        if (info_.height == 0)
            return fault::line_count_later; // T.81 B.2.5
        const std::uint64_t samples =
            std::uint64_t{info_.width} * info_.height * static_cast<std::uint64_t>(info_.component_count);
        if (samples > allowed_.samples)
            return refuse(fault::too_many_samples, static_cast<std::int64_t>(samples));
        if (current_.size < 1)
            return refuse(fault::segment_length, 0);
        field_reader fields{stream_ + current_.data};
        const auto count = static_cast<std::int32_t>(fields.number(1));
        if (count != 1 && (count != info_.component_count || components_coded_ != 0))
            return refuse(fault::scan_components, count);
        if (current_.size != 4 + std::size_t{2} * static_cast<std::size_t>(count))
            return refuse(fault::segment_length, static_cast<std::int64_t>(current_.size));
        for (std::int32_t i{}; i < count; ++i)
        {
            // CharLS takes the components as they come, whatever their ids.
            const std::uint32_t id = fields.number(1);
            const std::uint8_t* next = component_ids_ + components_coded_;
            const auto left = static_cast<std::size_t>(info_.component_count - components_coded_);
            if (!std::memchr(next, static_cast<int>(id), left))
                return refuse(fault::scan_component, id);
            if (*next != id)
                return refuse(fault::scan_order, id);
            ++components_coded_;
            if (const std::uint32_t table = fields.number(1); table != 0)
                return refuse(fault::mapping_table, table);
        }
        const auto near_lossless = static_cast<std::int32_t>(fields.number(1));
        if (near_lossless > maximum_near_lossless(info_.bits_per_sample))
            return refuse(fault::near_lossless, near_lossless);
        const auto mode = static_cast<std::int32_t>(fields.number(1));
        if (mode > interleave_sample || (mode == interleave_none) != (count == 1))
            return refuse(fault::interleave_mode, mode);
        if (mode != interleave_none && count != 3 && count != 4)
            return refuse(fault::interleave_mode_two, count);
        if (const std::uint32_t transform = fields.number(1); transform != 0)
            return refuse(fault::point_transform, transform);
        if (info_.color_transformation != 0 &&
            (mode == interleave_none || count != 3 || near_lossless != 0 || info_.bits_per_sample % 8 != 0))
            return refuse(fault::color_transformation_use, info_.color_transformation);

        preset_coding_parameters presets{presets_};
        if (const fault code =
                complete_presets(presets, info_.bits_per_sample, near_lossless, mode == interleave_sample);
            code != fault::none)
            return code;
        if (!info_.has_scan)
        {
            info_.has_scan = true;
            info_.interleave_mode = mode;
            info_.presets = presets;
            info_.restart_interval = restart_interval_;
        }
        info_.near_lossless = std::max(info_.near_lossless, near_lossless);
        const std::uint32_t interval = restart_interval_ == 0 ? info_.height : std::min(restart_interval_, info_.height);
        const piece scan{0, 0, 0, 0, interval, components_coded_ - count, count, near_lossless, presets, true};
        return salvages_ ? salvage_scan_data(scan) : scan_data(scan);
    }

    // How many restart intervals a scan has.
    std::uint32_t interval_count(const piece& scan) const noexcept
    {
        return (info_.height - 1) / scan.restart_interval + 1;
    }

    // The entropy-coded data of a scan, with its restart markers: every `restart_interval_` lines, numbered modulo 8.
    fault scan_data(const piece& scan) noexcept
    {
        const segment header{current_};
        const std::size_t begin = reader_.position();
        const std::uint32_t expected = interval_count(scan) - 1;
        for (std::uint32_t found{};; ++found)
        {
            const std::size_t interval_begin = reader_.position();
            if (!reader_.skip_entropy_coded_data())
            {
                current_ = {0, reader_.position(), reader_.position(), 0};
                return fault::no_end_of_image;
            }
            scan_end_ = reader_.position();
            add_interval(scan, found, interval_begin, scan_end_);
            segment_reader ahead{reader_};
            if (const fault code = ahead.next(current_); code != fault::none)
                return code;
            if (current_.code < marker_rst0 || current_.code > marker_rst7)
            {
                if (found != expected)
                    return refuse(fault::restart_marker_missing, found);
                break;
            }
            if (found == expected || current_.code != marker_rst0 + found % 8)
                return refuse(fault::restart_marker, current_.code - marker_rst0);
            reader_ = ahead;
        }

        // A line costs at least one bit for each longest run of 2^15 samples (T.87 A.7.1, J[31] = 15).
        const std::uint64_t runs = (std::uint64_t{info_.width} + 32767) / 32768;
        const auto passes =
            static_cast<std::uint64_t>(info_.interleave_mode == interleave_line ? scan.component_count : 1);
        const std::uint64_t size = scan_end_ - begin;
        if (size * 8 < runs * info_.height * passes)
        {
            current_ = header;
            return refuse(fault::scan_data_too_short, static_cast<std::int64_t>(size));
        }
        return fault::none;
    }

    // As scan_data, for a stream that may be damaged here. The numbers of the restart markers tell how many of them are
    // missing, up to seven in a row; a marker that has no business here is taken for damaged data.
    fault salvage_scan_data(const piece& scan) noexcept
    {
        const std::size_t first = pieces_->count;
        const std::uint32_t last = interval_count(scan) - 1;
        std::size_t before_gap{};
        bool gap{};
        std::uint32_t index{};
        bool ended{};
        for (;;)
        {
            const std::size_t begin = reader_.position();
            std::uint32_t lost{};
            ended = find_end_of_interval(last - index, index, lost);
            scan_end_ = current_.offset;
            if (lost == 0)
                add_interval(scan, index, begin, scan_end_);
            else
            {
                // What lies here is the start of one interval and the end of another.
                note_damage(fault::restart_marker, current_.code - marker_rst0);
                if (!gap)
                    before_gap = pieces_->count;
                gap = true;
                last_piece_ = {};
            }
            if (!ended || current_.code < marker_rst0 || current_.code > marker_rst7)
                break;
            index += lost + 1;
        }
        if (!ended)
            note_damage(fault::no_end_of_image, -1);
        if (index == last && ended)
            return fault::none; // the last interval has the right number, so all have

        note_damage(fault::restart_marker_missing, index);
        if (gap)
            drop_pieces(before_gap);
        else if (ended)
        {
            // Cut off here, or eight intervals or a multiple are missing anywhere.
            for (std::size_t i = first; i < std::min(pieces_->count, pieces_->capacity); ++i)
                pieces_->items[i].place_is_sure = false;
        }
        return fault::none;
    }

    // Goes to the marker that ends an interval: a restart marker, of which `left` may still come, or one behind the scan.
    // `current_` is that marker then, and `lost` the number of restart markers missing in front of it. False at the end
    // of the stream. The reader stands behind a restart marker, otherwise in front of the marker.
    bool find_end_of_interval(const std::uint32_t left, const std::uint32_t index, std::uint32_t& lost) noexcept
    {
        while (reader_.skip_entropy_coded_data())
        {
            segment_reader ahead{reader_};
            if (ahead.next(current_) == fault::none)
            {
                if (current_.code >= marker_rst0 && current_.code <= marker_rst7)
                {
                    lost = (std::uint32_t{current_.code} - marker_rst0 - index) % 8;
                    if (lost < left)
                    {
                        reader_ = ahead;
                        return true;
                    }
                }
                else if (current_.code == marker_eoi || (!all_components_coded() && may_precede_scan(current_.code)))
                {
                    lost = 0;
                    return true;
                }
            }
            note_damage(fault::unexpected_marker, -1);
            reader_.skip(current_.offset + 1 - reader_.position()); // not to look at fill bytes again and again
        }
        current_ = {0, size_, size_, 0};
        lost = 0;
        return false;
    }

    static bool may_precede_scan(const std::uint8_t code) noexcept
    {
        return code == marker_sos || code == marker_lse || code == marker_dri || code == marker_com ||
               (code >= marker_app0 && code <= marker_app15);
    }

    void add_interval(const piece& scan, const std::uint32_t index, const std::size_t begin, const std::size_t end) noexcept
    {
        if (!pieces_)
            return;
        const std::uint32_t first_line = index * scan.restart_interval;
        const std::uint32_t line_count = std::min(scan.restart_interval, info_.height - first_line);
        if (last_piece_.first_component == scan.first_component && last_piece_.line_count < pieces_->lines &&
            last_piece_.line_count != 0 && last_piece_.first_line + last_piece_.line_count == first_line)
        {
            last_piece_.end = end;
            last_piece_.line_count += line_count;
        }
        else
        {
            last_piece_ = scan;
            last_piece_.begin = begin;
            last_piece_.end = end;
            last_piece_.first_line = first_line;
            last_piece_.line_count = line_count;
            ++pieces_->count;
        }
        if (pieces_->count <= pieces_->capacity)
            pieces_->items[pieces_->count - 1] = last_piece_;
    }

    void drop_pieces(const std::size_t count) noexcept
    {
        pieces_->count = count;
        last_piece_ = {};
    }

    fault end_of_image() noexcept
    {
        if (!info_.has_scan)
            return fault::unexpected_marker;
        if (!all_components_coded())
            return fault::scans_missing;
        info_.size = reader_.position();
        std::size_t end = size_;
        while (end > info_.size && (stream_[end - 1] == 0 || stream_[end - 1] == 0xFF))
            --end;
        info_.trailing_size = end - info_.size;
        if (stream_[scan_end_ - 1] == 0 && stream_[scan_end_ - 2] != 0xFF)
            info_.zero_before_end = scan_end_ - 1;
        return fault::none;
    }

    const std::uint8_t* stream_;
    std::size_t size_;
    limits allowed_;
    segment_reader reader_;
    stream_info& info_;
    piece_list* pieces_;
    piece last_piece_{};
    bool salvages_{};
    refusal first_damage_{};
    segment current_{};
    std::int64_t value_{-1};
    std::uint8_t component_ids_[255]{}; // as the frame header lists them
    std::int32_t components_coded_{};   // by the scans so far
    preset_coding_parameters presets_{};
    std::uint32_t restart_interval_{};
    std::size_t scan_end_{};
};

// Checks the structure of `stream` from SOI to EOI and fills `info` and, where it is given, `pieces`; on a fault fills `at`
// and leaves `info` partial.
inline fault inspect(const std::uint8_t* stream, const std::size_t size, const limits& allowed, stream_info& info,
                     refusal& at, piece_list* pieces = nullptr) noexcept
{
    return inspector{stream, size, allowed, info, pieces}.run(at);
}

// As `inspect`, but collects what can be tried of a damaged stream. `info` is complete if there is a piece.
inline fault salvage(const std::uint8_t* stream, const std::size_t size, const limits& allowed, stream_info& info,
                     refusal& at, piece_list& pieces) noexcept
{
    return inspector{stream, size, allowed, info, &pieces}.salvage(at);
}

// Writes a stream's markers and the numbers behind them, big-endian. Without a destination it only counts the bytes.
class stream_writer final
{
public:
    explicit stream_writer(std::uint8_t* destination) noexcept : destination_{destination}
    {
    }

    void number(const std::uint32_t value, const int bytes) noexcept
    {
        for (int i = bytes - 1; i >= 0; --i, ++size_)
            if (destination_)
                destination_[size_] = static_cast<std::uint8_t>(value >> (8 * i));
    }

    void marker(const std::uint32_t code) noexcept
    {
        number(0xFF00U | code, 2);
    }

    void bytes(const void* from, const std::size_t size) noexcept
    {
        if (destination_)
            std::memcpy(destination_ + size_, from, size);
        size_ += size;
    }

    void restart_interval(const std::uint32_t lines) noexcept
    {
        const int bytes = lines > 0xFFFF ? 4 : 2;
        marker(marker_dri);
        number(static_cast<std::uint32_t>(2 + bytes), 2);
        number(lines, bytes);
    }

    std::size_t size() const noexcept
    {
        return size_;
    }

private:
    std::uint8_t* destination_;
    std::size_t size_{};
};

// More than `write_piece` adds to the entropy-coded data: SOI, APP8, SOF55 and SOS of up to 4 components, LSE with presets
// and with dimensions, DRI, EOI.
constexpr std::size_t piece_overhead{128};

// Makes a stream of a piece, or of its first `line_count` lines: an image of its own. Of a scan that is only a part of it
// the data is longer than the image, which decoders report once they have all its lines. Needs the size of the piece's data
// and `piece_overhead`; returns what is used.
inline std::size_t write_piece(const std::uint8_t* stream, const stream_info& info, const piece& part,
                               const std::uint32_t line_count, std::uint8_t* destination) noexcept
{
    stream_writer to{destination};
    to.marker(marker_soi);
    if (info.color_transformation != 0)
    {
        to.marker(marker_app8);
        to.number(7, 2);
        to.bytes("mrfx", 4);
        to.number(static_cast<std::uint32_t>(info.color_transformation), 1);
    }
    const bool large = info.width > 0xFFFF || line_count > 0xFFFF;
    const auto component_count = static_cast<std::uint32_t>(part.component_count);
    to.marker(marker_sof55);
    to.number(8 + 3 * component_count, 2);
    to.number(static_cast<std::uint32_t>(info.bits_per_sample), 1);
    to.number(large ? 0 : line_count, 2);
    to.number(large ? 0 : info.width, 2);
    to.number(component_count, 1);
    for (std::uint32_t id{1}; id <= component_count; ++id)
        to.number(id << 16 | 0x1100, 3);
    if (large)
    {
        to.marker(marker_lse);
        to.number(12, 2);
        to.number(0x0404, 2);
        to.number(line_count, 4);
        to.number(info.width, 4);
    }
    to.marker(marker_lse);
    to.number(13, 2);
    to.number(1, 1);
    for (const auto field :
         {&preset_coding_parameters::maximum_sample_value, &preset_coding_parameters::threshold1,
          &preset_coding_parameters::threshold2, &preset_coding_parameters::threshold3,
          &preset_coding_parameters::reset_value})
        to.number(static_cast<std::uint32_t>(part.presets.*field), 2);
    if (part.restart_interval < line_count)
        to.restart_interval(part.restart_interval);
    to.marker(marker_sos);
    to.number(6 + 2 * component_count, 2);
    to.number(component_count, 1);
    for (std::uint32_t id{1}; id <= component_count; ++id)
        to.number(id << 8, 2);
    to.number(static_cast<std::uint32_t>(part.near_lossless), 1);
    to.number(static_cast<std::uint32_t>(component_count == 1 ? interleave_none : info.interleave_mode), 1);
    to.number(0, 1);

    std::uint8_t* const data = destination + to.size();
    const std::size_t size = part.end - part.begin;
    to.bytes(stream + part.begin, size);
    // In a stream of its own the restart markers are counted from 0 on.
    segment_reader reader{data, size};
    segment marker{};
    for (std::uint32_t number{}; reader.skip_entropy_coded_data() && reader.next(marker) == fault::none; ++number)
        if (marker.code >= marker_rst0 && marker.code <= marker_rst7)
            data[marker.offset + 1] = static_cast<std::uint8_t>(marker_rst0 + number % 8);
    to.marker(marker_eoi);
    return to.size();
}

// Some entropy-coded data without the marker behind it.
struct coded_data
{
    const std::uint8_t* begin;
    std::size_t size;
};

// The entropy-coded data of the first scan of a sound stream.
inline coded_data first_scan_data(const std::uint8_t* stream, const std::size_t size) noexcept
{
    segment_reader reader{stream, size};
    segment part{};
    while (reader.next(part) == fault::none)
        if (part.code == marker_sos)
        {
            const std::size_t begin = reader.position();
            reader.skip_entropy_coded_data();
            return {stream + begin, reader.position() - begin};
        }
    return {stream, 0};
}

// Makes one stream of restart intervals that were coded each for itself (T.87 C.2.5). `model` is a sound stream with the
// markers of the one that is wanted, of another size: it lends all its segments. `intervals` are those of its first scan,
// then those of its second one and so on, `intervals_per_scan` each. Returns the stream's size, which is even; without a
// destination it only counts.
inline std::size_t join(const std::uint8_t* model, const std::size_t model_size, const std::uint32_t width,
                        const std::uint32_t height, const std::uint32_t restart_interval, const coded_data* intervals,
                        const std::size_t intervals_per_scan, std::uint8_t* destination) noexcept
{
    stream_writer to{destination};
    segment_reader reader{model, model_size};
    segment part{};
    bool first_scan{true};
    while (reader.next(part) == fault::none && part.code != marker_eoi)
    {
        if (part.code == marker_sos && first_scan && intervals_per_scan > 1)
            to.restart_interval(restart_interval);
        if (part.code == marker_sof55)
        {
            to.bytes(model + part.offset, part.data + 1 - part.offset); // marker, length and precision
            to.number(height, 2);
            to.number(width, 2);
            to.bytes(model + part.data + 5, part.size - 5);
        }
        else
            to.bytes(model + part.offset, part.data + part.size - part.offset);
        if (part.code != marker_sos)
            continue;
        first_scan = false;
        reader.skip_entropy_coded_data();
        for (std::size_t i{}; i < intervals_per_scan; ++i, ++intervals)
        {
            if (i != 0)
                to.marker(marker_rst0 + static_cast<std::uint32_t>((i - 1) % 8));
            to.bytes(intervals->begin, intervals->size);
        }
    }
    if (to.size() % 2 != 0)
        to.number(0xFF, 1); // a fill byte (T.81 B.1.1.2)
    to.marker(marker_eoi);
    return to.size();
}

} // namespace dicom_jpegls
