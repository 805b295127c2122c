// SPDX-License-Identifier: MIT
//
// Many streams and images at once: as one after another, whatever is mixed, and how items are divided among workers.
#include "codec/many.hpp"
#include "stream/inspector.hpp"

#include "harness.hpp"
#include "samples.hpp"

#include <deque>
#include <numeric>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

using byte_vector = std::vector<std::uint8_t>;

struct test_image
{
    byte_vector samples;
    image_source source{};
    byte_vector stream;
};

void make_image(test_image& made, const std::uint32_t number)
{
    image_source& source{made.source};
    constexpr std::int32_t modes[]{interleave_none, interleave_none,   interleave_none, interleave_none,
                                   interleave_none, interleave_sample, interleave_line, interleave_line};
    constexpr std::int32_t component_counts[]{1, 1, 1, 1, 3, 3, 3, 4};
    const std::uint32_t kind{number % 8};
    source.parameters.interleave_mode = modes[kind];
    const bool is_by_pixel{modes[kind] == interleave_sample};
    source.frame = {40 + number % 5, 30, is_by_pixel || number % 7 == 3 ? 8 : 12, component_counts[kind]};
    source.parameters.near_lossless = is_by_pixel ? 0 : static_cast<std::int32_t>(number % 3);
    source.parameters.restart_interval = number % 6 == 2 ? 13 : 0;
    source.layout = lay_out(source.frame, source.parameters.interleave_mode, 0).layout;
    made.samples.resize(source.layout.size);
    std::uint32_t random{number};
    const std::size_t size{bytes_per_sample(source.frame.bits_per_sample)};
    for (std::size_t i{}; i != made.samples.size(); i += size)
    {
        random = random * 1664525U + 1013904223U;
        const auto value = static_cast<std::uint16_t>((i / 8 + (random >> 24)) % (1U << source.frame.bits_per_sample));
        write_sample(&made.samples[i], value, size);
    }
    source.samples = made.samples.data();
    made.stream.resize(max_encoded_size(source.frame));
    const encoded_size encoded{encode_image(source, made.stream.data(), made.stream.size())};
    CHECK(encoded.error == status::success);
    made.stream.resize(encoded.size);
}

std::deque<test_image> make_images(const std::uint32_t count)
{
    std::deque<test_image> images;
    for (std::uint32_t i{}; i != count; ++i)
        make_image(images.emplace_back(), i);
    return images;
}

void check_encoding(const std::deque<test_image>& images)
{
    std::vector<encoding> encodings;
    encodings.reserve(images.size());
    for (const test_image& one : images)
        encodings.emplace_back(one.source);
    many_coder coder;
    coder.encode(encodings.data(), encodings.size());
    for (std::size_t i{}; i != images.size(); ++i)
    {
        CHECK(encodings[i].error() == status::success);
        byte_vector stream(encodings[i].size());
        encodings[i].write(stream.data());
        CHECK(stream == images[i].stream);
    }
}

void check_decoding(const std::deque<test_image>& images)
{
    std::deque<inspected_stream> streams;
    std::deque<byte_vector> results;
    std::vector<decoding> decodings;
    for (const test_image& one : images)
    {
        const byte_span bytes{one.stream.data(), one.stream.size()};
        const inspection found{inspect(bytes, {})};
        CHECK(found.error.code == fault::none);
        streams.push_back({bytes, {}, found.info, false, {}});
        results.emplace_back(one.samples.size());
        decoding item;
        item.source = &streams.back();
        item.samples = results.back().data();
        item.layout = one.source.layout;
        decodings.push_back(item);
    }
    many_coder coder;
    coder.decode(decodings.data(), decodings.size());
    for (std::size_t i{}; i != images.size(); ++i)
    {
        byte_vector expected(images[i].samples.size());
        CHECK(decodings[i].error == decode_image(streams[i], expected.data(), decodings[i].layout));
        if (decodings[i].error == status::success)
            CHECK(results[i] == expected);
    }
}

std::vector<std::size_t> sizes_of(const std::size_t count, const std::size_t workers)
{
    const std::vector<std::size_t> sizes{batch_sizes(count, workers)};
    CHECK(std::accumulate(sizes.begin(), sizes.end(), std::size_t{}) == count);
    return sizes;
}

} // namespace

TEST(streams_and_samples_are_those_of_one_image)
{
    for (const bool lanes : {true, false})
    {
        use_lanes(lanes);
        for (const std::uint32_t count : {0U, 1U, 7U, 16U, 50U})
        {
            const std::deque<test_image> images{make_images(count)};
            check_encoding(images);
            check_decoding(images);
        }
    }
    use_lanes(true);
}

TEST(damaged_streams_affect_no_other)
{
    std::deque<test_image> images{make_images(60)};
    for (std::size_t i{}; i < images.size(); i += 3)
    {
        byte_vector& stream{images[i].stream};
        for (std::size_t byte{stream.size() / 2}; byte != stream.size() / 2 + 30; ++byte)
            stream[byte] = 0x55;
    }
    check_decoding(images);
}

TEST(workers_have_something_to_do_before_lanes_are_filled)
{
    if (!has_lanes())
        return;
    using sizes = std::vector<std::size_t>;
    CHECK(sizes_of(0, 1).empty());
    CHECK(sizes_of(6, 1) == sizes(6, 1));
    CHECK(sizes_of(13, 2) == sizes(13, 1));
    CHECK(sizes_of(7, 1) == sizes{7});
    CHECK((sizes_of(15, 2) == sizes{8, 7}));
    CHECK((sizes_of(20, 1) == sizes{16, 1, 1, 1, 1}));
    CHECK((sizes_of(40, 1) == sizes{32, 8}));
    CHECK((sizes_of(48, 2) == sizes{16, 16, 8, 8}));
    CHECK((sizes_of(160, 1) == sizes{64, 64, 32}));
    for (const std::size_t workers : {1U, 2U, 3U, 7U, 64U})
        for (std::size_t count{}; count != 300; ++count)
            sizes_of(count, workers);
    use_lanes(false);
    CHECK(sizes_of(40, 1).size() > 12);
    use_lanes(true);
}
