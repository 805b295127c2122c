// SPDX-License-Identifier: MIT
#include "scan_lanes.hpp"

#include "../../stream/stream_info.hpp"
#include "lane_decoder.hpp"
#include "lane_encoder.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace dicom_jpegls::scan {

namespace {

// Samples of the regular mode, and what stops a lane: where runs begin, and ends of lines.
struct line_statistics
{
    std::uint64_t regular;
    std::uint64_t stops;
};

// Estimates them for a line below another, without regard to where runs end. Pixels are taken component by component.
template<typename Sample>
void add_line(line_statistics& statistics, const std::uint8_t* const above, const std::uint8_t* const line,
              const std::size_t samples, const std::size_t components, const std::int32_t near_value) noexcept
{
    const auto load{[](const std::uint8_t* const bytes, const std::size_t index) {
        Sample sample;
        std::memcpy(&sample, bytes + index * sizeof sample, sizeof sample);
        return std::int32_t{sample};
    }};
    const auto is_near{[near_value](const std::int32_t a, const std::int32_t b) {
        return static_cast<std::uint32_t>(a - b + near_value) <= static_cast<std::uint32_t>(2 * near_value);
    }};
    // The gradients of sample `i` (T.87 A.3.1). No branches: compilers make vector instructions of this.
    const auto is_flat{[&](const std::size_t i) {
        const std::int32_t rc{load(above, i - components)};
        const std::int32_t rb{load(above, i)};
        return static_cast<std::uint32_t>(is_near(load(line, i - components), rc)) &
               static_cast<std::uint32_t>(is_near(rb, rc)) &
               static_cast<std::uint32_t>(is_near(load(above, i + components), rb));
    }};
    std::uint32_t flat{};
    std::uint32_t starts{};
    for (std::size_t i{2 * components}; i + components < samples; ++i)
    {
        const std::uint32_t here{is_flat(i)};
        flat += here;
        starts += here & ~is_flat(i - components);
    }
    statistics.regular += samples - flat;
    statistics.stops += starts + components;
}

} // namespace

std::size_t fewest_lanes_for_encoding(const lane_encoding& scan) noexcept
{
    const std::size_t fewest{scan.near_value == 0 ? fewest_lanes_that_pay + 1 : fewest_lanes_that_pay};
    constexpr std::uint32_t lines_for_each{64};
    const std::uint32_t count{scan.height < 2 ? 0 : scan.height / lines_for_each + 2};
    const auto samples{static_cast<std::size_t>(samples_of_row(scan))};
    const std::size_t components{samples / scan.width};
    line_statistics found{};
    for (std::uint32_t i{}; i != count; ++i)
    {
        // Every other one is a line later, so that not all are even or odd, which may be two kinds of lines.
        const std::uint64_t y{std::min<std::uint64_t>(
            1 + (scan.height - 1) * (2 * std::uint64_t{i} + 1) / (2 * std::uint64_t{count}) + i % 2, scan.height - 1)};
        const std::uint8_t* const line{scan.source + static_cast<std::size_t>(y) * scan.stride};
        const auto add{scan.bits_per_sample <= 8 ? &add_line<std::uint8_t> : &add_line<std::uint16_t>};
        add(found, line - scan.stride, line, samples, components, scan.near_value);
    }
    if (5 * found.stops > found.regular)
        return lanes_in_flight + 1;
    return count == 0 ? fewest
                      : fewest + static_cast<std::size_t>((24 * found.stops + found.regular / 2) / found.regular);
}

#ifdef JLS_LANES

struct scan_lanes::memory
{
    std::unique_ptr<lanes::decoder_memory> decoder;
    std::unique_ptr<lanes::encoder_memory> encoder;
};

namespace {

// Longer lines are CharLS's (charls_adapter.cpp), and columns have 16 bits in the lanes.
constexpr std::uint32_t maximum_width{65535};
static_assert(can_interleave(lanes::most_components_by_line) && !can_interleave(lanes::most_components_by_line + 1));

// Whether the lanes can have a scan whose lines lie in a buffer of `size` bytes.
template<typename Scan>
bool is_covered(const Scan& scan, const std::size_t size) noexcept
{
    const std::uint64_t samples{std::uint64_t{scan.width} * static_cast<std::uint32_t>(scan.component_count)};
    if (scan.width < 1 || samples > maximum_width || scan.height < 1 || scan.bits_per_sample < 8 ||
        scan.bits_per_sample > 16 || scan.near_value < 0 ||
        scan.near_value > maximum_near_lossless(scan.bits_per_sample))
        return false;
    if (scan.component_count != 1 && (scan.component_count != lanes::most_components || scan.bits_per_sample != 8 ||
                                      scan.near_value != 0 || scan.components_by_line != 1))
        return false;
    if (scan.components_by_line != 1 && !can_interleave(scan.components_by_line))
        return false;
    const std::size_t row{static_cast<std::size_t>(samples_of_row(scan)) * (scan.bits_per_sample <= 8 ? 1 : 2)};
    return size >= row && (scan.height == 1 || (size - row) / (scan.height - 1) >= scan.stride);
}

// Runs `Codec` for scans of one kind.
template<template<typename, int> typename Codec, typename Memory, typename Scan>
void run_kind(Memory& memory, Scan* const* const scans, const std::size_t count)
{
    const bool has_signed_samples{scans[0]->bits_per_sample < 16};
    if (scans[0]->component_count != 1)
        Codec<lanes::lossless_model<true>, lanes::most_components>{memory, scans, count}.run();
    else if (scans[0]->near_value == 0 && has_signed_samples)
        Codec<lanes::lossless_model<true>, 1>{memory, scans, count}.run();
    else if (scans[0]->near_value == 0)
        Codec<lanes::lossless_model<false>, 1>{memory, scans, count}.run();
    else if (has_signed_samples)
        Codec<lanes::near_lossless_model<true>, 1>{memory, scans, count}.run();
    else
        Codec<lanes::near_lossless_model<false>, 1>{memory, scans, count}.run();
}

// Runs `Codec` for the scans that are covered, in the order of `comes_before`.
template<template<typename, int> typename Codec, typename Memory, typename Scan, typename BufferSize>
void run(std::unique_ptr<Memory>& memory, Scan* const scans, const std::size_t count, const BufferSize& buffer_size)
{
    std::vector<Scan*> covered;
    std::uint32_t widest{};
    std::int32_t most_by_line{};
    for (Scan* scan{scans}; scan != scans + count; ++scan)
    {
        if (is_covered(*scan, buffer_size(*scan)))
        {
            covered.push_back(scan);
            widest = std::max(widest, scan->width * static_cast<std::uint32_t>(scan->component_count));
            most_by_line = std::max(most_by_line, scan->components_by_line);
        }
    }
    if (covered.empty() || !lanes::lanes_are_supported())
        return;
    if (!memory)
        memory = std::make_unique<Memory>();
    memory->lines.reserve(widest, most_by_line);
    std::sort(covered.begin(), covered.end(),
              [](const Scan* const a, const Scan* const b) { return comes_before(*a, *b); });
    for (auto first{covered.begin()}; first != covered.end();)
    {
        const Scan& kind{**first};
        const auto last{
            std::find_if(first, covered.end(), [&](const Scan* const scan) { return !is_of_one_kind(*scan, kind); })};
        run_kind<Codec>(*memory, &*first, static_cast<std::size_t>(last - first));
        first = last;
    }
}

} // namespace

scan_lanes::scan_lanes() noexcept = default;

bool scan_lanes::available() noexcept
{
    return lanes::lanes_are_supported();
}

void scan_lanes::decode(lane_decoding* const scans, const std::size_t count) noexcept
{
    for (std::size_t i{}; i != count; ++i)
        scans[i].done = false;
    try
    {
        if (!memory_)
            memory_ = std::make_unique<memory>();
        run<lanes::lane_decoder>(memory_->decoder, scans, count,
                                 [](const lane_decoding& scan) { return scan.destination_size; });
    }
    catch (const std::bad_alloc&)
    {
        // The scans are left to the caller.
    }
}

void scan_lanes::encode(lane_encoding* const scans, const std::size_t count) noexcept
{
    for (std::size_t i{}; i != count; ++i)
    {
        scans[i].done = false;
        scans[i].written = 0;
    }
    try
    {
        if (!memory_)
            memory_ = std::make_unique<memory>();
        run<lanes::lane_encoder>(memory_->encoder, scans, count,
                                 [](const lane_encoding& scan) { return scan.source_size; });
    }
    catch (const std::bad_alloc&)
    {
        // The scans are left to the caller.
    }
}

#else

struct scan_lanes::memory
{
};

scan_lanes::scan_lanes() noexcept = default;

bool scan_lanes::available() noexcept
{
    return false;
}

void scan_lanes::decode(lane_decoding* const scans, const std::size_t count) noexcept
{
    for (std::size_t i{}; i != count; ++i)
        scans[i].done = false;
}

void scan_lanes::encode(lane_encoding* const scans, const std::size_t count) noexcept
{
    for (std::size_t i{}; i != count; ++i)
    {
        scans[i].done = false;
        scans[i].written = 0;
    }
}

#endif

scan_lanes::scan_lanes(scan_lanes&&) noexcept = default;
scan_lanes& scan_lanes::operator=(scan_lanes&&) noexcept = default;
scan_lanes::~scan_lanes() = default;

} // namespace dicom_jpegls::scan
