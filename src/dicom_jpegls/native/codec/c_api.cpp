// SPDX-License-Identifier: MIT
#include "c_api.hpp"

#include "charls_handle.hpp"
#include "decode.hpp"
#include "encode.hpp"

#include "../stream/inspector.hpp"

#include "build_info.h"

namespace dicom_jpegls::c_api {

namespace {

constexpr int to_code(const status result) noexcept
{
    return static_cast<int>(result);
}

dicom_jpegls_stream_info describe_stream(const stream_info& found) noexcept
{
    dicom_jpegls_stream_info info{};
    info.frame = frame_of(found);
    info.interleave_mode = found.interleave_mode;
    info.near_lossless = found.near_lossless;
    info.color_transformation = found.color_transformation;
    info.restart_interval = found.restart_interval;
    info.preset_coding_parameters = {found.presets.maximum_sample_value, found.presets.threshold1,
                                     found.presets.threshold2, found.presets.threshold3, found.presets.reset_value};
    info.size = found.size;
    info.trailing_size = found.trailing_size;
    info.decoded_size = packed_size(info.frame);
    return info;
}

int decode_samples(const std::uint8_t* const source, const std::size_t source_size, std::uint8_t* const destination,
                   const std::size_t destination_size, const std::size_t stride, dicom_jpegls_stream_info* const info,
                   const bool is_signed) noexcept
{
    if (!source || !destination)
        return DICOM_JPEGLS_NULL_POINTER;
    return to_code(guarded([&] {
        const byte_span stream{without_fill_bytes({source, source_size})};
        const inspection found{inspect(stream, {})};
        if (found.error.code != fault::none)
            return to_status(found.error.code);
        const auto [layout_error, layout] = lay_out(frame_of(found.info), found.info.interleave_mode, stride);
        if (layout_error != status::success)
            return layout_error;
        if (layout.size > destination_size)
            return status::destination_too_small;
        if (overlap({stream.data, found.info.size}, {destination, static_cast<std::size_t>(layout.size)}))
            return status::overlap;
        const output_buffer output{destination, layout, found.info.bits_per_sample, is_signed};
        const status result = decode_image({stream, {}, found.info, false, {}}, output.data(), output.layout());
        if (result == status::success)
        {
            output.deliver();
            if (info)
                *info = describe_stream(found.info);
        }
        return result;
    }));
}

} // namespace

int read_info(const std::uint8_t* const source, const std::size_t source_size,
              dicom_jpegls_stream_info* const info) noexcept
{
    if (!source || !info)
        return DICOM_JPEGLS_NULL_POINTER;
    const inspection found{inspect(without_fill_bytes({source, source_size}), {})};
    if (found.error.code == fault::none)
        *info = describe_stream(found.info);
    return to_code(to_status(found.error.code));
}

int decode(const std::uint8_t* const source, const std::size_t source_size, std::uint8_t* const destination,
           const std::size_t destination_size, const std::size_t stride, dicom_jpegls_stream_info* const info) noexcept
{
    return decode_samples(source, source_size, destination, destination_size, stride, info, false);
}

int decode_signed(const std::uint8_t* const source, const std::size_t source_size, std::uint8_t* const destination,
                  const std::size_t destination_size, const std::size_t stride,
                  dicom_jpegls_stream_info* const info) noexcept
{
    return decode_samples(source, source_size, destination, destination_size, stride, info, true);
}

int encode(const std::uint8_t* const source, const std::size_t source_size, const std::size_t stride,
           const dicom_jpegls_frame_info* const frame, const dicom_jpegls_encoding_parameters* const parameters,
           std::uint8_t* const destination, const std::size_t destination_size,
           std::size_t* const bytes_written) noexcept
{
    if (!source || !frame || !destination || !bytes_written)
        return DICOM_JPEGLS_NULL_POINTER;
    return to_code(guarded([&] {
        image_source image{};
        image.samples = source;
        image.frame = *frame;
        if (parameters)
            image.parameters = *parameters;
        else
            image.parameters.interleave_mode = default_interleave_mode(frame->component_count);
        if (const status error = check_encoding(image.frame, image.parameters); error != status::success)
            return error;
        const auto [layout_error, layout] = lay_out(image.frame, image.parameters.interleave_mode, stride);
        if (layout_error != status::success)
            return layout_error;
        if (layout.size > source_size)
            return status::source_too_small;
        if (overlap({source, static_cast<std::size_t>(layout.size)}, {destination, destination_size}))
            return status::overlap;
        image.layout = layout;
        if (image.parameters.is_signed != 0 && find_unsafe_sample(image))
            return status::unsafe_sample;
        const encoded_size encoded{encode_image(image, destination, destination_size)};
        if (encoded.error == status::success)
            *bytes_written = encoded.size;
        return encoded.error;
    }));
}

int max_encoded_size(const dicom_jpegls_frame_info* const frame, std::uint64_t* const size) noexcept
{
    if (!frame || !size)
        return DICOM_JPEGLS_NULL_POINTER;
    const status error{check_frame(*frame)};
    if (error == status::success)
        *size = dicom_jpegls::max_encoded_size(*frame);
    return to_code(error);
}

const char* error_text(const int code) noexcept
{
    if (const fault_description* const description = describe(code))
        return description->text;
    switch (static_cast<status>(code))
    {
    case status::null_pointer:
        return "a required pointer is NULL";
    case status::source_too_small:
        return "the source holds fewer bytes than an image of this size and stride";
    case status::stride_too_small:
        return "the stride is less than the bytes of a line, or above 2^32 - 1";
    case status::stride_odd:
        return "the stride is odd, but samples have 2 bytes";
    case status::overlap:
        return "source and destination overlap";
    case status::fourth_component:
        return "this unpatched CharLS loses the fourth component of lossless 8-bit images in SAMPLE: use LINE or NONE";
    case status::reserved_field:
        return "a reserved field is not 0: zero-initialise the struct, or upgrade dicom-jpegls to use the new field";
    case status::unsafe_sample:
        return "a signed sample is closer than NEAR to a limit of its range and may be decoded with the opposite sign";
    default:
        return charls_get_error_message(static_cast<charls_jpegls_errc>(code));
    }
}

const char* version() noexcept
{
    return DICOM_JPEGLS_VERSION;
}

const dicom_jpegls_api table{
    DICOM_JPEGLS_ABI_VERSION,
    sizeof(dicom_jpegls_api),
    sizeof(dicom_jpegls_stream_info),
    sizeof(dicom_jpegls_encoding_parameters),
    read_info,
    decode,
    encode,
    max_encoded_size,
    error_text,
    version,
    decode_signed,
};

} // namespace dicom_jpegls::c_api
