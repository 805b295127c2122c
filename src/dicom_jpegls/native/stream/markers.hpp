// SPDX-License-Identifier: MIT
//
// Markers and their segments: how they are told apart, read and written (T.81 annex B, T.87 annex C). What their fields
// mean is the business of others.
#pragma once

#include "bytes.hpp"
#include "faults.hpp"

#include <algorithm>
#include <cstring>

namespace dicom_jpegls {

// Marker codes: the byte after FF (T.81 table B.1, T.87 C.1.1). Unscoped, since they are compared with bytes.
enum marker : std::uint8_t
{
    marker_sof0 = 0xC0,
    marker_dht = 0xC4,
    marker_jpg = 0xC8,
    marker_dac = 0xCC,
    marker_sof15 = 0xCF,
    marker_rst0 = 0xD0,
    marker_rst7 = 0xD7,
    marker_soi = 0xD8,
    marker_eoi = 0xD9,
    marker_sos = 0xDA,
    marker_dnl = 0xDC,
    marker_dri = 0xDD,
    marker_app0 = 0xE0,
    marker_app8 = 0xE8,
    marker_app15 = 0xEF,
    marker_sof55 = 0xF7,
    marker_lse = 0xF8,
    marker_sof57 = 0xF9,
    marker_com = 0xFE,
};

[[nodiscard]] constexpr bool is_restart_marker(const std::uint8_t code) noexcept
{
    return code >= marker_rst0 && code <= marker_rst7;
}

[[nodiscard]] constexpr bool is_application_marker(const std::uint8_t code) noexcept
{
    return code >= marker_app0 && code <= marker_app15;
}

// A marker and, where it has one, its segment. All positions are byte offsets from the stream's start.
struct segment
{
    std::uint8_t code{};  // the marker's byte after FF; 0 for no marker
    std::size_t offset{}; // of the FF right before that byte
    std::size_t data{};   // of the first byte after the length field
    std::size_t size{};   // of the data in bytes; 0 for a marker without a segment
};

// Takes a stream apart into segments. Knows which markers have none and how entropy-coded data ends; the order of the
// segments is for the caller to check.
class segment_reader final
{
public:
    explicit segment_reader(const byte_span stream) noexcept : stream_{stream}
    {
    }

    // Reads the marker at the current position, which fill bytes FF may precede (T.81 B.1.1.2).
    [[nodiscard]] fault next() noexcept
    {
        current_ = {0, position_, position_, 0};
        if (position_ == stream_.size)
            return fault::no_end_of_image;
        if (stream_.data[position_] != 0xFF)
            return fault::marker_expected;
        while (position_ < stream_.size && stream_.data[position_] == 0xFF)
            ++position_;
        current_.offset = position_ - 1;
        if (position_ == stream_.size)
            return fault::truncated;
        current_.code = stream_.data[position_++];
        current_.data = position_;
        if (current_.code == marker_soi || current_.code == marker_eoi || is_restart_marker(current_.code))
            return fault::none;
        if (current_.code < marker_sof0)
            return fault::unknown_marker;
        if (stream_.size - position_ < 2)
            return fault::truncated;
        const std::size_t length = (std::size_t{stream_.data[position_]} << 8) | stream_.data[position_ + 1];
        if (length < 2)
            return fault::segment_length;
        if (length > stream_.size - position_)
            return fault::truncated;
        current_.data = position_ + 2;
        current_.size = length - 2;
        position_ += length;
        return fault::none;
    }

    // The segment that `next` has read, or the position where it failed.
    [[nodiscard]] const segment& current() const noexcept
    {
        return current_;
    }

    [[nodiscard]] byte_span data() const noexcept
    {
        return stream_.subspan(current_.data, current_.size);
    }

    // Moves over entropy-coded data to the next marker: FF followed by a byte with its high bit set (T.87 A.1). Returns
    // false if the stream ends first.
    bool skip_entropy_coded_data() noexcept
    {
        while (position_ < stream_.size)
        {
            const void* found = std::memchr(stream_.data + position_, 0xFF, stream_.size - position_);
            if (!found)
                break;
            position_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - stream_.data);
            if (position_ + 1 < stream_.size && (stream_.data[position_ + 1] & 0x80) != 0)
                return true;
            ++position_;
        }
        position_ = stream_.size;
        return false;
    }

    // Moves over bytes that are part of nothing.
    void skip(const std::size_t bytes) noexcept
    {
        position_ += std::min(bytes, stream_.size - position_);
    }

    [[nodiscard]] std::size_t position() const noexcept
    {
        return position_;
    }

private:
    byte_span stream_;
    std::size_t position_{};
    segment current_{};
};

// A stream from its SOI marker: fill bytes FF may precede it, as any marker (T.81 B.1.1.2).
[[nodiscard]] inline byte_span without_fill_bytes(const byte_span stream) noexcept
{
    std::size_t begin{};
    while (stream.size - begin > 1 && stream.data[begin] == 0xFF && stream.data[begin + 1] == 0xFF)
        ++begin;
    return stream.subspan(begin, stream.size - begin);
}

// Reads the data of a segment as big-endian numbers, one after another. The caller checks the size first.
class field_reader final
{
public:
    explicit field_reader(const byte_span data) noexcept : rest_{data}
    {
    }

    // A number of 1 to 4 bytes.
    std::uint32_t number(const std::size_t bytes) noexcept
    {
        assert(bytes <= 4 && bytes <= rest_.size);
        std::uint32_t value{};
        for (std::size_t i{}; i < bytes; ++i)
            value = (value << 8) | rest_.data[i];
        rest_ = rest_.subspan(bytes, rest_.size - bytes);
        return value;
    }

    // A number of 1 or 2 bytes, in the type that parameters have.
    std::int32_t parameter(const std::size_t bytes) noexcept
    {
        assert(bytes <= 2);
        return static_cast<std::int32_t>(number(bytes));
    }

    [[nodiscard]] bool starts_with(const char* text, const std::size_t length) noexcept
    {
        assert(length <= rest_.size);
        const bool equal = std::memcmp(rest_.data, text, length) == 0;
        rest_ = rest_.subspan(length, rest_.size - length);
        return equal;
    }

private:
    byte_span rest_;
};

// Writes markers and the fields of their segments. Without a destination it only counts the bytes.
class stream_writer final
{
public:
    explicit stream_writer(std::uint8_t* destination) noexcept : destination_{destination}
    {
    }

    // A big-endian number of 1 to 4 bytes.
    void number(const std::uint32_t value, const std::size_t bytes) noexcept
    {
        assert(bytes == 4 || value >> (8 * bytes) == 0);
        for (std::size_t i{bytes}; i-- != 0; ++size_)
            if (destination_)
                destination_[size_] = static_cast<std::uint8_t>(value >> (8 * i));
    }

    void marker(const std::uint32_t code) noexcept
    {
        number(0xFF00U | code, 2);
    }

    // A marker and the length of its segment, which counts its own 2 bytes.
    void segment(const std::uint32_t code, const std::uint32_t data_size) noexcept
    {
        marker(code);
        number(data_size + 2, 2);
    }

    void bytes(const byte_span from) noexcept
    {
        if (destination_ && from.size != 0)
            std::memcpy(destination_ + size_, from.data, from.size);
        size_ += from.size;
    }

    // DRI (T.87 C.2.5).
    void restart_interval(const std::uint32_t lines) noexcept
    {
        const std::uint32_t bytes = lines > 0xFFFF ? 4 : 2;
        segment(marker_dri, bytes);
        number(lines, bytes);
    }

    [[nodiscard]] std::size_t size() const noexcept
    {
        return size_;
    }

private:
    std::uint8_t* destination_;
    std::size_t size_{};
};

} // namespace dicom_jpegls
