// SPDX-License-Identifier: MIT
//
// The functions of the public header with any arguments, and what the header promises of them: a function that refuses
// its arguments has written nothing, one that fails later has written only to its destination, and gaps are neither
// read nor written.
#include "harness.hpp"

#include "codec/c_api.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <vector>

using namespace dicom_jpegls;

namespace {

const dicom_jpegls_api& api = c_api::table;

constexpr std::uint8_t filling{0xA5};
constexpr std::uint64_t maximum_samples{1 << 14}; // keeps every input well below the time limit

bool is_untouched(const std::uint8_t* const begin, const std::size_t size)
{
    return std::all_of(begin, begin + size, [](const std::uint8_t byte) { return byte == filling; });
}

bool refuses_arguments(const int code)
{
    return code == DICOM_JPEGLS_DESTINATION_TOO_SMALL || code >= DICOM_JPEGLS_FIRST_STREAM_FAULT;
}

void check_text(const int code)
{
    const char* const text = api.error_text(code);
    REQUIRE(text && *text != '\0');
}

// What the caller of `decode` and `encode` passes as memory for samples.
struct sample_memory
{
    block bytes;
    std::size_t shift; // to an odd address
    std::size_t size;

    sample_memory(FuzzedDataProvider& input, const std::uint64_t needed) :
        bytes{std::size_t{0}, filling},
        shift{input.ConsumeIntegralInRange<std::size_t>(0, 1)},
        size{static_cast<std::size_t>(needed)}
    {
        if (input.ConsumeIntegralInRange(0, 7) == 0)
            size = input.ConsumeIntegralInRange<std::size_t>(0, size);
        bytes = block{size + shift, filling};
    }

    std::uint8_t* data() const
    {
        return bytes.data() + shift;
    }
};

std::size_t choose_stride(FuzzedDataProvider& input, const std::uint64_t line_size)
{
    switch (input.ConsumeIntegralInRange(0, 7))
    {
    case 0:
        return input.ConsumeIntegral<std::size_t>();
    case 1:
        return input.ConsumeIntegralInRange<std::size_t>(0, 40);
    case 2:
    case 3:
        return static_cast<std::size_t>(line_size) + input.ConsumeIntegralInRange<std::size_t>(0, 9);
    default:
        return 0;
    }
}

struct memory_shape
{
    std::uint64_t line_size;
    std::uint64_t line_count;
    std::uint64_t stride; // at least the size of a line, so that there is something to pass
    std::uint64_t size;
};

// Computed from the header's text, not with the codec's functions.
memory_shape shape_of(const dicom_jpegls_frame_info& frame, const std::int32_t interleave_mode,
                      FuzzedDataProvider& input, std::size_t& stride)
{
    const bool planes = interleave_mode == DICOM_JPEGLS_INTERLEAVE_MODE_NONE;
    const auto components = static_cast<std::uint64_t>(frame.component_count);
    memory_shape shape{};
    shape.line_size = std::uint64_t{frame.width} * (planes ? 1 : components) * (frame.bits_per_sample <= 8 ? 1U : 2U);
    shape.line_count = frame.height * (planes ? components : 1);
    stride = choose_stride(input, shape.line_size);
    shape.stride = stride == 0 ? shape.line_size : stride;
    // Smaller strides are refused, and memory for much larger ones is not allocated; a single line needs none.
    if (shape.stride < shape.line_size || (shape.line_count > 1 && shape.stride > shape.line_size + 64))
        shape.stride = shape.line_size;
    shape.size = (shape.line_count - 1) * shape.stride + shape.line_size;
    return shape;
}

// Of a single line the stride does not matter.
bool is_stride_of(const memory_shape& shape, const std::size_t stride)
{
    return stride == 0 || stride == shape.stride || shape.line_count == 1;
}

// Decodes into memory of the caller and returns the samples without gaps; empty if it is refused.
std::vector<std::uint8_t> decode(FuzzedDataProvider& input, const block& stream, const dicom_jpegls_stream_info& known)
{
    std::size_t stride{};
    const memory_shape shape = shape_of(known.frame, known.interleave_mode, input, stride);
    const sample_memory target{input, shape.size};
    dicom_jpegls_stream_info info;
    std::memset(&info, filling, sizeof info);
    const block copy{stream.data(), stream.size()};
    const int code = api.decode(stream.data(), stream.size(), target.data(), target.size, stride, &info);
    check_text(code);
    REQUIRE(std::memcmp(stream.data(), copy.data(), stream.size()) == 0);
    if (code != DICOM_JPEGLS_SUCCESS)
    {
        REQUIRE(is_untouched(reinterpret_cast<const std::uint8_t*>(&info), sizeof info));
        if (refuses_arguments(code))
            REQUIRE(is_untouched(target.bytes.data(), target.bytes.size()));
        return {};
    }
    REQUIRE(std::memcmp(&info, &known, sizeof info) == 0);
    REQUIRE(is_stride_of(shape, stride));
    REQUIRE(target.size >= shape.size);
    REQUIRE(is_untouched(target.bytes.data(), target.shift));
    std::vector<std::uint8_t> samples;
    for (std::uint64_t line = 0; line < shape.line_count; ++line)
    {
        const std::uint8_t* const begin = target.data() + line * shape.stride;
        samples.insert(samples.end(), begin, begin + shape.line_size);
        if (line + 1 < shape.line_count)
            REQUIRE(is_untouched(begin + shape.line_size, static_cast<std::size_t>(shape.stride - shape.line_size)));
    }
    REQUIRE(is_untouched(target.data() + shape.size, target.size - static_cast<std::size_t>(shape.size)));
    REQUIRE(samples.size() == info.decoded_size);
    return samples;
}

// Any bytes as a stream.
void check_decoding(FuzzedDataProvider& input, const block& stream)
{
    dicom_jpegls_stream_info info;
    std::memset(&info, filling, sizeof info);
    const int code = api.read_info(stream.data(), stream.size(), &info);
    check_text(code);
    if (code != DICOM_JPEGLS_SUCCESS)
    {
        REQUIRE(code >= DICOM_JPEGLS_FIRST_STREAM_FAULT && code < DICOM_JPEGLS_NULL_POINTER);
        REQUIRE(is_untouched(reinterpret_cast<const std::uint8_t*>(&info), sizeof info));
        const block target{64, filling};
        REQUIRE(api.decode(stream.data(), stream.size(), target.data(), target.size(), 0, nullptr) == code);
        REQUIRE(is_untouched(target.data(), target.size()));
        return;
    }
    REQUIRE(info.size + info.trailing_size <= stream.size());
    if (info.decoded_size > maximum_samples)
        return;
    const std::vector<std::uint8_t> samples = decode(input, stream, info);
    if (samples.empty())
        return;
    // From within the destination it is refused.
    const block both{std::max<std::size_t>(stream.size(), samples.size()), filling};
    std::memcpy(both.data(), stream.data(), stream.size());
    REQUIRE(api.decode(both.data(), stream.size(), both.data(), both.size(), 0, nullptr) == DICOM_JPEGLS_OVERLAP);
    REQUIRE(std::memcmp(both.data(), stream.data(), stream.size()) == 0);
}

template<typename Integer>
Integer choose_number(FuzzedDataProvider& input, const Integer lowest, const Integer highest)
{
    return input.ConsumeIntegralInRange(0, 31) == 0 ? input.ConsumeIntegral<Integer>()
                                                    : input.ConsumeIntegralInRange(lowest, highest);
}

dicom_jpegls_frame_info choose_frame(FuzzedDataProvider& input)
{
    dicom_jpegls_frame_info frame{};
    frame.bits_per_sample = choose_number(input, 2, 16);
    frame.component_count = choose_number(input, 1, 5);
    frame.width = choose_number(input, 1U, 40U);
    frame.height = choose_number(input, 1U, 20U);
    return frame;
}

dicom_jpegls_encoding_parameters choose_parameters(FuzzedDataProvider& input)
{
    dicom_jpegls_encoding_parameters parameters{};
    parameters.interleave_mode = choose_number(input, 0, 2);
    parameters.near_lossless = input.ConsumeBool() ? choose_number(input, 0, 255) : 0;
    parameters.restart_interval = input.ConsumeBool() ? choose_number(input, 0U, 21U) : 0;
    parameters.color_transformation = input.ConsumeIntegralInRange(0, 3) == 0 ? choose_number(input, 0, 3) : 0;
    if (input.ConsumeIntegralInRange(0, 3) == 0)
    {
        dicom_jpegls_preset_coding_parameters& presets = parameters.preset_coding_parameters;
        for (std::int32_t* const value : {&presets.threshold1, &presets.threshold2, &presets.threshold3})
            *value = choose_number(input, 0, 300);
        presets.reset_value = choose_number(input, 0, 255);
    }
    if (input.ConsumeIntegralInRange(0, 31) == 0)
        *input.PickValueInArray({std::begin(parameters.reserved), std::prev(std::end(parameters.reserved))}) = 1;
    return parameters;
}

std::int32_t sample_at(const std::uint8_t* const position, const std::int32_t bits_per_sample)
{
    std::uint16_t sample{*position};
    if (bits_per_sample > 8)
        std::memcpy(&sample, position, sizeof sample);
    return sample & ((1 << bits_per_sample) - 1);
}

void compare(const dicom_jpegls_frame_info& frame, const memory_shape& shape, const std::uint8_t* const source,
             const std::vector<std::uint8_t>& decoded, const std::int32_t near_lossless)
{
    const std::size_t size = frame.bits_per_sample <= 8 ? 1 : 2;
    REQUIRE(decoded.size() == shape.line_size * shape.line_count);
    for (std::size_t i = 0; i < decoded.size(); i += size)
    {
        const std::uint8_t* const before = source + i / shape.line_size * shape.stride + i % shape.line_size;
        REQUIRE(std::abs(sample_at(before, frame.bits_per_sample) - sample_at(&decoded[i], frame.bits_per_sample)) <=
                near_lossless);
    }
}

// Decodes one of the streams many times, each with other memory, as `decode` does.
void check_many_decodings(FuzzedDataProvider& input, const block& stream, const block& damaged)
{
    const int count = input.ConsumeIntegralInRange(0, 20);
    std::deque<block> expected;
    std::deque<block> found;
    std::deque<dicom_jpegls_stream_info> infos;
    std::vector<dicom_jpegls_decoding> items;
    for (int i = 0; i < count; ++i)
    {
        const block& source = input.ConsumeIntegralInRange(0, 7) == 0 ? damaged : stream;
        dicom_jpegls_stream_info info{};
        std::size_t stride{};
        std::size_t needed{64};
        if (api.read_info(source.data(), source.size(), &info) == DICOM_JPEGLS_SUCCESS)
        {
            if (info.decoded_size > maximum_samples)
                continue;
            needed = static_cast<std::size_t>(shape_of(info.frame, info.interleave_mode, input, stride).size);
        }
        const sample_memory memory{input, needed};
        found.emplace_back(memory.bytes.data(), memory.bytes.size());
        expected.emplace_back(memory.bytes.data(), memory.bytes.size());
        dicom_jpegls_decoding item{};
        item.source = source.data();
        item.source_size = source.size();
        item.destination = found.back().data() + memory.shift;
        item.destination_size = memory.size;
        item.stride = stride;
        item.info = &infos.emplace_back();
        std::memset(item.info, filling, sizeof *item.info);
        item.is_signed = input.ConsumeIntegralInRange(0U, 1U);
        items.push_back(item);
    }
    const std::size_t workers = input.ConsumeIntegralInRange<std::size_t>(0, 2);
    const int result = api.decode_many(items.data(), items.size(), workers);
    int first{DICOM_JPEGLS_SUCCESS};
    for (std::size_t i = 0; i < items.size(); ++i)
    {
        const dicom_jpegls_decoding& item = items[i];
        dicom_jpegls_stream_info info{};
        std::memset(&info, filling, sizeof info);
        std::uint8_t* const destination = expected[i].data() + (item.destination - found[i].data());
        const int code = (item.is_signed != 0 ? api.decode_signed : api.decode)(
            item.source, item.source_size, destination, item.destination_size, item.stride, &info);
        REQUIRE(item.code == code);
        REQUIRE(std::memcmp(item.info, &info, sizeof info) == 0);
        if (code == DICOM_JPEGLS_SUCCESS || refuses_arguments(code))
            REQUIRE(std::memcmp(found[i].data(), expected[i].data(), found[i].size()) == 0);
        if (first == DICOM_JPEGLS_SUCCESS)
            first = code;
    }
    REQUIRE(result == first);
}

// Encodes an image many times, into destinations of several sizes, as a stream that is known.
void check_many_encodings(FuzzedDataProvider& input, const dicom_jpegls_encoding& image, const block& stream)
{
    const int count = input.ConsumeIntegralInRange(0, 20);
    std::deque<block> destinations;
    std::vector<dicom_jpegls_encoding> items;
    for (int i = 0; i < count; ++i)
    {
        dicom_jpegls_encoding item{image};
        const bool is_too_small = input.ConsumeIntegralInRange(0, 7) == 0;
        destinations.emplace_back(stream.size() - (is_too_small ? 1 : 0), filling);
        item.destination = destinations.back().data();
        item.destination_size = destinations.back().size();
        if (input.ConsumeIntegralInRange(0, 15) == 0)
            item.source = nullptr;
        items.push_back(item);
    }
    const std::size_t workers = input.ConsumeIntegralInRange<std::size_t>(0, 2);
    const int result = api.encode_many(items.data(), items.size(), workers);
    int first{DICOM_JPEGLS_SUCCESS};
    for (const dicom_jpegls_encoding& item : items)
    {
        const int code = !item.source                            ? DICOM_JPEGLS_NULL_POINTER
                         : item.destination_size < stream.size() ? DICOM_JPEGLS_DESTINATION_TOO_SMALL
                                                                 : DICOM_JPEGLS_SUCCESS;
        REQUIRE(item.code == code);
        if (code == DICOM_JPEGLS_SUCCESS)
            REQUIRE(item.bytes_written == stream.size() &&
                    std::memcmp(item.destination, stream.data(), stream.size()) == 0);
        else
            REQUIRE(item.bytes_written == 0 && is_untouched(item.destination, item.destination_size));
        if (first == DICOM_JPEGLS_SUCCESS)
            first = code;
    }
    REQUIRE(result == first);
}

void check_encoding(FuzzedDataProvider& input)
{
    const dicom_jpegls_frame_info frame = choose_frame(input);
    const dicom_jpegls_encoding_parameters chosen = choose_parameters(input);
    const bool by_default = input.ConsumeIntegralInRange(0, 7) == 0;
    const std::int32_t mode = !by_default                                                ? chosen.interleave_mode
                              : frame.component_count == 3 || frame.component_count == 4 ? 2
                                                                                         : 0;

    std::uint64_t limit{77};
    const int frame_code = api.max_encoded_size(&frame, &limit);
    check_text(frame_code);
    const bool is_small =
        frame_code == DICOM_JPEGLS_SUCCESS &&
        std::uint64_t{frame.width} * frame.height * static_cast<std::uint64_t>(frame.component_count) <=
            maximum_samples;
    REQUIRE(frame_code == DICOM_JPEGLS_SUCCESS || limit == 77);
    if (!is_small)
    {
        // Refused as a whole, or for the few bytes of the source.
        const block source{64, 0};
        const block target{64, filling};
        std::size_t written{77};
        const int code = api.encode(source.data(), source.size(), 0, &frame, by_default ? nullptr : &chosen,
                                    target.data(), target.size(), &written);
        REQUIRE(code != DICOM_JPEGLS_SUCCESS && written == 77 && is_untouched(target.data(), target.size()));
        REQUIRE(frame_code == DICOM_JPEGLS_SUCCESS || code == frame_code);
        return;
    }

    std::size_t stride{};
    const memory_shape shape = shape_of(frame, mode, input, stride);
    const sample_memory source{input, shape.size};
    const std::size_t capacity = input.ConsumeBool()
                                     ? static_cast<std::size_t>(limit)
                                     : input.ConsumeIntegralInRange<std::size_t>(0, static_cast<std::size_t>(limit));
    const block target{capacity, filling};
    const std::vector<std::uint8_t> pattern = input.ConsumeBytes<std::uint8_t>(64);
    for (std::size_t i = 0; i < source.size && !pattern.empty(); ++i)
        source.data()[i] = pattern[i % pattern.size()];
    const block copy{source.bytes.data(), source.bytes.size()};

    std::size_t written{77};
    const int code = api.encode(source.data(), source.size, stride, &frame, by_default ? nullptr : &chosen,
                                target.data(), target.size(), &written);
    check_text(code);
    REQUIRE(std::memcmp(source.bytes.data(), copy.data(), copy.size()) == 0);
    if (code != DICOM_JPEGLS_SUCCESS)
    {
        REQUIRE(written == 77);
        if (code == DICOM_JPEGLS_DESTINATION_TOO_SMALL)
            REQUIRE(capacity < limit);
        else
            REQUIRE(is_untouched(target.data(), target.size()));
        return;
    }
    REQUIRE(source.size >= shape.size && is_stride_of(shape, stride));
    REQUIRE(written <= capacity && written % 2 == 0);

    const block stream{target.data(), written};
    dicom_jpegls_stream_info info{};
    REQUIRE(api.read_info(stream.data(), stream.size(), &info) == DICOM_JPEGLS_SUCCESS);
    REQUIRE(std::memcmp(&info.frame, &frame, sizeof frame) == 0);
    REQUIRE(info.interleave_mode == mode && info.size == written);
    REQUIRE(info.near_lossless == (by_default ? 0 : chosen.near_lossless));
    REQUIRE(info.restart_interval ==
            (by_default || chosen.restart_interval >= frame.height ? 0 : chosen.restart_interval));
    REQUIRE(api.encode(source.data(), source.size, stride, &frame, by_default ? nullptr : &chosen, source.data(),
                       source.size, &written) == DICOM_JPEGLS_OVERLAP);
    const std::vector<std::uint8_t> decoded = decode(input, stream, info);
    if (!decoded.empty())
        compare(frame, shape, source.data(), decoded, info.near_lossless);

    // Damaged, it is a stream like any other.
    const block damaged{stream.data(), stream.size()};
    damaged.data()[input.ConsumeIntegralInRange<std::size_t>(0, damaged.size() - 1)] =
        input.ConsumeIntegral<std::uint8_t>();
    check_decoding(input, damaged);

    check_many_decodings(input, stream, damaged);
    dicom_jpegls_encoding image{};
    image.source = source.data();
    image.source_size = source.size;
    image.stride = stride;
    image.frame = &frame;
    image.parameters = by_default ? nullptr : &chosen;
    check_many_encodings(input, image, stream);
}

void check_null_pointers()
{
    const block bytes{16, filling};
    dicom_jpegls_stream_info info;
    const dicom_jpegls_frame_info frame{1, 1, 8, 1};
    std::uint64_t limit{};
    std::size_t written{};
    std::uint8_t* const none{};
    const auto encode = [&](const std::uint8_t* source, const dicom_jpegls_frame_info* of, std::uint8_t* destination,
                            std::size_t* size) {
        return api.encode(source, 8, 0, of, nullptr, destination, 8, size) == DICOM_JPEGLS_NULL_POINTER;
    };
    REQUIRE(api.read_info(none, 8, &info) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(api.read_info(bytes.data(), 8, nullptr) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(api.decode(none, 8, bytes.data(), 8, 0, &info) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(api.decode(bytes.data(), 8, none, 8, 0, &info) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(encode(none, &frame, bytes.data() + 8, &written));
    REQUIRE(encode(bytes.data(), nullptr, bytes.data() + 8, &written));
    REQUIRE(encode(bytes.data(), &frame, none, &written));
    REQUIRE(encode(bytes.data(), &frame, bytes.data() + 8, nullptr));
    REQUIRE(api.max_encoded_size(nullptr, &limit) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(api.max_encoded_size(&frame, nullptr) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(is_untouched(bytes.data(), bytes.size()));
    REQUIRE(api.decode_many(nullptr, 1, 0) == DICOM_JPEGLS_NULL_POINTER);
    REQUIRE(api.encode_many(nullptr, 1, 0) == DICOM_JPEGLS_NULL_POINTER);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, const std::size_t size)
{
    FuzzedDataProvider input{data, size};
    if (size == 0)
        check_null_pointers();
    else if (size >= 2 && data[0] == 0xFF && data[1] == 0xD8)
        check_decoding(input, block{data, size});
    else
        check_encoding(input);
    return 0;
}
