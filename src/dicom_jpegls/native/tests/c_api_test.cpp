// SPDX-License-Identifier: MIT
//
// Many items in one call of the C API: each gets what the function for one item would have given it.
#include "codec/c_api.hpp"
#include "codec/workers.hpp"

#include "harness.hpp"

#include <deque>
#include <thread>

using namespace dicom_jpegls;
using namespace dicom_jpegls::tests;

namespace {

using byte_vector = std::vector<std::uint8_t>;

constexpr std::uint8_t filling{0xA5};

struct test_image
{
    dicom_jpegls_frame_info frame{};
    dicom_jpegls_encoding_parameters parameters{};
    byte_vector samples;
    byte_vector stream; // as `encode` writes it
    byte_vector room;   // for the stream, or for the samples
    dicom_jpegls_stream_info info{};
};

std::size_t size_of(const test_image& image)
{
    return static_cast<std::size_t>(packed_size(image.frame));
}

// Of all kinds, most of which lanes cover.
void make_image(test_image& made, const std::uint32_t number)
{
    made.frame = {40 + number % 5, 30, number % 7 == 3 ? 8 : 12, number % 5 == 4 ? 3 : 1};
    made.parameters.near_lossless = number % 11 == 5 ? 1 : 0;
    made.parameters.restart_interval = number % 6 == 2 ? 13 : 0;
    made.parameters.interleave_mode = number % 10 == 9 ? interleave_sample : interleave_none;
    made.samples.resize(size_of(made));
    std::uint32_t random{number};
    for (std::size_t i{}; i != made.samples.size(); ++i)
    {
        random = random * 1664525U + 1013904223U;
        made.samples[i] = static_cast<std::uint8_t>((i / 8 + (random >> 24)) & 15);
    }
    std::uint64_t limit{};
    CHECK(c_api::max_encoded_size(&made.frame, &limit) == DICOM_JPEGLS_SUCCESS);
    made.stream.resize(limit);
    std::size_t size{};
    CHECK(c_api::encode(made.samples.data(), made.samples.size(), 0, &made.frame, &made.parameters, made.stream.data(),
                        made.stream.size(), &size) == DICOM_JPEGLS_SUCCESS);
    made.stream.resize(size);
}

std::deque<test_image> make_images(const std::uint32_t count)
{
    std::deque<test_image> images;
    for (std::uint32_t i{}; i != count; ++i)
        make_image(images.emplace_back(), i);
    return images;
}

std::vector<dicom_jpegls_decoding> decodings_of(std::deque<test_image>& images)
{
    std::vector<dicom_jpegls_decoding> items;
    for (test_image& image : images)
    {
        image.room.assign(size_of(image), filling);
        image.info = {};
        items.push_back({image.stream.data(),
                         image.stream.size(),
                         image.room.data(),
                         image.room.size(),
                         0,
                         &image.info,
                         0,
                         {},
                         77});
    }
    return items;
}

std::vector<dicom_jpegls_encoding> encodings_of(std::deque<test_image>& images)
{
    std::vector<dicom_jpegls_encoding> items;
    for (test_image& image : images)
    {
        image.room.assign(image.stream.size(), filling);
        items.push_back({image.samples.data(),
                         image.samples.size(),
                         0,
                         &image.frame,
                         &image.parameters,
                         image.room.data(),
                         image.room.size(),
                         0,
                         {},
                         77});
    }
    return items;
}

constexpr std::size_t numbers_of_workers[]{0, 1, 2, 5, SIZE_MAX};

} // namespace

TEST(many_items_get_what_one_gets)
{
    for (const std::uint32_t count : {1U, 3U, 16U, 50U})
        for (const std::size_t workers : numbers_of_workers)
        {
            const std::string context{text(count) + " items, workers " + text(workers)};
            std::deque<test_image> images{make_images(count)};
            std::vector<dicom_jpegls_encoding> encodings{encodings_of(images)};
            CHECK_EQUAL_IN(context, c_api::encode_many(encodings.data(), count, workers), DICOM_JPEGLS_SUCCESS);
            for (std::size_t i{}; i != count; ++i)
            {
                CHECK_EQUAL_IN(context, encodings[i].code, DICOM_JPEGLS_SUCCESS);
                CHECK_EQUAL_IN(context, encodings[i].bytes_written, images[i].stream.size());
                CHECK_EQUAL_IN(context, images[i].room == images[i].stream, true);
            }
            std::vector<dicom_jpegls_decoding> decodings{decodings_of(images)};
            CHECK_EQUAL_IN(context, c_api::decode_many(decodings.data(), count, workers), DICOM_JPEGLS_SUCCESS);
            for (std::size_t i{}; i != count; ++i)
            {
                const test_image& image{images[i]};
                byte_vector expected(size_of(image));
                dicom_jpegls_stream_info info{};
                CHECK(c_api::decode(image.stream.data(), image.stream.size(), expected.data(), expected.size(), 0,
                                    &info) == DICOM_JPEGLS_SUCCESS);
                CHECK_EQUAL_IN(context, decodings[i].code, DICOM_JPEGLS_SUCCESS);
                CHECK_EQUAL_IN(context, image.room == expected, true);
                CHECK_EQUAL_IN(context, std::memcmp(&image.info, &info, sizeof info), 0);
            }
        }
}

TEST(no_items)
{
    CHECK_EQUAL(c_api::decode_many(nullptr, 0, 0), DICOM_JPEGLS_SUCCESS);
    CHECK_EQUAL(c_api::encode_many(nullptr, 0, 3), DICOM_JPEGLS_SUCCESS);
    CHECK_EQUAL(c_api::decode_many(nullptr, 1, 0), DICOM_JPEGLS_NULL_POINTER);
    CHECK_EQUAL(c_api::encode_many(nullptr, 1, 0), DICOM_JPEGLS_NULL_POINTER);
}

// Items that are refused, and one that fails while it is decoded, between others, which are not affected.
TEST(each_item_has_its_own_error_when_decoding)
{
    for (const std::size_t workers : numbers_of_workers)
    {
        std::deque<test_image> images{make_images(40)};
        for (std::size_t byte{images[13].stream.size() / 2}; byte != images[13].stream.size() - 20; ++byte)
            images[13].stream[byte] = 0x55;
        images[14].stream.resize(30);
        std::vector<dicom_jpegls_decoding> items{decodings_of(images)};
        items[3].source = nullptr;
        items[5].destination = nullptr;
        items[7].destination_size -= 1;
        items[8].stride = 3;
        items[9].stride = 1001;
        items[11].reserved[1] = 1;
        items[12].is_signed = 2;
        items[20].destination = const_cast<std::uint8_t*>(items[20].source); // refused, so nothing is written
        items[30].is_signed = 1;
        const std::vector<std::pair<std::size_t, int>> refused{{3, DICOM_JPEGLS_NULL_POINTER},
                                                               {5, DICOM_JPEGLS_NULL_POINTER},
                                                               {7, DICOM_JPEGLS_DESTINATION_TOO_SMALL},
                                                               {8, DICOM_JPEGLS_STRIDE_TOO_SMALL},
                                                               {9, DICOM_JPEGLS_STRIDE_ODD},
                                                               {11, DICOM_JPEGLS_RESERVED_FIELD},
                                                               {12, DICOM_JPEGLS_RESERVED_FIELD},
                                                               {14, static_cast<int>(fault::truncated)},
                                                               {20, DICOM_JPEGLS_OVERLAP}};
        const byte_vector before{images[20].stream};
        CHECK_EQUAL(c_api::decode_many(items.data(), items.size(), workers), DICOM_JPEGLS_NULL_POINTER);
        for (const auto& [index, code] : refused)
        {
            const std::string context{"item " + text(index)};
            CHECK_EQUAL_IN(context, items[index].code, code);
            CHECK_EQUAL_IN(context, images[index].room == byte_vector(images[index].room.size(), filling), true);
            CHECK_EQUAL_IN(context, images[index].info.size, 0U);
        }
        CHECK(images[20].stream == before);
        byte_vector room(size_of(images[13]));
        const int damaged{
            c_api::decode(images[13].stream.data(), images[13].stream.size(), room.data(), room.size(), 0, nullptr)};
        CHECK(damaged != DICOM_JPEGLS_SUCCESS);
        CHECK_EQUAL(items[13].code, damaged);
        for (std::size_t i{}; i != items.size(); ++i)
        {
            if (i == 13 || std::any_of(refused.begin(), refused.end(), [i](const auto& one) { return one.first == i; }))
                continue;
            const std::string context{"item " + text(i)};
            byte_vector expected(size_of(images[i]));
            const auto decode = items[i].is_signed != 0 ? c_api::decode_signed : c_api::decode;
            CHECK(decode(items[i].source, items[i].source_size, expected.data(), expected.size(), 0, nullptr) ==
                  DICOM_JPEGLS_SUCCESS);
            CHECK_EQUAL_IN(context, items[i].code, DICOM_JPEGLS_SUCCESS);
            CHECK_EQUAL_IN(context, images[i].room == expected, true);
        }
    }
}

TEST(each_item_has_its_own_error_when_encoding)
{
    for (const std::size_t workers : numbers_of_workers)
    {
        std::deque<test_image> images{make_images(40)};
        images[9].parameters.is_signed = 2;
        images[16].parameters = {};
        images[16].parameters.is_signed = 1;
        images[16].parameters.near_lossless = 1;
        images[16].frame.bits_per_sample = 4;
        images[16].samples[5] = 7;
        std::vector<dicom_jpegls_encoding> items{encodings_of(images)};
        const dicom_jpegls_frame_info wide{70000, 1, 8, 1};
        items[2].source = nullptr;
        items[3].frame = nullptr;
        items[4].destination = nullptr;
        items[6].source_size -= 1;
        items[7].destination_size -= 1;
        items[8].reserved[2] = 1;
        items[10].frame = &wide;
        items[11].destination = const_cast<std::uint8_t*>(items[11].source);
        const std::vector<std::pair<std::size_t, int>> refused{{2, DICOM_JPEGLS_NULL_POINTER},
                                                               {3, DICOM_JPEGLS_NULL_POINTER},
                                                               {4, DICOM_JPEGLS_NULL_POINTER},
                                                               {6, DICOM_JPEGLS_SOURCE_TOO_SMALL},
                                                               {8, DICOM_JPEGLS_RESERVED_FIELD},
                                                               {9, DICOM_JPEGLS_RESERVED_FIELD},
                                                               {7, DICOM_JPEGLS_DESTINATION_TOO_SMALL},
                                                               {10, 100},
                                                               {11, DICOM_JPEGLS_OVERLAP},
                                                               {16, DICOM_JPEGLS_UNSAFE_SAMPLE}};
        CHECK_EQUAL(c_api::encode_many(items.data(), items.size(), workers), DICOM_JPEGLS_NULL_POINTER);
        for (const auto& [index, code] : refused)
        {
            const std::string context{"item " + text(index)};
            CHECK_EQUAL_IN(context, items[index].code, code);
            CHECK_EQUAL_IN(context, items[index].bytes_written, 0U);
            CHECK_EQUAL_IN(context, images[index].room == byte_vector(images[index].room.size(), filling), true);
        }
        for (std::size_t i{}; i != items.size(); ++i)
        {
            if (std::any_of(refused.begin(), refused.end(), [i](const auto& one) { return one.first == i; }))
                continue;
            CHECK_EQUAL_IN("item " + text(i), items[i].code, DICOM_JPEGLS_SUCCESS);
            CHECK_EQUAL_IN("item " + text(i), images[i].room == images[i].stream, true);
        }
    }
}

// Tiles of a mosaic: the lines of one lie in the gaps of the others, and several threads write them.
TEST(destinations_may_interleave)
{
    constexpr std::size_t tiles{24};
    constexpr std::size_t line{64 * sizeof(std::uint16_t)};
    std::deque<test_image> images;
    std::vector<dicom_jpegls_decoding> items;
    byte_vector mosaic(32 * tiles * line);
    for (std::size_t i{}; i != tiles; ++i)
    {
        test_image& image{images.emplace_back()};
        image.frame = {64, 32, 12, 1};
        image.samples.resize(size_of(image));
        for (std::size_t at{}; at != image.samples.size(); ++at)
            image.samples[at] = static_cast<std::uint8_t>((at * (i + 3) >> 4) & 15);
        image.stream.resize(10000);
        std::size_t size{};
        CHECK(c_api::encode(image.samples.data(), image.samples.size(), 0, &image.frame, nullptr, image.stream.data(),
                            image.stream.size(), &size) == DICOM_JPEGLS_SUCCESS);
        image.stream.resize(size);
        items.push_back({image.stream.data(),
                         size,
                         mosaic.data() + i * line,
                         mosaic.size() - i * line,
                         tiles * line,
                         nullptr,
                         0,
                         {},
                         0});
    }
    CHECK_EQUAL(c_api::decode_many(items.data(), items.size(), 4), DICOM_JPEGLS_SUCCESS);
    for (std::size_t i{}; i != tiles; ++i)
        for (std::size_t row{}; row != 32; ++row)
            CHECK_EQUAL_IN(
                "tile " + text(i) + ", row " + text(row),
                std::memcmp(mosaic.data() + (row * tiles + i) * line, images[i].samples.data() + row * line, line), 0);
}

TEST(several_callers_at_once)
{
    std::deque<test_image> images{make_images(20)};
    std::vector<std::thread> callers;
    std::vector<int> codes(4, -1);
    callers.reserve(codes.size());
    for (int& code : codes)
        callers.emplace_back([&images, &code] {
            std::deque<byte_vector> rooms;
            std::vector<dicom_jpegls_decoding> items;
            for (const test_image& image : images)
            {
                byte_vector& room{rooms.emplace_back(size_of(image))};
                items.push_back(
                    {image.stream.data(), image.stream.size(), room.data(), room.size(), 0, nullptr, 0, {}, 0});
            }
            code = c_api::decode_many(items.data(), items.size(), 2);
        });
    for (std::thread& caller : callers)
        caller.join();
    CHECK(codes == std::vector<int>(4));
}

TEST(number_of_workers)
{
    CHECK_EQUAL(worker_count(1, 100, 1U << 30), 1U);
    CHECK_EQUAL(worker_count(3, 100, 1), 3U);
    CHECK_EQUAL(worker_count(3, 2, 1), 2U);
    CHECK_EQUAL(worker_count(3, 0, 0), 1U);
    CHECK_EQUAL(worker_count(SIZE_MAX, 100000, 1), std::size_t{DICOM_JPEGLS_MAXIMUM_WORKERS});
    CHECK_EQUAL(worker_count(0, 100, samples_per_task), 1U);
    CHECK_EQUAL(worker_count(0, 100, 2 * samples_per_task),
                std::min(2U, std::max(std::thread::hardware_concurrency(), 1U)));
    CHECK_EQUAL(worker_count(0, 1, 100 * samples_per_task), 1U);
}
