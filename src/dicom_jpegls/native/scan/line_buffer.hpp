// SPDX-License-Identifier: MIT
//
// The lines that the coding of a scan looks at: the current one and the one above, of all components that a line has.
#pragma once

#include "parameters.hpp"

#include <utility>
#include <vector>

namespace dicom_jpegls::scan {

template<typename Sample>
class line_buffer final
{
public:
    // `count` samples in a line; with line interleave, `plane_count` components one after another. There is room for
    // `margin` samples on both sides of each line.
    line_buffer(const std::ptrdiff_t count, const std::ptrdiff_t plane_count, const std::ptrdiff_t margin) :
        plane_stride_{count + 2 * margin},
        samples_(static_cast<std::size_t>(2 * plane_count * plane_stride_)),
        above_{samples_.data() + margin},
        current_{above_ + plane_count * plane_stride_}
    {
    }

    // Samples from the start of a plane's line to that of the next plane.
    [[nodiscard]] std::ptrdiff_t plane_stride() const noexcept
    {
        return plane_stride_;
    }

    [[nodiscard]] Sample* above(const std::ptrdiff_t plane) noexcept
    {
        return above_ + plane * plane_stride_;
    }

    [[nodiscard]] Sample* current(const std::ptrdiff_t plane) noexcept
    {
        return current_ + plane * plane_stride_;
    }

    void next_line() noexcept
    {
        std::swap(above_, current_);
    }

    void clear() noexcept
    {
        std::fill(samples_.begin(), samples_.end(), Sample{});
    }

private:
    std::ptrdiff_t plane_stride_;
    std::vector<Sample> samples_;
    Sample* above_;
    Sample* current_;
};

// Sets the neighbours that are outside of the image (T.87 A.2.1): on the left of a line the first sample above, on the
// right of the line above its own last sample. `above` and `current` point at the first sample of lines of `count`
// samples.
template<int ComponentCount, typename Sample>
inline void set_edges(Sample* const above, Sample* const current, const std::ptrdiff_t count) noexcept
{
    assert(count >= ComponentCount && count % ComponentCount == 0);
    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
    {
        above[count + component] = above[count - ComponentCount + component];
        current[component - ComponentCount] = above[component];
    }
}

} // namespace dicom_jpegls::scan
