// SPDX-License-Identifier: MIT
//
// What the lanes of both directions have in common: which scan a lane is at, and its lines of samples.
#pragma once

#include "vectors.hpp"

#ifdef JLS_LANES

#include "../line_buffer.hpp"

#include <array>
#include <type_traits>
#include <vector>

namespace dicom_jpegls::scan::lanes {

// Steps of a group: samples of a lane that are coded before scalar code looks at the lanes again; with several
// components those of two pixels.
template<int ComponentCount>
constexpr int group_size{ComponentCount == 1 ? 4 : 2 * ComponentCount};

// Components of a pixel.
constexpr int most_components{3};
constexpr int largest_group_size{group_size<most_components>};

// Components whose lines take turns (line interleave).
constexpr std::int32_t most_components_by_line{4};

// The line above and the current line of each lane and of each component whose lines take turns, as samples of 16 bits.
class line_store final
{
public:
    // Samples that a line needs room for on its left and on its right: a group reaches past the end of the line, and a
    // run is filled by blocks.
    static constexpr std::ptrdiff_t margin{32};
    static_assert(margin >= 2 * largest_group_size);

    // Makes room for lines of up to `width` samples, of up to `component_count` components.
    void reserve(const std::uint32_t width, const std::int32_t component_count)
    {
        // Whole cache lines, and not the same sets of the cache for all lanes.
        distance_ = (std::ptrdiff_t{width} + 2 * margin + 31) / 32 * 32 + 32;
        lines_of_lane_ = 2 * component_count;
        const auto size{static_cast<std::size_t>(lane_count * lines_of_lane_ * distance_)};
        if (samples_.size() < size)
            samples_.resize(size);
    }

    // The lines of a lane are numbered: two for each component.
    std::uint16_t* line(const int lane, const int number) noexcept
    {
        return samples_.data() + (lines_of_lane_ * lane + number) * distance_ + margin;
    }

    std::uint8_t* bytes() noexcept
    {
        return reinterpret_cast<std::uint8_t*>(samples_.data());
    }

    // In bytes from the start of the memory.
    std::uint32_t offset_of(const std::uint16_t* const sample) const noexcept
    {
        return static_cast<std::uint32_t>(2 * (sample - samples_.data()));
    }

    const std::uint16_t* sample_at(const std::uint32_t offset) const noexcept
    {
        return samples_.data() + offset / 2;
    }

private:
    std::ptrdiff_t distance_{};
    int lines_of_lane_{};
    std::vector<std::uint16_t> samples_;
};

// The lines of the scan that a lane is at. With line interleave, components take turns line by line, and have a run
// index each (T.87 B.3); a row is a line of each. Otherwise there is one turn and a row is a line.
struct lane_lines
{
    // What a component has while others have their turns. The lines have changed places by then.
    struct component
    {
        std::uint16_t* above;
        std::uint16_t* current;
        std::uint32_t run_index;
    };

    std::uint16_t* above{};
    std::uint16_t* current{};
    std::ptrdiff_t width{}; // in samples
    std::uint32_t rows_left{};
    std::size_t component_count{}; // that take turns
    std::size_t turn{};
    std::array<component, most_components_by_line> components{};

    // The first lines, below lines of zeros (T.87 A.2.1).
    void start(line_store& store, const int lane, const std::uint32_t line_width, const std::uint32_t height,
               const std::int32_t components_by_line) noexcept
    {
        width = static_cast<std::ptrdiff_t>(line_width);
        rows_left = height;
        component_count = static_cast<std::size_t>(components_by_line);
        turn = 0;
        for (std::size_t i{}; i != component_count; ++i)
        {
            const auto number{static_cast<int>(2 * i)};
            components[i] = {store.line(lane, number), store.line(lane, number + 1), 0};
            std::fill(components[i].above - most_components, components[i].above + width + most_components,
                      std::uint16_t{});
        }
        above = components[0].above;
        current = components[0].current;
    }

    // After a line: it becomes the one above, and it is the next component's turn. Returns whether that begins a row.
    bool next_line(std::uint32_t& run_index) noexcept
    {
        components[turn] = {current, above, run_index};
        turn = turn + 1 == component_count ? 0 : turn + 1;
        above = components[turn].above;
        current = components[turn].current;
        run_index = components[turn].run_index;
        return turn == 0;
    }

    // Whether all gradients of the pixel at `column` are at most NEAR (T.87 A.3.2).
    template<int ComponentCount, typename Mode>
    bool is_flat(const std::ptrdiff_t column, const Mode& mode) const noexcept
    {
        for (std::ptrdiff_t i{column}; i != column + ComponentCount; ++i)
        {
            const std::uint16_t* const rb{above + i};
            if (!mode.is_near(rb[-ComponentCount], current[i - ComponentCount]) ||
                !mode.is_near(rb[0], rb[-ComponentCount]) || !mode.is_near(rb[ComponentCount], rb[0]))
                return false;
        }
        return true;
    }
};

// Calls a function with a sample of the caller's type, one byte or two, and the number of components that take turns: a
// constant where it is 1 or 3, which makes copying faster.
template<typename Function>
inline void with_caller_samples(const lane_lines& lines, const std::int32_t bits_per_sample, const Function& function)
{
    const auto with_sample{[&](const auto component_count) {
        if (bits_per_sample <= 8)
            function(std::uint8_t{}, component_count);
        else
            function(std::uint16_t{}, component_count);
    }};
    if (lines.component_count == 1)
        with_sample(std::integral_constant<std::size_t, 1>{});
    else if (lines.component_count == 3)
        with_sample(std::integral_constant<std::size_t, 3>{});
    else
        with_sample(lines.component_count);
}

// Puts a row together in the caller's memory, of any alignment. All components have had their turns.
inline void copy_to_caller(const lane_lines& lines, std::uint8_t* const destination,
                           const std::int32_t bits_per_sample) noexcept
{
    with_caller_samples(lines, bits_per_sample, [&](auto sample, const auto component_count) {
        for (std::size_t i{}; i != component_count; ++i)
        {
            const std::uint16_t* JLS_RESTRICT const line{lines.components[i].above};
            std::uint8_t* JLS_RESTRICT const first{destination + i * sizeof sample};
            const auto width{static_cast<std::size_t>(lines.width)};
            for (std::size_t column{}; column != width; ++column)
            {
                sample = static_cast<decltype(sample)>(line[column]);
                std::memcpy(first + column * component_count * sizeof sample, &sample, sizeof sample);
            }
        }
    });
}

// Takes a row of the caller's apart, before the turn of the first component. Bits above the precision are left out.
inline void copy_from_caller(const std::uint8_t* const source, const lane_lines& lines,
                             const std::int32_t bits_per_sample) noexcept
{
    const auto maximum{static_cast<std::uint16_t>((1 << bits_per_sample) - 1)};
    with_caller_samples(lines, bits_per_sample, [&](auto sample, const auto component_count) {
        for (std::size_t i{}; i != component_count; ++i)
        {
            std::uint16_t* JLS_RESTRICT const line{lines.components[i].current};
            const std::uint8_t* JLS_RESTRICT const first{source + i * sizeof sample};
            const auto width{static_cast<std::size_t>(lines.width)};
            for (std::size_t column{}; column != width; ++column)
            {
                std::memcpy(&sample, first + column * component_count * sizeof sample, sizeof sample);
                line[column] = static_cast<std::uint16_t>(sample & maximum);
            }
        }
    });
}

} // namespace dicom_jpegls::scan::lanes

#endif
