// SPDX-License-Identifier: MIT
//
// The gate: walks a stream once, from SOI to EOI, before CharLS sees it. A stream that it accepts has one frame header,
// valid segments, scans of a kind that CharLS decodes correctly, and entropy-coded data that ends at a marker (ITU-T
// T.87 annex C, ITU-T T.81 annex B).
#pragma once

#include "stream_info.hpp"

#include <utility>

namespace dicom_jpegls {

// Joins the restart intervals of a scan to pieces of at least `minimum_lines` lines, and of at least `minimum_size`
// samples and bytes; the last of a scan may be smaller.
class piece_collector final
{
public:
    piece_collector(std::vector<piece>& pieces, const std::uint32_t minimum_lines,
                    const std::uint64_t minimum_size) noexcept :
        pieces_{pieces}, minimum_lines_{minimum_lines}, minimum_size_{minimum_size}
    {
    }

    // Adds an interval of some samples. `scan` is a piece with all that is the same for the intervals of its scan.
    void add(const piece& scan, const std::uint32_t first_line, const std::uint32_t line_count,
             const std::uint64_t sample_count, const std::size_t begin, const std::size_t end)
    {
        const std::uint64_t size = sample_count + (end - begin);
        if (can_grow_)
        {
            piece& last{pieces_.back()};
            if (last.first_component == scan.first_component && is_small() &&
                last.first_line + last.line_count == first_line)
            {
                last.end = end;
                last.line_count += line_count;
                size_ += size;
                return;
            }
        }
        piece& added{pieces_.emplace_back(scan)};
        added.begin = begin;
        added.end = end;
        added.first_line = first_line;
        added.line_count = line_count;
        size_ = size;
        can_grow_ = true;
    }

    // The next interval starts a new piece.
    void separate() noexcept
    {
        can_grow_ = false;
    }

    // The same, where the next interval may be far away: a small piece, which can no longer grow, is dropped.
    void interrupt()
    {
        if (can_grow_ && is_small())
            pieces_.pop_back();
        separate();
    }

    [[nodiscard]] std::size_t count() const noexcept
    {
        return pieces_.size();
    }

    // Drops all pieces but the first ones.
    void truncate(const std::size_t count)
    {
        pieces_.resize(count);
        separate();
    }

    void mark_uncertain(const std::size_t first) noexcept
    {
        for (std::size_t i{first}; i < pieces_.size(); ++i)
            pieces_[i].position_is_certain = false;
    }

private:
    // Whether the last piece is too small.
    [[nodiscard]] bool is_small() const noexcept
    {
        return pieces_.back().line_count < minimum_lines_ || size_ < minimum_size_;
    }

    std::vector<piece>& pieces_;
    std::uint32_t minimum_lines_;
    std::uint64_t minimum_size_;
    std::uint64_t size_{}; // samples and bytes of the last piece
    bool can_grow_{};
};

class inspector
{
public:
    // Fills `info`. Without `pieces` nothing is allocated.
    inspector(const byte_span stream, const limits& allowed, stream_info& info, piece_collector* pieces) noexcept :
        stream_{stream}, reader_{stream}, info_{info}, pieces_{pieces}, allowed_{allowed}
    {
    }

    inspector(const inspector&) = delete;
    inspector& operator=(const inspector&) = delete;

    [[nodiscard]] inspection_error run()
    {
        const fault code = walk();
        return code == fault::none ? inspection_error{} : error_here(code, value_);
    }

protected:
    ~inspector() = default;

    // Reads the entropy-coded data of a scan, with its restart markers: every `restart_interval` lines, numbered
    // modulo 8.
    [[nodiscard]] virtual fault read_scan_data(const piece& scan)
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
            const fault code = ahead.next();
            current_ = ahead.current();
            if (code != fault::none)
                return code;
            if (!is_restart_marker(current_.code))
            {
                if (found != expected)
                    return fail(fault::restart_marker_missing, found);
                break;
            }
            if (found == expected || current_.code != marker_rst0 + found % 8)
                return fail(fault::restart_marker, current_.code - marker_rst0);
            reader_ = ahead;
        }

        // A line costs at least one bit for each longest run of 2^15 samples (T.87 A.7.1, J[31] = 15).
        constexpr std::uint32_t longest_run{1 << 15};
        const std::uint64_t runs = (std::uint64_t{info_.width} + longest_run - 1) / longest_run;
        const auto passes =
            static_cast<std::uint64_t>(info_.interleave_mode == interleave_line ? scan.component_count : 1);
        const std::uint64_t size = scan_end_ - begin;
        if (size * 8 < runs * info_.height * passes)
        {
            current_ = header;
            return fail(fault::scan_data_too_short, static_cast<std::int64_t>(size));
        }
        info_.data_begin = begin;
        info_.data_end = scan_end_;
        return fault::none;
    }

    [[nodiscard]] fault walk()
    {
        if (next() != fault::none || current_.code != marker_soi || current_.offset != 0)
        {
            current_ = {};
            return fault::no_start_of_image;
        }
        for (;;)
        {
            if (const fault code = next(); code != fault::none)
                return code;
            if (current_.code == marker_eoi)
                return end_of_image();
            if (all_components_coded() && current_.code != marker_sos && current_.code != marker_dnl)
                return fault::unexpected_marker; // only EOI may follow the last scan
            if (const fault code = read_segment(); code != fault::none)
                return code;
        }
    }

    [[nodiscard]] inspection_error error_here(const fault code, const std::int64_t value) const noexcept
    {
        return {code, current_.code, current_.offset, value};
    }

    [[nodiscard]] fault fail(const fault code, const std::int64_t value) noexcept
    {
        value_ = value;
        return code;
    }

    [[nodiscard]] bool all_components_coded() const noexcept
    {
        return info_.has_scan && components_coded_ == info_.component_count;
    }

    [[nodiscard]] std::uint32_t interval_count(const piece& scan) const noexcept
    {
        assert(scan.restart_interval != 0 && info_.height != 0);
        return (info_.height - 1) / scan.restart_interval + 1;
    }

    void add_interval(const piece& scan, const std::uint32_t index, const std::size_t begin, const std::size_t end)
    {
        if (!pieces_)
            return;
        const std::uint32_t first_line = index * scan.restart_interval;
        assert(first_line < info_.height);
        const std::uint32_t line_count = std::min(scan.restart_interval, info_.height - first_line);
        const auto samples = std::uint64_t{info_.width} * line_count * static_cast<std::uint32_t>(scan.component_count);
        pieces_->add(scan, first_line, line_count, samples, begin, end);
    }

    byte_span stream_;
    segment_reader reader_;
    stream_info& info_;
    piece_collector* pieces_;
    segment current_{};      // where an error is
    std::int64_t value_{-1}; // the value found there
    std::size_t scan_end_{}; // of the last scan

private:
    [[nodiscard]] fault next() noexcept
    {
        const fault code = reader_.next();
        current_ = reader_.current();
        return code;
    }

    [[nodiscard]] fault fail_with_size() noexcept
    {
        return fail(fault::segment_length, static_cast<std::int64_t>(current_.size));
    }

    [[nodiscard]] fault read_segment()
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
        if (is_application_marker(current_.code))
            return application_data();
        if (is_restart_marker(current_.code))
            return fault::restart_marker;
        if (current_.code >= marker_sof0 && current_.code <= marker_sof15 && current_.code != marker_dht &&
            current_.code != marker_jpg && current_.code != marker_dac)
            return fault::other_jpeg_process;
        return fault::unknown_marker;
    }

    // T.87 C.2.2.
    [[nodiscard]] fault start_of_frame() noexcept
    {
        if (info_.bits_per_sample != 0)
            return fault::unexpected_marker;
        if (current_.size < 6)
            return fail_with_size();
        field_reader fields{reader_.data()};
        const std::int32_t bits_per_sample = fields.parameter(1);
        if (bits_per_sample < 2 || bits_per_sample > 16)
            return fail(fault::bits_per_sample, bits_per_sample);
        info_.bits_per_sample = bits_per_sample;
        const std::uint32_t height = fields.number(2);
        const std::uint32_t width = fields.number(2);
        if (const fault code = dimensions(height, width); code != fault::none)
            return code;
        info_.component_count = fields.parameter(1);
        if (info_.component_count == 0)
            return fault::component_count;
        if (current_.size != 6 + std::size_t{3} * static_cast<std::size_t>(info_.component_count))
            return fail_with_size();
        for (std::int32_t i{}; i < info_.component_count; ++i)
        {
            const std::uint32_t id = fields.number(1);
            if (std::memchr(component_ids_, static_cast<int>(id), static_cast<std::size_t>(i)))
                return fail(fault::component_repeated, id);
            component_ids_[i] = static_cast<std::uint8_t>(id);
            const std::uint32_t sampling = fields.number(1);
            if (sampling != 0x11)
                return fail(fault::subsampling, sampling);
            fields.number(1); // Tq: no meaning in JPEG-LS
        }
        return fault::none;
    }

    // The frame header and an LSE segment of type 4 (T.87 C.2.4.1.4) may each define the dimensions; 0: not here.
    [[nodiscard]] fault dimensions(const std::uint32_t height, const std::uint32_t width) noexcept
    {
        for (const auto& [value, dimension] : {std::pair{height, &info_.height}, std::pair{width, &info_.width}})
        {
            if (value == 0)
                continue;
            if (*dimension != 0)
                return fail(fault::dimension_repeated, value);
            if (value > allowed_.dimension)
                return fail(fault::dimension_too_large, value);
            *dimension = value;
        }
        return fault::none;
    }

    // T.87 C.2.4.1.
    [[nodiscard]] fault preset_parameters() noexcept
    {
        if (current_.size < 1)
            return fail_with_size();
        field_reader fields{reader_.data()};
        const std::uint32_t type = fields.number(1);
        switch (type)
        {
        case 1: {
            if (current_.size != 11)
                return fail_with_size();
            info_.has_presets = true;
            for (const auto field : preset_fields)
                presets_.*field = fields.parameter(2);
            return fault::none; // checked at each SOS: the ranges depend on precision and NEAR
        }
        case 2:
        case 3:
            return fail(fault::mapping_table, type);
        case 4: {
            if (info_.has_scan)
                return fail(fault::unexpected_marker, type);
            if (current_.size < 2)
                return fail_with_size();
            const std::uint32_t bytes = fields.number(1);
            if (bytes < 2 || bytes > 4 || current_.size != 2 + std::size_t{2} * bytes)
                return fail_with_size();
            const std::uint32_t height = fields.number(bytes);
            const std::uint32_t width = fields.number(bytes);
            return dimensions(height, width);
        }
        default: // T.870 has 5 to 13 without 11
            return fail(type >= 5 && type <= 13 && type != 11 ? fault::preset_extension : fault::preset_type, type);
        }
    }

    // T.87 C.2.5: 2, 3 or 4 bytes.
    [[nodiscard]] fault restart_interval() noexcept
    {
        if (current_.size < 2 || current_.size > 4)
            return fail_with_size();
        restart_interval_ = field_reader{reader_.data()}.number(current_.size);
        return fault::none;
    }

    [[nodiscard]] fault application_data() noexcept
    {
        ++info_.annotation_count;
        if (current_.code != marker_app8)
            return fault::none;
        if (!info_.has_spiff_header && !info_.has_scan)
        {
            if (const auto header = read_spiff_header(reader_.data()))
            {
                info_.has_spiff_header = true;
                info_.spiff = *header;
            }
        }
        const auto transformation = read_color_transformation(reader_.data());
        if (!transformation)
            return fault::none;
        if (*transformation > 5)
            return fail(fault::color_transformation, *transformation);
        if (*transformation > 3)
            return fail(fault::color_transformation_kind, *transformation);
        color_transformation_ = *transformation;
        return fault::none;
    }

    // T.87 C.2.3. Accepts one scan of all components, or one for each component with interleave mode none.
    [[nodiscard]] fault start_of_scan()
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
            return fail(fault::too_many_samples, static_cast<std::int64_t>(samples));
        if (current_.size < 1)
            return fail_with_size();
        field_reader fields{reader_.data()};
        const std::int32_t count = fields.parameter(1);
        if (count != 1 && (count != info_.component_count || components_coded_ != 0))
            return fail(fault::scan_components, count);
        if (current_.size != 4 + std::size_t{2} * static_cast<std::size_t>(count))
            return fail_with_size();
        for (std::int32_t i{}; i < count; ++i)
        {
            // CharLS takes the components in the order of the scans, whatever their ids.
            const std::uint32_t id = fields.number(1);
            const std::uint8_t* next_id = component_ids_ + components_coded_;
            const auto left = static_cast<std::size_t>(info_.component_count - components_coded_);
            if (!std::memchr(next_id, static_cast<int>(id), left))
                return fail(fault::scan_component, id);
            if (*next_id != id)
                return fail(fault::scan_order, id);
            ++components_coded_;
            if (const std::uint32_t table = fields.number(1); table != 0)
                return fail(fault::mapping_table, table);
        }
        const std::int32_t near_lossless = fields.parameter(1);
        if (near_lossless > maximum_near_lossless(info_.bits_per_sample))
            return fail(fault::near_lossless, near_lossless);
        const std::int32_t mode = fields.parameter(1);
        if (mode > interleave_sample || (mode == interleave_none) != (count == 1))
            return fail(fault::interleave_mode, mode);
        if (mode != interleave_none && !can_interleave(count))
            return fail(fault::interleave_mode_two, count);
        if (const std::uint32_t transform = fields.number(1); transform != 0)
            return fail(fault::point_transform, transform);
        // Planes, and images of one component, are never transformed, whatever a segment says: decoders agree on that.
        const std::int32_t transformation = mode == interleave_none ? 0 : color_transformation_;
        if (transformation != 0 && info_.bits_per_sample % 8 != 0)
            return fail(fault::color_transformation_use, transformation);

        const auto [code, presets] =
            complete_presets(presets_, info_.bits_per_sample, near_lossless, mode == interleave_sample);
        if (code != fault::none)
            return code;
        if (!info_.has_scan)
        {
            info_.has_scan = true;
            info_.interleave_mode = mode;
            info_.color_transformation = transformation;
            info_.presets = presets;
            info_.restart_interval = restart_interval_;
        }
        info_.near_lossless = std::max(info_.near_lossless, near_lossless);
        const std::uint32_t interval =
            restart_interval_ == 0 ? info_.height : std::min(restart_interval_, info_.height);
        return read_scan_data({0, 0, 0, 0, interval, components_coded_ - count, count, near_lossless, presets, true});
    }

    [[nodiscard]] fault end_of_image() noexcept
    {
        if (!info_.has_scan)
            return fault::unexpected_marker;
        if (!all_components_coded())
            return fault::scans_missing;
        info_.size = reader_.position();
        std::size_t end = stream_.size;
        while (end > info_.size && (stream_.data[end - 1] == 0 || stream_.data[end - 1] == 0xFF))
            --end;
        info_.trailing_size = end - info_.size;
        if (stream_.data[scan_end_ - 1] == 0 && stream_.data[scan_end_ - 2] != 0xFF)
            info_.zero_before_end = scan_end_ - 1;
        return fault::none;
    }

    limits allowed_;
    std::uint8_t component_ids_[255]{}; // in the order of the frame header
    std::int32_t components_coded_{};   // by the scans so far
    preset_coding_parameters presets_{};
    std::uint32_t restart_interval_{};
    std::int32_t color_transformation_{}; // of the last segment that names one
};

namespace detail {

class strict_inspector final : public inspector
{
public:
    using inspector::inspector;
};

} // namespace detail

// Checks the structure of a stream.
[[nodiscard]] inline inspection inspect(const byte_span stream, const limits& allowed) noexcept
{
    inspection result;
    result.error = detail::strict_inspector{stream, allowed, result.info, nullptr}.run();
    return result;
}

// As `inspect`, with the pieces of the stream, of at least `minimum_lines` lines each. None if it has a fault.
[[nodiscard]] inline piece_list inspect_pieces(const byte_span stream, const limits& allowed,
                                               const std::uint32_t minimum_lines)
{
    piece_list result;
    piece_collector pieces{result.pieces, minimum_lines, 0};
    result.error = detail::strict_inspector{stream, allowed, result.info, &pieces}.run();
    if (result.error.code != fault::none)
        result.pieces.clear();
    return result;
}

} // namespace dicom_jpegls
