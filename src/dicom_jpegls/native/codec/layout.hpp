// SPDX-License-Identifier: MIT
//
// Uncompressed samples in memory: lines at a constant distance. With interleave mode none a line holds one component,
// and the lines of all planes follow each other; otherwise it holds all components.
#pragma once

#include "../stream/stream_info.hpp"

#include "memory.hpp"
#include "status.hpp"

namespace dicom_jpegls {

using frame_info = dicom_jpegls_frame_info;

// The largest stride that CharLS takes.
constexpr std::uint64_t maximum_stride{UINT32_MAX};

[[nodiscard]] constexpr std::uint32_t bytes_per_sample(const std::int32_t bits_per_sample) noexcept
{
    return bits_per_sample <= 8 ? 1 : 2;
}

// The number of scans, and of planes in memory.
[[nodiscard]] constexpr std::uint32_t plane_count(const std::int32_t component_count,
                                                  const std::int32_t interleave_mode) noexcept
{
    return interleave_mode == interleave_none ? static_cast<std::uint32_t>(component_count) : 1;
}

[[nodiscard]] constexpr std::uint64_t sample_count(const frame_info& frame) noexcept
{
    return std::uint64_t{frame.width} * frame.height * static_cast<std::uint64_t>(frame.component_count);
}

[[nodiscard]] inline frame_info frame_of(const stream_info& info) noexcept
{
    return {info.width, info.height, info.bits_per_sample, info.component_count};
}

// The size in bytes of all samples without gaps. The frame must have been checked: then it fits 64 bits.
[[nodiscard]] constexpr std::uint64_t packed_size(const frame_info& frame) noexcept
{
    return sample_count(frame) * bytes_per_sample(frame.bits_per_sample);
}

struct image_layout
{
    std::uint64_t line_size;  // in bytes, of the samples of a line
    std::uint64_t line_count; // of all planes together
    std::uint64_t stride;     // in bytes, from the start of a line to that of the next
    std::uint64_t size;       // in bytes, from the first to the last sample

    // The layout of some of the lines.
    [[nodiscard]] image_layout with_lines(const std::uint64_t count) const noexcept
    {
        assert(count != 0 && count <= line_count);
        return {line_size, count, stride, (count - 1) * stride + line_size};
    }

    // The layout of the same lines without gaps.
    [[nodiscard]] image_layout without_gaps() const noexcept
    {
        return {line_size, line_count, line_size, line_count * line_size};
    }
};

struct layout_result
{
    status error;
    image_layout layout; // without size if there is an error
};

// The layout of an image for a stride; 0 stands for lines without gaps. Dimensions and number of components must have
// been checked: then no size overflows 64 bits.
[[nodiscard]] inline layout_result lay_out(const frame_info& frame, const std::int32_t interleave_mode,
                                           const std::uint64_t stride) noexcept
{
    assert(frame.width >= 1 && frame.width <= highest_maximum_dimension);
    assert(frame.height >= 1 && frame.height <= highest_maximum_dimension);
    assert(frame.component_count >= 1 && frame.component_count <= 255);
    const std::uint32_t planes = plane_count(frame.component_count, interleave_mode);
    const std::uint32_t sample_size = bytes_per_sample(frame.bits_per_sample);
    image_layout layout{};
    layout.line_size =
        std::uint64_t{frame.width} * (static_cast<std::uint32_t>(frame.component_count) / planes) * sample_size;
    layout.line_count = std::uint64_t{frame.height} * planes;
    layout.stride = stride == 0 ? layout.line_size : stride;
    if (layout.stride < layout.line_size || layout.stride > maximum_stride)
        return {status::stride_too_small, layout};
    if (layout.stride % sample_size != 0)
        return {status::stride_odd, layout};
    return {status::success, layout.with_lines(layout.line_count)};
}

// The number of a line among those of all planes.
[[nodiscard]] inline std::uint64_t line_number(const stream_info& info, const piece& part) noexcept
{
    const std::uint64_t plane =
        info.interleave_mode == interleave_none ? static_cast<std::uint64_t>(part.first_component) : 0;
    return plane * info.height + part.first_line;
}

// Whether CharLS cannot access the samples: it reads and writes those of 2 bytes as 16-bit numbers.
[[nodiscard]] inline bool is_misaligned(const std::uint8_t* const samples, const std::int32_t bits_per_sample) noexcept
{
    return reinterpret_cast<std::uintptr_t>(samples) % bytes_per_sample(bits_per_sample) != 0;
}

[[nodiscard]] inline bool overlap(const byte_span first, const byte_span second) noexcept
{
    const auto first_begin = reinterpret_cast<std::uintptr_t>(first.data);
    const auto second_begin = reinterpret_cast<std::uintptr_t>(second.data);
    return first_begin < second_begin + second.size && second_begin < first_begin + first.size;
}

// The value of a two's complement number whose precision ends with the sign bit; bits above that are ignored.
[[nodiscard]] constexpr std::int32_t extend_sign(const std::int32_t bits, const std::int32_t sign_bit) noexcept
{
    return ((bits & (2 * sign_bit - 1)) ^ sign_bit) - sign_bit;
}

// The caller's samples for CharLS: where they are, or, if it cannot access them there, a copy of their lines. What lies
// between the lines is not the image's: it may be unreadable, or be changed by other threads.
class input_buffer final
{
public:
    // Throws std::bad_alloc.
    input_buffer(const std::uint8_t* const samples, const image_layout& layout, const std::int32_t bits_per_sample) :
        data_{samples}, layout_{layout}
    {
        if (!is_misaligned(samples, bits_per_sample))
            return;
        layout_ = layout.without_gaps();
        aligned_ = heap_bytes{layout_.size};
        const auto line_size = static_cast<std::size_t>(layout.line_size);
        for (std::uint64_t i{}; i < layout.line_count; ++i)
            std::memcpy(aligned_.data() + i * layout_.stride, samples + i * layout.stride, line_size);
        data_ = aligned_.data();
    }

    [[nodiscard]] const std::uint8_t* data() const noexcept
    {
        return data_;
    }

    [[nodiscard]] const image_layout& layout() const noexcept
    {
        return layout_;
    }

private:
    const std::uint8_t* data_;
    image_layout layout_;
    heap_bytes aligned_;
};

// Decoded samples on their way to the caller's memory: decoded directly there, or, if CharLS cannot access that, into
// separate memory.
class output_buffer final
{
public:
    output_buffer() = default;

    // Throws std::bad_alloc.
    output_buffer(std::uint8_t* const destination, const image_layout& layout, const std::int32_t bits_per_sample,
                  const bool is_signed) :
        destination_{destination},
        destination_layout_{layout},
        data_{destination},
        layout_{layout},
        sample_size_{bytes_per_sample(bits_per_sample)}
    {
        if (is_signed && static_cast<std::uint32_t>(bits_per_sample) != 8 * sample_size_)
            sign_bit_ = 1 << (bits_per_sample - 1);
        if (is_misaligned(destination, bits_per_sample))
        {
            layout_ = layout.without_gaps();
            aligned_ = heap_bytes{layout_.size};
            data_ = aligned_.data();
        }
    }

    // Where the samples are decoded to, and how.
    [[nodiscard]] std::uint8_t* data() const noexcept
    {
        return data_;
    }

    [[nodiscard]] const image_layout& layout() const noexcept
    {
        return layout_;
    }

    // Completes the caller's samples once all are decoded.
    void deliver() const noexcept
    {
        if (sign_bit_ == 0 && data_ == destination_)
            return;
        for (std::uint64_t i{}; i < layout_.line_count; ++i)
        {
            std::uint8_t* const line = data_ + i * layout_.stride;
            if (sign_bit_ != 0)
                sample_size_ == 1 ? extend_signs<std::int8_t>(line) : extend_signs<std::int16_t>(line);
            if (data_ != destination_)
                std::memcpy(destination_ + i * destination_layout_.stride, line,
                            static_cast<std::size_t>(layout_.line_size));
        }
    }

private:
    template<typename Sample>
    void extend_signs(std::uint8_t* const line) const noexcept
    {
        auto* const samples = reinterpret_cast<Sample*>(line);
        const auto count = static_cast<std::size_t>(layout_.line_size / sizeof(Sample));
        for (std::size_t i{}; i < count; ++i)
            samples[i] = static_cast<Sample>(extend_sign(samples[i], sign_bit_));
    }

    std::uint8_t* destination_{};
    image_layout destination_layout_{};
    std::uint8_t* data_{};
    image_layout layout_{};
    heap_bytes aligned_;
    std::uint32_t sample_size_{1};
    std::int32_t sign_bit_{}; // of signed samples that do not use all bits of their type; otherwise 0
};

} // namespace dicom_jpegls
