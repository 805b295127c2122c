// SPDX-License-Identifier: MIT
#include "decode.hpp"

#include "charls_handle.hpp"

#include "../stream/pieces.hpp"
#include "../stream/salvage.hpp"

#include "build_info.h"

#include <string_view>

namespace dicom_jpegls {

namespace {

constexpr bool checks_end_of_scan{std::string_view{DICOM_JPEGLS_CHARLS_PATCHES}.find("0003-check-end-of-scan-data") !=
                                  std::string_view::npos};

// Whether a byte of padding 00 at the end may be why decoding failed. CharLS 3 without the patch has no code for that.
bool may_be_padding(const status code) noexcept
{
    return has_found_data_left(code) ||
           (!checks_end_of_scan && !charls_api::tells_data_left && code == to_status(codec_fault::invalid_data));
}

bool assumes_presets(const inspected_stream& source) noexcept
{
    return source.assumed_presets && !source.info.has_presets;
}

completed_presets complete_for(const inspected_stream& source, const preset_coding_parameters& presets,
                               const std::int32_t near_lossless) noexcept
{
    return complete_presets(presets, source.info.bits_per_sample, near_lossless,
                            source.info.interleave_mode == interleave_sample);
}

// Whether CharLS has read the header that was inspected: the safety of decoding depends on all that is compared.
bool has_read(const charls_jpegls_decoder* const decoder, const stream_info& expected) noexcept
{
    charls_frame_info frame{};
    charls_jpegls_pc_parameters presets{};
    charls_interleave_mode mode{};
    std::int32_t near_lossless{};
    if (first_failure([&] { return charls_jpegls_decoder_get_frame_info(decoder, &frame); },
                      [&] { return charls_jpegls_decoder_get_near_lossless(decoder, 0, &near_lossless); },
                      [&] { return charls_api::get_interleave_mode(decoder, mode); },
                      [&] { return charls_jpegls_decoder_get_preset_coding_parameters(decoder, 0, &presets); }) !=
        status::success)
        return false;
    const auto interleave_mode = static_cast<std::int32_t>(mode);
    return frame.width == expected.width && frame.height == expected.height &&
           frame.bits_per_sample == expected.bits_per_sample && frame.component_count == expected.component_count &&
           near_lossless == expected.near_lossless && interleave_mode == expected.interleave_mode &&
           complete_presets({presets.maximum_sample_value, presets.threshold1, presets.threshold2, presets.threshold3,
                             presets.reset_value},
                            frame.bits_per_sample, near_lossless, interleave_mode == interleave_sample)
                   .error == fault::none;
}

// Decodes a sound stream. `expected` is what was found in one that others may change meanwhile, or nullptr.
status decode_stream(const byte_span stream, const stream_info* const expected, std::uint8_t* const samples,
                     const image_layout& layout)
{
    const decoder_handle decoder{create_decoder()};
    if (const status error = first_failure(
            [&] { return charls_jpegls_decoder_set_source_buffer(decoder.get(), stream.data, stream.size); },
            [&] { return charls_jpegls_decoder_read_header(decoder.get()); });
        error != status::success)
        return error;
    if (expected && !has_read(decoder.get(), *expected))
        return to_status(fault::changed);
    return to_status(charls_jpegls_decoder_decode_to_buffer(
        decoder.get(), samples, static_cast<std::size_t>(layout.size), static_cast<std::uint32_t>(layout.stride)));
}

// Decodes the first lines of a piece to their position in the image. For some of its lines only, the code may be that
// of data left.
status decode_lines(const inspected_stream& source, const piece& part, const std::uint32_t line_count,
                    std::uint8_t* const samples, const image_layout& layout)
{
    assert(line_count >= 1 && line_count <= part.line_count);
    const std::uint64_t first_line = line_number(source.info, part);
    assert(first_line + line_count <= layout.line_count);
    const image_layout lines{layout.with_lines(line_count)};
    std::uint8_t* const destination = samples + first_line * layout.stride;
    const heap_bytes alone{piece_stream_size_limit(part)};
    const auto decode = [&](const piece& data) {
        const std::size_t size = write_piece(source.bytes, source.info, data, line_count, alone.data());
        return decode_stream({alone.data(), size}, nullptr, destination, lines);
    };

    const status code = decode(part);
    const std::uint8_t* const end = source.bytes.data + part.end;
    const bool ends_with_zero = part.end - part.begin > 1 && end[-1] == 0 && end[-2] != 0xFF;
    // With the patch, the scan's decoder and CharLS accept one byte together, and none is left to try without.
    if ((checks_end_of_scan && charls_api::accepts_zero_before_end) || line_count < part.line_count ||
        !may_be_padding(code) || !ends_with_zero)
        return code;
    piece shorter{part}; // without the byte of padding that some old encoders write
    --shorter.end;
    return decode(shorter);
}

struct decoded_lines
{
    status code;
    std::uint32_t count;
};

// The end of the data of a piece without what does not belong to it: a damaged marker and all after it, and zeros that
// may stand for missing data: more than one at the end of a restart interval, all at the end of the piece, and so many
// in a row that no encoder writes them. At most 79 zero bits follow each other: 16 of a code's binary part, 16 of a
// run's length and 47 of the next code's unary part (T.87 A.5.3, A.7.1, LIMIT 64, qbpp 16).
std::size_t end_without_zeros(const byte_span stream, const piece& part) noexcept
{
    constexpr std::size_t impossible_zeros{16};
    const bool has_intervals = part.restart_interval < part.line_count;
    std::size_t zeros{};
    for (std::size_t i{part.begin}; i != part.end; ++i)
    {
        if (stream.data[i] == 0xFF && i + 1 != part.end && (stream.data[i + 1] & 0x80) != 0)
        {
            if (has_intervals && stream.data[i + 1] == 0xFF) // a fill byte (T.81 B.1.1.2)
                continue;
            if (!has_intervals || zeros > 1 || !is_restart_marker(stream.data[i + 1]))
                return i - zeros;
            ++i;
            zeros = 0;
            continue;
        }
        zeros = stream.data[i] == 0 ? zeros + 1 : 0;
        if (zeros == impossible_zeros)
            return i + 1 - zeros;
    }
    return part.end - zeros;
}

// Whether a piece ends with a marker that has to follow it: EOI only after the last piece of the image.
bool ends_where_it_has_to(const inspected_stream& source, const piece& part) noexcept
{
    segment_reader reader{source.bytes.subspan(part.end, source.bytes.size - part.end)};
    if (reader.next() != fault::none)
        return false;
    return reader.current().code != marker_eoi ||
           (part.first_line + part.line_count == source.info.height &&
            part.first_component + part.component_count == source.info.component_count);
}

// Finds out how many lines of a piece a failing decoder writes, which CharLS does not report. Each line begins with a
// byte that the decoder overwrites; as a line may begin with that very byte, there are two of them, for two attempts.
class line_marks final
{
public:
    line_marks(const inspected_stream& source, const piece& part, std::uint8_t* const samples,
               const image_layout& layout) noexcept :
        first_{samples + line_number(source.info, part) * layout.stride},
        stride_{layout.stride},
        line_count_{part.line_count}
    {
    }

    void set(const std::uint8_t mark) noexcept
    {
        for (std::uint32_t line{}; line != line_count_; ++line)
            first_[line * stride_] = mark;
    }

    // The lines up to the last one that does not begin with the mark.
    [[nodiscard]] std::uint32_t count_written(const std::uint8_t mark) const noexcept
    {
        std::uint32_t count{line_count_};
        while (count != 0 && first_[(count - 1) * stride_] == mark)
            --count;
        return count;
    }

private:
    std::uint8_t* first_;
    std::uint64_t stride_;
    std::uint32_t line_count_;
};

// Decodes as many lines of a piece as can be decoded. The code is that of the whole piece; if it is an error, lines
// after those counted may have been written too.
decoded_lines decode_first_lines(const inspected_stream& source, const piece& part, std::uint8_t* const samples,
                                 const image_layout& layout)
{
    if (part.begin == part.end)
        return {to_status(fault::scan_data_too_short), 0};
    constexpr std::uint8_t marks[]{0x00, 0xFF};
    line_marks lines{source, part, samples, layout};
    lines.set(marks[0]);
    status code = decode_lines(source, part, part.line_count, samples, layout);
    piece sure{part};
    sure.end = end_without_zeros(source.bytes, part);
    // One zero at the end may belong to the data or be padding, but also stand for the end of what is missing.
    const std::size_t allowed_zeros = ends_where_it_has_to(source, part) ? 1 : 0;
    if (code == status::success && part.end - sure.end <= allowed_zeros)
        return {code, part.line_count};
    if (sure.end == sure.begin)
        return {code, 0};
    if (sure.end != part.end)
    {
        lines.set(marks[0]);
        code = decode_lines(source, sure, part.line_count, samples, layout);
    }
    if (code == status::success)
        return {code, part.line_count};
    // Otherwise the fault can be in any line.
    if (has_found_data_left(code) || part.line_count == 1)
        return {code, 0};
    std::uint32_t written = lines.count_written(marks[0]);
    lines.set(marks[1]);
    static_cast<void>(decode_lines(source, sure, part.line_count, samples, layout));
    written = std::max(written, lines.count_written(marks[1]));
    // Only the last of these lines can lack data: find the greatest height for which decoding does not fail.
    std::uint32_t good{};
    std::uint32_t bad{std::min(written + 1, part.line_count)};
    for (std::uint32_t step{1}; bad - good > 1; step += std::min(step, bad))
    {
        const std::uint32_t middle = std::max(good + (bad - good) / 2, bad - std::min(step, bad));
        const status middle_code = decode_lines(source, sure, middle, samples, layout);
        (middle_code == status::success || has_found_data_left(middle_code) ? good : bad) = middle;
    }
    return {code, good};
}

status decode_pieces(const inspected_stream& source, const std::vector<piece>& pieces, std::uint8_t* const samples,
                     const image_layout& layout)
{
    for (const piece& part : pieces)
        if (const status error = decode_lines(source, part, part.line_count, samples, layout); error != status::success)
            return error;
    return status::success;
}

// Decodes scan by scan, each from a copy whose scan header nobody can change.
status decode_scans(const inspected_stream& source, std::uint8_t* const samples, const image_layout& layout)
{
    const found_pieces found{find_pieces(source, UINT32_MAX)};
    return found.error == status::success ? decode_pieces(source, found.pieces, samples, layout) : found.error;
}

// Replaces the presets of the pieces by those of a variant; returns whether any of them differs.
bool take_variant(const inspected_stream& source, const default_thresholds variant, std::vector<piece>& pieces) noexcept
{
    bool differs{};
    for (piece& part : pieces)
    {
        const preset_coding_parameters standard{
            default_preset_coding_parameters(part.presets.maximum_sample_value, part.near_lossless)};
        part.presets = variant_preset_coding_parameters(variant, source.info.bits_per_sample, part.near_lossless);
        for (const auto threshold : preset_thresholds)
            differs |= part.presets.*threshold != standard.*threshold;
    }
    return differs;
}

// Whether a stream still describes the image that it described when it was inspected.
bool describes_same_image(const stream_info& found, const stream_info& expected) noexcept
{
    return found.width == expected.width && found.height == expected.height &&
           found.bits_per_sample == expected.bits_per_sample && found.component_count == expected.component_count &&
           found.interleave_mode == expected.interleave_mode;
}

// The pieces that were found in a stream, with the presets that are assumed for it; none if it has changed.
found_pieces checked(const inspected_stream& source, piece_list found)
{
    if (found.pieces.empty() || !describes_same_image(found.info, source.info))
        return {to_status(fault::changed), {}};
    if (const auto& assumed = source.assumed_presets; assumed && assumes_presets(source))
        for (piece& part : found.pieces)
        {
            const completed_presets completed{complete_for(source, *assumed, part.near_lossless)};
            if (completed.error != fault::none)
                return {to_status(completed.error), {}};
            part.presets = completed.presets;
        }
    return {status::success, std::move(found.pieces)};
}

void salvage_lines(const inspected_stream& source, const std::vector<piece>& pieces, std::uint8_t* const samples,
                   const image_layout& layout, std::uint8_t* const good)
{
    constexpr std::int32_t none{-1};
    std::int32_t misplaced_scan{none};
    std::int32_t scan{none};
    // From the last piece, since it decides whether the others of its scan are where they seem to be.
    for (auto part = pieces.rbegin(); part != pieces.rend(); ++part)
    {
        if (part->first_component == misplaced_scan)
            continue;
        const decoded_lines decoded{decode_first_lines(source, *part, samples, layout)};
        if (decoded.code == status::not_enough_memory)
            throw std::bad_alloc{};
        const bool is_cut_off = decoded.code != status::success && !has_found_data_left(decoded.code);
        if (!is_cut_off && part->first_component != scan && !part->position_is_certain)
        {
            misplaced_scan = part->first_component;
            continue;
        }
        scan = part->first_component;
        std::memset(good + line_number(source.info, *part), 1, decoded.count);
    }
}

} // namespace

bool has_found_data_left(const status code) noexcept
{
    // The data may be zeros, which CharLS ignores at some positions, or anything else, also with an FF in it.
    return code == to_status(codec_fault::marker_not_found) || code == to_status(codec_fault::too_much_data) ||
           code == to_status(codec_fault::end_of_image_not_found);
}

status decode_image(const inspected_stream& source, std::uint8_t* const samples, const image_layout& layout) noexcept
{
    assert(!source.is_damaged && source.info.size <= source.bytes.size);
    return guarded([&] {
        const stream_info& info{source.info};
        if (plane_count(info.component_count, info.interleave_mode) > 1 || assumes_presets(source))
            return decode_scans(source, samples, layout);
        // A single scan is decoded from where it is.
        const status code = decode_stream(source.bytes.subspan(0, info.size), &info, samples, layout);
        if (info.zero_before_end != 0 && may_be_padding(code))
            return decode_scans(source, samples, layout);
        return code;
    });
}

fault assume_presets(inspected_stream& source, const preset_coding_parameters& presets) noexcept
{
    const completed_presets completed{complete_for(source, presets, source.info.near_lossless)};
    if (completed.error != fault::none)
        return completed.error;
    source.assumed_presets = presets;
    if (assumes_presets(source))
        source.info.presets = completed.presets;
    return fault::none;
}

variant_result decode_with_variants(const inspected_stream& source, std::uint8_t* const samples,
                                    const image_layout& layout) noexcept
{
    variant_result result;
    result.error = guarded([&] {
        if (source.info.has_presets || source.assumed_presets)
            return status::success;
        found_pieces found{find_pieces(source, UINT32_MAX)};
        if (found.error != status::success)
            return found.error;
        for (const piece& part : found.pieces)
            if (part.restart_interval < source.info.height)
                return status::success;
        for (const default_thresholds variant : threshold_variants)
        {
            if (!take_variant(source, variant, found.pieces))
                continue;
            const status error = decode_pieces(source, found.pieces, samples, layout);
            if (error == status::not_enough_memory)
                return error;
            if (error != status::success)
                continue;
            result.variant = variant;
            result.presets = found.pieces.front().presets;
            break;
        }
        return status::success;
    });
    return result;
}

found_pieces find_pieces(const inspected_stream& source, const std::uint32_t minimum_lines) noexcept
{
    assert(!source.is_damaged);
    found_pieces result;
    result.error = guarded([&] {
        result = checked(source, inspect_pieces(source.bytes, source.allowed, minimum_lines));
        return result.error;
    });
    return result;
}

status decode_piece(const inspected_stream& source, const piece& part, std::uint8_t* const samples,
                    const image_layout& layout) noexcept
{
    return guarded([&] { return decode_lines(source, part, part.line_count, samples, layout); });
}

status decode_good_lines(const inspected_stream& source, std::uint8_t* const samples, const image_layout& layout,
                         std::uint8_t* const good) noexcept
{
    return guarded([&] {
        const found_pieces found{checked(source, salvage(source.bytes, source.allowed))};
        if (found.error == status::success)
            salvage_lines(source, found.pieces, samples, layout, good);
        return found.error;
    });
}

} // namespace dicom_jpegls
