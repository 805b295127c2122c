// SPDX-License-Identifier: MIT
#include "c_api.hpp"

#include "decode.hpp"
#include "encode.hpp"
#include "workers.hpp"

#include "../stream/inspector.hpp"

#include "build_info.h"

#include <algorithm>
#include <iterator>

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

[[nodiscard]] bool are_zero(const std::uint32_t* const begin, const std::uint32_t* const end) noexcept
{
    return std::all_of(begin, end, [](const std::uint32_t field) { return field == 0; });
}

// Opens the stream of an item and checks its structure.
[[nodiscard]] status open(const dicom_jpegls_decoding& item, inspected_stream& source) noexcept
{
    if (!item.source || !item.destination)
        return status::null_pointer;
    if (item.is_signed > 1 || !are_zero(std::begin(item.reserved), std::end(item.reserved)))
        return status::reserved_field;
    source.bytes = without_fill_bytes({item.source, item.source_size});
    const inspection found{inspect(source.bytes, source.allowed)};
    source.info = found.info;
    return to_status(found.error.code);
}

// Prepares the memory of an item for the samples of its stream. Throws std::bad_alloc.
[[nodiscard]] status prepare(const dicom_jpegls_decoding& item, const inspected_stream& source, output_buffer& output)
{
    const auto [error, layout] = lay_out(frame_of(source.info), source.info.interleave_mode, item.stride);
    if (error != status::success)
        return error;
    if (layout.size > item.destination_size)
        return status::destination_too_small;
    if (overlap({source.bytes.data, source.info.size}, {item.destination, static_cast<std::size_t>(layout.size)}))
        return status::overlap;
    output = output_buffer{item.destination, layout, source.info.bits_per_sample, item.is_signed != 0};
    return status::success;
}

// Completes what an item asks for once its samples have been decoded.
void finish(const dicom_jpegls_decoding& item, const inspected_stream& source, const output_buffer& output) noexcept
{
    output.deliver();
    if (item.info)
        *item.info = describe_stream(source.info);
}

int decode_one(const dicom_jpegls_decoding& item) noexcept
{
    return to_code(guarded([&] {
        inspected_stream source;
        output_buffer output;
        if (const status refused = open(item, source); refused != status::success)
            return refused;
        if (const status refused = prepare(item, source, output); refused != status::success)
            return refused;
        const status result = decode_image(source, output.data(), output.layout());
        if (result == status::success)
            finish(item, source, output);
        return result;
    }));
}

struct opened_stream
{
    dicom_jpegls_decoding* item;
    inspected_stream content;
};

// Decodes streams that have been opened, and sets the code of each.
void decode_batch(many_coder& coder, const opened_stream* const first, const opened_stream* const last) noexcept
{
    const status error = guarded([&] {
        const auto count = static_cast<std::size_t>(last - first);
        std::vector<output_buffer> outputs(count);
        std::vector<decoding> decodings;
        std::vector<const opened_stream*> prepared;
        decodings.reserve(count);
        prepared.reserve(count);
        for (const opened_stream* one{first}; one != last; ++one)
        {
            output_buffer& output{outputs[prepared.size()]};
            const status refused = guarded([&] { return prepare(*one->item, one->content, output); });
            one->item->code = to_code(refused);
            if (refused != status::success)
                continue;
            decodings.push_back({&one->content, output.data(), output.layout(), status::success});
            prepared.push_back(one);
        }
        coder.decode(decodings.data(), decodings.size());
        for (std::size_t i{}; i != prepared.size(); ++i)
        {
            const auto& [item, source] = *prepared[i];
            item->code = to_code(decodings[i].error);
            if (decodings[i].error == status::success)
                finish(*item, source, outputs[i]);
        }
        return status::success;
    });
    if (error != status::success)
        std::for_each(first, last, [&](const opened_stream& one) { one.item->code = to_code(error); });
}

// Checks the arguments of an item and makes an image of them.
[[nodiscard]] status open(const dicom_jpegls_encoding& item, image_source& image) noexcept
{
    if (!item.source || !item.frame || !item.destination)
        return status::null_pointer;
    if (!are_zero(std::begin(item.reserved), std::end(item.reserved)))
        return status::reserved_field;
    image.samples = item.source;
    image.frame = *item.frame;
    if (item.parameters)
        image.parameters = *item.parameters;
    else
        image.parameters.interleave_mode = default_interleave_mode(image.frame.component_count);
    if (const status error = check_encoding(image.frame, image.parameters); error != status::success)
        return error;
    const auto [error, layout] = lay_out(image.frame, image.parameters.interleave_mode, item.stride);
    if (error != status::success)
        return error;
    if (layout.size > item.source_size)
        return status::source_too_small;
    if (overlap({item.source, static_cast<std::size_t>(layout.size)}, {item.destination, item.destination_size}))
        return status::overlap;
    image.layout = layout;
    return image.parameters.is_signed != 0 && find_unsafe_sample(image) ? status::unsafe_sample : status::success;
}

struct opened_image
{
    dicom_jpegls_encoding* item;
    image_source content;
};

// Encodes images that have been opened, and sets the code and the size of each.
void encode_batch(many_coder& coder, const opened_image* const first, const opened_image* const last) noexcept
{
    const status error = guarded([&] {
        std::vector<encoding> encodings;
        encodings.reserve(static_cast<std::size_t>(last - first));
        std::for_each(first, last, [&](const opened_image& one) { encodings.emplace_back(one.content); });
        coder.encode(encodings.data(), encodings.size());
        for (std::size_t i{}; i != encodings.size(); ++i)
        {
            dicom_jpegls_encoding& item{*first[i].item};
            const bool is_too_large{encodings[i].error() == status::success &&
                                    encodings[i].size() > item.destination_size};
            item.code = to_code(is_too_large ? status::destination_too_small : encodings[i].error());
            if (item.code != DICOM_JPEGLS_SUCCESS)
                continue;
            encodings[i].write(item.destination);
            item.bytes_written = encodings[i].size();
        }
        return status::success;
    });
    if (error != status::success)
        std::for_each(first, last, [&](const opened_image& one) { one.item->code = to_code(error); });
}

std::uint64_t samples_of(const opened_stream& one) noexcept
{
    return sample_count(frame_of(one.content.info));
}

std::uint64_t samples_of(const opened_image& one) noexcept
{
    return sample_count(one.content.frame);
}

// Opens items and codes those that are accepted in batches. Returns the first code that is not that of success.
template<typename Opened, typename Item, typename CodeBatch>
int code_many(Item* const items, const std::size_t count, const std::size_t workers,
              const CodeBatch& code_batch) noexcept
{
    if (count == 0)
        return DICOM_JPEGLS_SUCCESS;
    if (!items)
        return DICOM_JPEGLS_NULL_POINTER;
    const status error = guarded([&] {
        std::vector<Opened> opened;
        std::uint64_t samples{};
        for (Item* item{items}; item != items + count; ++item)
        {
            opened.push_back({item, {}});
            Opened& one{opened.back()};
            const status refused{open(*item, one.content)};
            item->code = to_code(refused);
            if (refused == status::success)
                samples += samples_of(one);
            else
                opened.pop_back();
        }
        code_in_batches(opened.size(), worker_count(workers, opened.size(), samples),
                        [&](many_coder& coder, const std::size_t first, const std::size_t last) noexcept {
                            code_batch(coder, opened.data() + first, opened.data() + last);
                        });
        return status::success;
    });
    if (error != status::success)
        std::for_each(items, items + count, [&](Item& item) { item.code = to_code(error); });
    const Item* const failed{
        std::find_if(items, items + count, [](const Item& item) { return item.code != DICOM_JPEGLS_SUCCESS; })};
    return failed == items + count ? DICOM_JPEGLS_SUCCESS : failed->code;
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
    return decode_one({source, source_size, destination, destination_size, stride, info, 0, {}, 0});
}

int decode_signed(const std::uint8_t* const source, const std::size_t source_size, std::uint8_t* const destination,
                  const std::size_t destination_size, const std::size_t stride,
                  dicom_jpegls_stream_info* const info) noexcept
{
    return decode_one({source, source_size, destination, destination_size, stride, info, 1, {}, 0});
}

int decode_many(dicom_jpegls_decoding* const items, const std::size_t count, const std::size_t workers) noexcept
{
    return code_many<opened_stream>(items, count, workers, decode_batch);
}

int encode(const std::uint8_t* const source, const std::size_t source_size, const std::size_t stride,
           const dicom_jpegls_frame_info* const frame, const dicom_jpegls_encoding_parameters* const parameters,
           std::uint8_t* const destination, const std::size_t destination_size,
           std::size_t* const bytes_written) noexcept
{
    if (!bytes_written)
        return DICOM_JPEGLS_NULL_POINTER;
    return to_code(guarded([&] {
        image_source image;
        const status refused{
            open({source, source_size, stride, frame, parameters, destination, destination_size, 0, {}, 0}, image)};
        if (refused != status::success)
            return refused;
        const encoded_size encoded{encode_image(image, destination, destination_size)};
        if (encoded.error == status::success)
            *bytes_written = encoded.size;
        return encoded.error;
    }));
}

int encode_many(dicom_jpegls_encoding* const items, const std::size_t count, const std::size_t workers) noexcept
{
    return code_many<opened_image>(items, count, workers, encode_batch);
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
    if (const codec_fault_description* const description = describe_codec_fault(code))
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
        return "Unknown";
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
    sizeof(dicom_jpegls_decoding),
    sizeof(dicom_jpegls_encoding),
    decode_many,
    encode_many,
};

} // namespace dicom_jpegls::c_api
