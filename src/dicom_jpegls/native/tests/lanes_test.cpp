// SPDX-License-Identifier: MIT
#include "harness.hpp"
#include "lane_batches.hpp"

#include <random>

using namespace dicom_jpegls;
using namespace dicom_jpegls::lane_batches;

namespace {

class random_choice final
{
public:
    explicit random_choice(const std::uint32_t seed) : engine_{seed}
    {
    }

    std::uint32_t integer(const std::uint32_t least, const std::uint32_t greatest)
    {
        return least + static_cast<std::uint32_t>(engine_() % (std::uint64_t{greatest} - least + 1));
    }

private:
    std::mt19937 engine_;
};

// Batches of mixed kinds and sizes, or of one size; afterwards the same with a part of them damaged.
void test_batches(const std::uint32_t seed, const int rounds)
{
    random_choice random{seed};
    scan::scan_lanes lanes;
    for (int round{}; round != rounds; ++round)
    {
        const bool is_uniform{random.integer(0, 1) == 0};
        std::uint32_t width{};
        std::uint32_t height{};
        scan_kind kind{};
        std::vector<scan_case> cases;
        for (std::uint32_t i{random.integer(1, 50)}; i != 0; --i)
        {
            if (cases.empty() || !is_uniform)
            {
                width = random.integer(1, random.integer(0, 9) == 0 ? 700 : 90);
                height = random.integer(1, 30);
                kind = make_kind(random);
            }
            cases.push_back(make_sound_case(random, width, height, kind));
        }
        check_encoding(random, lanes, cases);
        check_decoding(random, lanes, cases);
        for (scan_case& one : cases)
        {
            if (random.integer(0, 2) == 0)
                damage(random, one);
        }
        check_decoding(random, lanes, cases);
    }
}

struct image_size
{
    std::uint32_t width;
    std::uint32_t height;
};

void check_kind(random_choice& random, scan::scan_lanes& lanes, const std::vector<image_size>& sizes,
                const scan_kind& kind)
{
    std::vector<scan_case> cases;
    cases.reserve(sizes.size());
    for (const image_size& size : sizes)
        cases.push_back(make_sound_case(random, size.width, size.height, kind));
    check_encoding(random, lanes, cases);
    check_decoding(random, lanes, cases);
}

// From 1 x 1 on, in all precisions, with every kind of NEAR, and in colour, by line and by pixel.
void test_small_sizes()
{
    random_choice random{1};
    scan::scan_lanes lanes;
    std::vector<image_size> sizes;
    for (std::uint32_t width{1}; width <= 10; ++width)
    {
        for (std::uint32_t height{1}; height <= 4; ++height)
            sizes.push_back({width, height});
    }
    for (std::int32_t bits{8}; bits <= 16; ++bits)
    {
        for (const std::int32_t near_lossless : {0, 1, 2, 9, maximum_near_lossless(bits)})
        {
            for (const std::int32_t components_by_line : {1, 3, 4})
                check_kind(random, lanes, sizes, {bits, near_lossless, 1, components_by_line});
        }
    }
    check_kind(random, lanes, sizes, {8, 0, 3});
}

// Each NEAR, since it is a divisor, of precisions that differ in their arithmetic.
void test_every_near_lossless()
{
    random_choice random{5};
    scan::scan_lanes lanes;
    for (const std::int32_t bits : {8, 15, 16})
    {
        for (std::int32_t near_lossless{1}; near_lossless <= maximum_near_lossless(bits); ++near_lossless)
            check_kind(random, lanes, std::vector<image_size>(9, {40, 4}), {bits, near_lossless});
    }
}

// The widest lines there are, among small scans.
void test_wide_lines()
{
    random_choice random{2};
    scan::scan_lanes lanes;
    std::vector<scan_case> cases;
    for (const std::int32_t bits : {8, 12, 16})
    {
        for (const std::uint32_t width : {65535U, 65534U, 4097U, 3U})
        {
            for (int i{}; i != 4; ++i)
                cases.push_back(make_sound_case(random, width, 2, {bits, i / 2}));
        }
    }
    for (const std::uint32_t width : {21845U, 21844U, 4097U})
        cases.push_back(make_sound_case(random, width, 2, {8, 0, 3}));
    cases.push_back(make_sound_case(random, 65535, 2, {8, 0, 1, 3}));
    cases.push_back(make_sound_case(random, 65535, 2, {16, 1, 1, 4}));
    check_encoding(random, lanes, cases);
    check_decoding(random, lanes, cases);
}

// Lines of one component among those of several, which are of the same kind.
void test_components_take_turns()
{
    random_choice random{6};
    scan::scan_lanes lanes;
    for (const std::int32_t bits : {8, 12, 16})
    {
        std::vector<scan_case> cases;
        for (std::uint32_t i{}; i != 60; ++i)
        {
            const std::int32_t components_by_line{i % 4 == 0 ? 1 : i % 4 == 1 ? 4 : 3};
            cases.push_back(make_sound_case(random, 1 + i * 7 % 50, 1 + i * 5 % 23, {bits, 0, 1, components_by_line}));
        }
        check_encoding(random, lanes, cases);
        check_decoding(random, lanes, cases);
    }
}

// A scan alone that finds no room while its lane stands still at the end of a line. Each line begins with the sample 0,
// so that a lane without a scan, whose line above is 0, would find a run there.
void test_no_room_for_the_last_scan()
{
    scan::scan_lanes lanes;
    random_choice random{7};
    for (std::uint32_t width{2}; width <= 16; ++width)
    {
        bytes samples(3000);
        for (std::size_t i{}; i != samples.size(); ++i)
            samples[i] = i % width == 0 ? std::uint8_t{} : static_cast<std::uint8_t>(random.integer(0, 255));
        for (std::size_t room{}; room != 200; ++room)
        {
            bytes destination(room);
            scan::lane_encoding scan{
                samples.data(), samples.size(), width, width, 3000 / width, 8, 0, 1, 1, destination.data(), room};
            lanes.encode(&scan, 1);
            REQUIRE(!scan.done);
        }
    }
}

// Data that ends at each of its bytes, and data with each of its bits changed.
void test_every_truncation_and_bit()
{
    random_choice random{3};
    scan::scan_lanes lanes;
    for (const scan_kind& kind :
         {scan_kind{8}, {12}, {16}, {8, 1}, {12, 2}, {16, 5}, {8, 0, 3}, {8, 0, 1, 3}, {12, 1, 1, 4}})
    {
        for (int round{}; round != 3; ++round)
        {
            const scan_case sound{make_sound_case(random, 23, 5, kind)};
            std::vector<scan_case> cases;
            for (std::size_t size{}; size != sound.data.size(); ++size)
            {
                cases.push_back(sound);
                cases.back().data.resize(size);
                cases.back().is_sound = false;
            }
            for (std::size_t bit{}; bit != 8 * sound.data.size(); ++bit)
            {
                cases.push_back(sound);
                std::uint8_t& byte{cases.back().data[bit / 8]};
                byte = static_cast<std::uint8_t>(byte ^ 1U << bit % 8);
                cases.back().is_sound = false;
                if (bit % 16 == 0)
                    cases.push_back(sound);
            }
            check_decoding(random, lanes, cases);
        }
    }
}

// What no lane does, next to what lanes do.
void test_what_is_not_covered()
{
    random_choice random{4};
    scan::scan_lanes lanes;
    const scan_case sound{make_sound_case(random, 9, 7, {12})};
    const auto decode{[&](const auto& change) {
        const block source{sound.data};
        const block destination{sound.strided_size()};
        const scan::lane_decoding good{source.data(),
                                       source.size(),
                                       destination.data(),
                                       destination.size(),
                                       sound.row() + sound.gap,
                                       sound.width,
                                       sound.height,
                                       12,
                                       0,
                                       1,
                                       1};
        std::vector<scan::lane_decoding> scans(3, good);
        change(scans[1]);
        lanes.decode(scans.data(), scans.size());
        REQUIRE(scans[0].done && scans[2].done);
        REQUIRE(!scans[1].done);
    }};
    decode([](scan::lane_decoding& scan) { scan.width = 0; });
    decode([](scan::lane_decoding& scan) { scan.height = 0; });
    decode([](scan::lane_decoding& scan) { scan.width = 65536; });
    decode([](scan::lane_decoding& scan) { scan.height = 0xFFFFFFFF; });
    decode([](scan::lane_decoding& scan) { scan.bits_per_sample = 7; });
    decode([](scan::lane_decoding& scan) { scan.bits_per_sample = 17; });
    decode([](scan::lane_decoding& scan) { scan.near_value = -1; });
    decode([](scan::lane_decoding& scan) { scan.near_value = 256; });
    decode([](scan::lane_decoding& scan) { scan.component_count = 0; });
    decode([](scan::lane_decoding& scan) { scan.component_count = 3; });
    decode([](scan::lane_decoding& scan) { scan.component_count = -1; });
    decode([](scan::lane_decoding& scan) { scan.components_by_line = 0; });
    decode([](scan::lane_decoding& scan) { scan.components_by_line = 2; });
    decode([](scan::lane_decoding& scan) { scan.components_by_line = 3; }); // the last row does not fit
    decode([](scan::lane_decoding& scan) { scan.components_by_line = 5; });
    decode([](scan::lane_decoding& scan) { scan.components_by_line = -1; });
    decode([](scan::lane_decoding& scan) { --scan.destination_size; });
    decode([](scan::lane_decoding& scan) { scan.stride = SIZE_MAX; });
    decode([](scan::lane_decoding& scan) { scan.source_size = 0; });
    decode([](scan::lane_decoding& scan) { --scan.source_size; });
    decode([](scan::lane_decoding& scan) { ++scan.width; });
    lanes.decode(nullptr, 0);
    lanes.encode(nullptr, 0);
}

void test_shares()
{
    static_assert(scan::lane_share(0, 7) == 0 && scan::lane_share(6, 7) == 0 && scan::lane_share(7, 7) == 7);
    static_assert(scan::lane_share(16, 7) == 16 && scan::lane_share(22, 7) == 16 && scan::lane_share(40, 7) == 40);
    static_assert(scan::lane_share(9, 10) == 0 && scan::lane_share(25, 10) == 16 && scan::lane_share(26, 10) == 26);
}

void test_lanes_for_decoding()
{
    constexpr std::size_t never{scan::lanes_in_flight + 1};
    static_assert(scan::fewest_lanes_for_decoding(7, 64) == never);
    static_assert(scan::fewest_lanes_for_decoding(8, 64) == 15);
    static_assert(scan::fewest_lanes_for_decoding(12, 64) == 11);
    static_assert(scan::fewest_lanes_for_decoding(16, 64) == 7);
    static_assert(scan::fewest_lanes_for_decoding(1000, 64) == 7);
}

// The fewest lanes for an image of 8 bits, or of the lower bytes of 16 bits.
std::size_t fewest_for_encoding(const std::vector<std::uint8_t>& samples, const std::uint32_t width,
                                const std::uint32_t height, const std::int32_t near_value)
{
    const std::vector<std::uint16_t> wide(samples.begin(), samples.end());
    scan::lane_encoding scan{};
    scan.source = samples.data();
    scan.source_size = samples.size();
    scan.stride = width;
    scan.width = width;
    scan.height = height;
    scan.bits_per_sample = 8;
    scan.near_value = near_value;
    scan.component_count = 1;
    scan.components_by_line = 1;
    const std::size_t result{scan::fewest_lanes_for_encoding(scan)};
    scan.source = reinterpret_cast<const std::uint8_t*>(wide.data());
    scan.source_size *= 2;
    scan.stride *= 2;
    scan.bits_per_sample = 16;
    CHECK(scan::fewest_lanes_for_encoding(scan) == result);
    return result;
}

void test_lanes_for_encoding()
{
    constexpr std::size_t never{scan::lanes_in_flight + 1};
    constexpr std::uint32_t width{512};
    constexpr std::uint32_t height{130};
    std::vector<std::uint8_t> samples(std::size_t{width} * height);
    CHECK(fewest_for_encoding(samples, width, height, 0) == never); // a run in each line
    for (std::size_t i{}; i != samples.size(); ++i)
        samples[i] = static_cast<std::uint8_t>(7 * i + i / width);
    CHECK(fewest_for_encoding(samples, width, height, 0) == 8);
    CHECK(fewest_for_encoding(samples, width, height, 1) == 7);
    CHECK(fewest_for_encoding(samples, width, height, 200) == never);
    CHECK(fewest_for_encoding(samples, 32, height, 0) == 9); // ends of lines stop lanes, too
    CHECK(fewest_for_encoding(samples, width, 1, 0) == 8);
    for (const std::uint32_t few : {2U, 3U})
    {
        const std::vector<std::uint8_t> lines(samples.begin(), samples.begin() + width * few);
        CHECK(fewest_for_encoding(lines, width, few, 0) == 8);
    }
    for (std::size_t i{}; i != samples.size(); ++i)
        samples[i] = static_cast<std::uint8_t>(i / width % 2 == 0 && i % width % 3 == 0);
    CHECK(fewest_for_encoding(samples, width, height, 0) == never); // runs interrupted at every third sample
    for (std::size_t i{}; i != samples.size(); ++i)
        if (i % 64 < 48)
            samples[i] = static_cast<std::uint8_t>(7 * i + i / width);
    const std::size_t mixed{fewest_for_encoding(samples, width, height, 0)};
    CHECK(mixed > 8 && mixed < scan::lanes_in_flight);

    // By line, neighbours are as many samples apart as there are components: here these differ, and are constant.
    scan::lane_encoding colour{};
    std::vector<std::uint8_t> pixels(samples.size());
    for (std::size_t i{}; i != pixels.size(); ++i)
        pixels[i] = static_cast<std::uint8_t>(9 * (i % 4));
    colour.source = pixels.data();
    colour.source_size = pixels.size();
    colour.stride = width;
    colour.width = width / 4;
    colour.height = height;
    colour.bits_per_sample = 8;
    colour.component_count = 1;
    colour.components_by_line = 4;
    CHECK(scan::fewest_lanes_for_encoding(colour) == never);
    CHECK(fewest_for_encoding(pixels, width, height, 0) == 8);
}

} // namespace

TEST(lanes_are_filled)
{
    test_shares();
    test_lanes_for_decoding();
    test_lanes_for_encoding();
}

TEST(scans_that_are_not_covered_are_left_alone)
{
    if (scan::scan_lanes::available())
        test_what_is_not_covered();
}

TEST(small_scans_are_exact)
{
    if (scan::scan_lanes::available())
        test_small_sizes();
}

TEST(every_near_lossless_is_exact)
{
    if (scan::scan_lanes::available())
        test_every_near_lossless();
}

TEST(wide_lines_are_exact)
{
    if (scan::scan_lanes::available())
        test_wide_lines();
}

TEST(lines_of_any_number_of_components_are_exact)
{
    if (scan::scan_lanes::available())
        test_components_take_turns();
}

TEST(scans_that_find_no_room_are_left_alone)
{
    if (scan::scan_lanes::available())
        test_no_room_for_the_last_scan();
}

TEST(damaged_data_is_left_alone)
{
    if (scan::scan_lanes::available())
        test_every_truncation_and_bit();
}

TEST(mixed_batches_are_exact)
{
    if (scan::scan_lanes::available())
        test_batches(40, 40);
}
