// SPDX-License-Identifier: MIT
#include "encode.hpp"

#include "charls_handle.hpp"

#include "../stream/pieces.hpp"

#include "build_info.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace dicom_jpegls {

namespace {

// CharLS 2.4 without this patch loses differences that only the fourth component has.
constexpr bool codes_fourth_component{charls_api::compares_fourth_component ||
                                      std::string_view{DICOM_JPEGLS_CHARLS_PATCHES}.find(
                                          "0004-compare-the-fourth-component-in-runs") != std::string_view::npos};

constexpr std::int32_t no_color_transformation{0};

[[nodiscard]] constexpr bool is_in_range(const std::int64_t value, const std::int64_t lowest,
                                         const std::int64_t highest) noexcept
{
    return value >= lowest && value <= highest;
}

[[nodiscard]] preset_coding_parameters presets_of(const encoding_parameters& parameters) noexcept
{
    const dicom_jpegls_preset_coding_parameters& presets{parameters.preset_coding_parameters};
    return {presets.maximum_sample_value, presets.threshold1, presets.threshold2, presets.threshold3,
            presets.reset_value};
}

// The presets for CharLS, which writes no segment if all are 0 or all are the defaults, and otherwise one with complete
// values: with all but MAXVAL, it writes the defaults, too. They are written if they have been chosen, and always for
// less than 8 bits, where old versions of CharLS, which widespread decoders contain, have other defaults.
[[nodiscard]] preset_coding_parameters presets_to_write(const std::int32_t bits_per_sample,
                                                        const encoding_parameters& parameters) noexcept
{
    const preset_coding_parameters chosen{presets_of(parameters)};
    if (bits_per_sample >= 8 && std::all_of(std::begin(preset_fields), std::end(preset_fields),
                                            [&chosen](const auto field) { return chosen.*field == 0; }))
        return chosen;
    preset_coding_parameters complete{complete_presets(chosen, bits_per_sample, parameters.near_lossless,
                                                       parameters.interleave_mode == interleave_sample)
                                          .presets};
    complete.maximum_sample_value = 0;
    return complete;
}

[[nodiscard]] status prepare(charls_jpegls_encoder* const encoder, const image_source& image,
                             std::uint8_t* const destination, const std::size_t destination_size)
{
    const encoding_parameters& parameters{image.parameters};
    const charls_frame_info frame{image.frame.width, image.frame.height, image.frame.bits_per_sample,
                                  image.frame.component_count};
    const preset_coding_parameters chosen{presets_to_write(image.frame.bits_per_sample, parameters)};
    const charls_jpegls_pc_parameters presets{chosen.maximum_sample_value, chosen.threshold1, chosen.threshold2,
                                              chosen.threshold3, chosen.reset_value};
    // Even, because DICOM fragments are (PS3.5 A.4); presets for more than 12 bits, for a widespread decoder.
    constexpr auto options =
        charls::encoding_options::even_destination_size | charls::encoding_options::include_pc_parameters_jai;
    return first_failure(
        [&] { return charls_jpegls_encoder_set_frame_info(encoder, &frame); },
        [&] { return charls_jpegls_encoder_set_near_lossless(encoder, parameters.near_lossless); },
        [&] {
            return charls_jpegls_encoder_set_interleave_mode(
                encoder, static_cast<charls_interleave_mode>(parameters.interleave_mode));
        },
        [&] {
            return charls_jpegls_encoder_set_color_transformation(
                encoder, static_cast<charls_color_transformation>(parameters.color_transformation));
        },
        [&] { return charls_jpegls_encoder_set_preset_coding_parameters(encoder, &presets); },
        [&] { return charls_jpegls_encoder_set_encoding_options(encoder, options); },
        [&] { return charls_jpegls_encoder_set_destination_buffer(encoder, destination, destination_size); });
}

[[nodiscard]] status write_segments(charls_jpegls_encoder* const encoder, const header_segments& segments)
{
    if (segments.spiff)
    {
        const spiff_header& from{*segments.spiff};
        const charls_spiff_header header{static_cast<charls_spiff_profile_id>(from.profile_id),
                                         from.component_count,
                                         from.height,
                                         from.width,
                                         static_cast<charls_spiff_color_space>(from.color_space),
                                         from.bits_per_sample,
                                         static_cast<charls_spiff_compression_type>(from.compression_type),
                                         static_cast<charls_spiff_resolution_units>(from.resolution_units),
                                         from.vertical_resolution,
                                         from.horizontal_resolution};
        if (const status error = to_status(charls_jpegls_encoder_write_spiff_header(encoder, &header));
            error != status::success)
            return error;
    }
    for (const auto& [code, data] : segments.annotations)
    {
        assert(data.data); // CharLS copies from it, even nothing
        const auto written =
            code == marker_com
                ? charls_jpegls_encoder_write_comment(encoder, data.data, data.size)
                : charls_jpegls_encoder_write_application_data(encoder, code - marker_app0, data.data, data.size);
        if (const status error = to_status(written); error != status::success)
            return error;
    }
    return status::success;
}

// Encodes an image without restart markers.
[[nodiscard]] encoded_size encode_scans(const image_source& image, std::uint8_t* const destination,
                                        const std::size_t destination_size)
{
    const input_buffer input{image.samples, image.layout, image.frame.bits_per_sample};
    const encoder_handle encoder{create_encoder()};
    encoded_size result;
    result.error = prepare(encoder.get(), image, destination, destination_size);
    if (result.error == status::success)
        result.error = write_segments(encoder.get(), image.segments);
    if (result.error == status::success)
        result.error = first_failure(
            [&] {
                return charls_jpegls_encoder_encode_from_buffer(encoder.get(), input.data(),
                                                                static_cast<std::size_t>(input.layout().size),
                                                                static_cast<std::uint32_t>(input.layout().stride));
            },
            [&] { return charls_jpegls_encoder_get_bytes_written(encoder.get(), &result.size); });
    return result;
}

// Encodes an image without restart markers into memory of its own.
[[nodiscard]] encoded_stream encode_scans(const image_source& image)
{
    const std::uint64_t annotations_size = image.segments.annotations_size();
    const std::uint64_t limit = max_encoded_size(image.frame) + annotations_size;
    const std::uint64_t samples_size = image.layout.line_size * image.layout.line_count;
    // Few images grow by more than an eighth: try this much memory first, then as much as any image needs.
    for (std::uint64_t size = std::min(limit, samples_size + samples_size / 8 + 4096 + annotations_size);; size = limit)
    {
        heap_bytes bytes{size};
        const encoded_size encoded{encode_scans(image, bytes.data(), bytes.size())};
        if (encoded.error == status::success)
        {
            bytes.shrink(encoded.size);
            return {status::success, std::move(bytes)};
        }
        if (encoded.error != status::destination_too_small || size == limit)
            return {encoded.error, {}};
    }
}

[[nodiscard]] std::uint32_t strip_height(const image_source& image) noexcept
{
    const std::uint32_t interval = image.parameters.restart_interval;
    return interval == 0 ? image.frame.height : std::min(interval, image.frame.height);
}

[[nodiscard]] std::size_t strips_per_plane(const image_source& image) noexcept
{
    return (image.frame.height - 1) / strip_height(image) + 1;
}

// A strip of an image as an image, counted from the first of the first plane.
[[nodiscard]] image_source strip_of(const image_source& image, const std::size_t index)
{
    const std::size_t per_plane = strips_per_plane(image);
    const std::uint32_t height = strip_height(image);
    const auto first_line = static_cast<std::uint32_t>(index % per_plane) * height;
    image_source strip{};
    strip.frame = image.frame;
    strip.frame.height = std::min(height, image.frame.height - first_line);
    if (image.parameters.interleave_mode == interleave_none)
        strip.frame.component_count = 1;
    strip.parameters = image.parameters;
    strip.layout = image.layout.with_lines(strip.frame.height);
    strip.samples =
        image.samples + (std::uint64_t{image.frame.height} * (index / per_plane) + first_line) * image.layout.stride;
    return strip;
}

// Encodes an image of one pixel for its segments.
[[nodiscard]] encoded_stream encode_model(const image_source& image)
{
    constexpr std::uint8_t black[maximum_component_count * sizeof(std::uint16_t)]{};
    image_source pixel{image};
    pixel.frame.width = pixel.frame.height = 1;
    const layout_result result{lay_out(pixel.frame, image.parameters.interleave_mode, 0)};
    assert(result.error == status::success && result.layout.size <= sizeof black);
    pixel.layout = result.layout;
    pixel.samples = black;
    return encode_scans(pixel);
}

template<typename Sample>
[[nodiscard]] std::optional<std::int32_t> find_unsafe_sample(const image_source& image) noexcept
{
    const std::int32_t sign_bit = 1 << (image.frame.bits_per_sample - 1);
    const std::int32_t highest = sign_bit - 1 - image.parameters.near_lossless;
    const std::int32_t lowest = -sign_bit + image.parameters.near_lossless;
    for (std::uint64_t line{}; line < image.layout.line_count; ++line)
    {
        const std::uint8_t* const samples = image.samples + line * image.layout.stride;
        for (std::uint64_t i{}; i < image.layout.line_size; i += sizeof(Sample))
        {
            Sample bits;
            std::memcpy(&bits, samples + i, sizeof bits);
            const std::int32_t sample = extend_sign(bits, sign_bit);
            if (sample < lowest || sample > highest)
                return sample;
        }
    }
    return std::nullopt;
}

} // namespace

std::uint32_t automatic_restart_interval(const frame_info& frame) noexcept
{
    const std::uint64_t lines{(samples_per_task - 1) / frame.width + 1};
    return lines < frame.height ? static_cast<std::uint32_t>(lines) : 0;
}

status check_frame(const frame_info& frame) noexcept
{
    if (!is_in_range(frame.width, 1, maximum_encoded_dimension))
        return to_status(codec_fault::argument_width);
    if (!is_in_range(frame.height, 1, maximum_encoded_dimension))
        return to_status(codec_fault::argument_height);
    if (!is_in_range(frame.component_count, 1, maximum_component_count))
        return to_status(codec_fault::argument_component_count);
    if (!is_in_range(frame.bits_per_sample, minimum_bits_per_sample, maximum_bits_per_sample))
        return to_status(codec_fault::argument_bits_per_sample);
    return status::success;
}

status check_encoding(const frame_info& frame, const encoding_parameters& parameters) noexcept
{
    if (const status error = check_frame(frame); error != status::success)
        return error;
    if (!is_in_range(parameters.near_lossless, 0, maximum_near_lossless(frame.bits_per_sample)))
        return to_status(codec_fault::argument_near_lossless);
    if (!is_in_range(parameters.interleave_mode, interleave_none, interleave_sample) ||
        (parameters.interleave_mode != interleave_none && !can_interleave(frame.component_count)))
        return to_status(codec_fault::argument_interleave_mode);
    if (!codes_fourth_component && parameters.interleave_mode == interleave_sample && frame.component_count == 4 &&
        frame.bits_per_sample == 8 && parameters.near_lossless == 0)
        return status::fourth_component;
    if (!is_in_range(parameters.color_transformation, no_color_transformation, maximum_color_transformation))
        return to_status(codec_fault::argument_transformation);
    if (parameters.color_transformation != no_color_transformation &&
        (frame.component_count != 3 || frame.bits_per_sample % 8 != 0 || parameters.near_lossless != 0 ||
         parameters.interleave_mode == interleave_none))
        return to_status(fault::color_transformation_use);
    if (parameters.is_signed > 1)
        return status::reserved_field;
    for (const std::uint32_t field : parameters.reserved)
        if (field != 0)
            return status::reserved_field;
    const preset_coding_parameters presets{presets_of(parameters)};
    for (const auto field : preset_fields)
        if (!is_in_range(presets.*field, 0, maximum_preset_value))
            return to_status(codec_fault::argument_presets);
    return to_status(complete_presets(presets, frame.bits_per_sample, parameters.near_lossless,
                                      parameters.interleave_mode == interleave_sample)
                         .error);
}

std::uint64_t max_encoded_size(const frame_info& frame) noexcept
{
    assert(check_frame(frame) == status::success);
    const auto components = static_cast<std::uint64_t>(frame.component_count);
    // A sample takes at most LIMIT bits (T.87 C.2.4.1.1, A.5.3), the end of a run included.
    const auto limit = static_cast<std::uint64_t>(2 * (frame.bits_per_sample + std::max(8, frame.bits_per_sample)));
    const std::uint64_t bits = std::uint64_t{frame.width} * frame.height * limit;
    // Bit stuffing adds at most one bit to each 15.
    const std::uint64_t data = bits / 8 + bits / (8 * 15);
    // The padding to a byte, and what CharLS needs to write four bytes at a time.
    constexpr std::uint64_t data_end{32};
    // At most a restart marker and padded bytes for each line.
    constexpr std::uint64_t restart{4};
    constexpr std::uint64_t start_of_scan{16};
    const std::uint64_t scan = data + data_end + restart * frame.height + start_of_scan;
    // SOI, EOI and its padding, colour transformation, LSE with presets, LSE with dimensions, DRI.
    constexpr std::uint64_t other_segments{72};
    const std::uint64_t start_of_frame = 16 + 3 * components;
    constexpr std::uint64_t spiff{44}; // the header and the end of its directory
    return scan * components + other_segments + start_of_frame + spiff;
}

std::uint64_t header_segments::annotations_size() const noexcept
{
    constexpr std::uint64_t marker_and_length{4};
    std::uint64_t size{};
    for (const annotation& added : annotations)
        size += marker_and_length + added.data.size;
    return size;
}

std::optional<std::int32_t> find_unsafe_sample(const image_source& image) noexcept
{
    if (image.parameters.near_lossless == 0)
        return std::nullopt;
    return bytes_per_sample(image.frame.bits_per_sample) == 1 ? find_unsafe_sample<std::uint8_t>(image)
                                                              : find_unsafe_sample<std::uint16_t>(image);
}

strip_encoder::strip_encoder(const image_source& image) :
    image_{&image}, strips_(count(image)), intervals_(strips_.size())
{
}

bool strip_encoder::is_needed(const image_source& image) noexcept
{
    return strips_per_plane(image) > 1;
}

std::size_t strip_encoder::count(const image_source& image) noexcept
{
    return strips_per_plane(image) * plane_count(image.frame.component_count, image.parameters.interleave_mode);
}

image_source strip_encoder::strip(const std::size_t index) const noexcept
{
    assert(index < count());
    return strip_of(*image_, index);
}

void strip_encoder::set_data(const std::size_t index, const byte_span data) noexcept
{
    assert(index < count());
    intervals_[index] = data;
}

void strip_encoder::copy_data(const std::size_t index, const byte_span data)
{
    heap_bytes copy{data.size};
    std::memcpy(copy.data(), data.data, data.size);
    set_data(index, {copy.data(), copy.size()});
    strips_[index] = std::move(copy);
}

status strip_encoder::encode(const std::size_t first, const std::size_t last) noexcept
{
    assert(first <= last && last <= count());
    return guarded([&] {
        for (std::size_t i{first}; i != last; ++i)
        {
            encoded_stream strip{encode_scans(strip_of(*image_, i))};
            if (strip.error != status::success)
                return strip.error;
            strips_[i] = std::move(strip.bytes);
            intervals_[i] = first_scan_data({strips_[i].data(), strips_[i].size()});
        }
        return status::success;
    });
}

encoded_size strip_encoder::join() noexcept
{
    encoded_size result;
    result.error = guarded([&] {
        encoded_stream model{encode_model(*image_)};
        if (model.error != status::success)
            return model.error;
        model_ = std::move(model.bytes);
        result.size = write_to(nullptr);
        return status::success;
    });
    return result;
}

void strip_encoder::write(std::uint8_t* const destination) const noexcept
{
    write_to(destination);
}

std::size_t strip_encoder::write_to(std::uint8_t* const destination) const noexcept
{
    return dicom_jpegls::join({model_.data(), model_.size()}, image_->frame.width, image_->frame.height,
                              strip_height(*image_), intervals_, strips_per_plane(*image_), destination);
}

encoded_size encode_image(const image_source& image, std::uint8_t* const destination,
                          const std::size_t destination_size) noexcept
{
    encoded_size result;
    result.error = guarded([&] {
        if (!strip_encoder::is_needed(image))
        {
            result = encode_scans(image, destination, destination_size);
            return result.error;
        }
        strip_encoder strips{image};
        if (const status error = strips.encode(0, strips.count()); error != status::success)
            return error;
        result = strips.join();
        if (result.error == status::success && result.size > destination_size)
            return status::destination_too_small;
        if (result.error == status::success)
            strips.write(destination);
        return result.error;
    });
    return result;
}

encoded_stream encode_image(const image_source& image) noexcept
{
    assert(!strip_encoder::is_needed(image));
    encoded_stream result;
    result.error = guarded([&] {
        result = encode_scans(image);
        return result.error;
    });
    return result;
}

} // namespace dicom_jpegls
