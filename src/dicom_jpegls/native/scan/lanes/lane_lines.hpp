// SPDX-License-Identifier: MIT
//
// What the lanes of both directions have in common: which scan a lane is at, and its lines of samples.
#pragma once

#include "vectors.hpp"

#ifdef JLS_LANES

#include "../line_buffer.hpp"

#include <vector>

namespace dicom_jpegls::scan::lanes {

// Steps of a group: samples of a lane that are coded before scalar code looks at the lanes again; with several
// components those of two pixels.
template<int ComponentCount>
constexpr int group_size{ComponentCount == 1 ? 4 : 2 * ComponentCount};

// Components of a pixel.
constexpr int most_components{3};
constexpr int largest_group_size{group_size<most_components>};

// The line above and the current line of each lane, as samples of 16 bits.
class line_store final
{
public:
    // Samples that a line needs room for on its left and on its right: a group reaches past the end of the line, and a
    // run is filled by blocks.
    static constexpr std::ptrdiff_t margin{32};
    static_assert(margin >= 2 * largest_group_size);

    // Makes room for lines of up to `width` samples.
    void reserve(const std::uint32_t width)
    {
        // Whole cache lines, and not the same sets of the cache for all lanes.
        distance_ = (std::ptrdiff_t{width} + 2 * margin + 31) / 32 * 32 + 32;
        const auto size{static_cast<std::size_t>(2 * lane_count * distance_)};
        if (samples_.size() < size)
            samples_.resize(size);
    }

    // The first of the two lines of a lane, and the second.
    std::uint16_t* line(const int lane, const int number) noexcept
    {
        return samples_.data() + (2 * lane + number) * distance_ + margin;
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
    std::vector<std::uint16_t> samples_;
};

// The lines of the scan that a lane is at. At its end they change places.
struct lane_lines
{
    std::uint16_t* above{};
    std::uint16_t* current{};
    std::ptrdiff_t width{}; // in samples
    std::uint32_t lines_left{};

    // The first line, below one of zeros (T.87 A.2.1).
    void start(line_store& store, const int lane, const std::uint32_t line_width, const std::uint32_t height) noexcept
    {
        above = store.line(lane, 0);
        current = store.line(lane, 1);
        width = static_cast<std::ptrdiff_t>(line_width);
        lines_left = height;
        std::fill(above - most_components, above + width + most_components, std::uint16_t{});
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

// Copies a line to the caller's samples, of one byte or two, of any alignment.
inline void copy_to_caller(const std::uint16_t* JLS_RESTRICT const line, std::uint8_t* JLS_RESTRICT const destination,
                           const std::size_t width, const std::int32_t bits_per_sample) noexcept
{
    if (bits_per_sample > 8)
    {
        std::memcpy(destination, line, width * sizeof *line);
        return;
    }
    for (std::size_t i{}; i != width; ++i)
        destination[i] = static_cast<std::uint8_t>(line[i]);
}

// Copies a line of the caller's samples. Bits above the precision are left out.
inline void copy_from_caller(const std::uint8_t* JLS_RESTRICT const source, std::uint16_t* JLS_RESTRICT const line,
                             const std::size_t width, const std::int32_t bits_per_sample) noexcept
{
    if (bits_per_sample <= 8)
    {
        std::copy_n(source, width, line);
        return;
    }
    std::memcpy(line, source, width * sizeof *line);
    const auto maximum{static_cast<std::uint16_t>((1 << bits_per_sample) - 1)};
    if (bits_per_sample != 16)
    {
        for (std::size_t i{}; i != width; ++i)
            line[i] = static_cast<std::uint16_t>(line[i] & maximum);
    }
}

} // namespace dicom_jpegls::scan::lanes

#endif
