// SPDX-License-Identifier: MIT
//
// The bit stream of a scan (T.87 A.1). Codes are packed into whole bytes first, without stuffed bits; then these are
// written with a 0 bit after each byte of FF.
#pragma once

#include "parameters.hpp"

namespace dicom_jpegls::scan {

// Bits on their way into bytes: at the top of a word, fewer than 8 of them between codes.
struct bit_packer
{
    std::uint64_t bits;
    std::uint64_t count;
    std::uint8_t* position;

    // Appends 0 to 56 bits. Always stores 8 bytes, of which only whole ones count.
    JLS_INLINE void put(const std::uint64_t value, const std::uint64_t length) noexcept
    {
        assert(count < 8 && length <= 56 && value >> length == 0);
        count += length;
        bits |= value << ((64U - count) & 63U);
        store_big_endian(position, bits);
        position += count >> 3U;
        bits <<= count & 56U;
        count &= 7U;
    }

    // Appends a code of up to 64 bits, of which only the last 32 can be other than 0.
    JLS_INLINE void put_code(const std::uint32_t value, const std::uint32_t length) noexcept
    {
        if (length > 32)
            put(0, length - 32);
        put(value, std::min(length, 32U));
    }

    // Appends the code of a mapped error that is too great for others (T.87 A.5.3).
    template<typename Mode>
    JLS_INLINE void put_escape(const std::uint32_t value, const Mode& mode) noexcept
    {
        put_code(1, static_cast<std::uint32_t>(mode.limit - mode.quantized_bits_per_sample));
        put_code(value, static_cast<std::uint32_t>(mode.quantized_bits_per_sample));
    }
};

// Writes packed bytes to the destination. Fails if there is no room left.
class bit_stuffer final
{
public:
    bit_stuffer(std::uint8_t* const destination, const std::size_t size) noexcept :
        begin_{destination}, position_{destination}, end_{destination + size}
    {
    }

    // Eight bytes at a time where no FF is among them.
    JLS_NOINLINE void write(const std::uint8_t* source, std::size_t size)
    {
        for (; size >= 8; size -= 8, source += 8)
        {
            const std::uint64_t word{load_big_endian(source)};
            const std::uint64_t shifted{((bits_ << 1U) << (63U - count_)) | (word >> count_)};
            if (JLS_LIKELY(!contains_ff(shifted) && end_ - position_ >= 8))
            {
                store_big_endian(position_, shifted);
                position_ += 8;
                bits_ = word; // of which only the last count_ count
            }
            else
            {
                append(word >> 32U, 32);
                append(word & 0xFFFFFFFFU, 32);
            }
        }
        for (; size != 0; --size)
            append(*source++, 8);
    }

    // Writes the bits that a packer is left with, fills the last byte with 0 bits and returns the number of bytes of
    // the whole scan. The 0 bit after a last byte of FF makes for one more byte.
    [[nodiscard]] std::size_t finish(const bit_packer& rest)
    {
        const auto tail{static_cast<std::uint32_t>(rest.count)};
        append(tail == 0 ? 0 : rest.bits >> (64U - tail), tail);
        while (count_ != 0)
            append(0, 8U - count_);
        return static_cast<std::size_t>(position_ - begin_);
    }

private:
    void append(const std::uint64_t bits, const std::uint32_t count)
    {
        assert(count_ < 8 && count <= 32 && bits >> count == 0);
        bits_ = (bits_ << count) | bits;
        count_ += count;
        write_bytes();
    }

    // Writes whole bytes, with the 0 bit after FF.
    JLS_NOINLINE void write_bytes()
    {
        while (count_ >= 8)
        {
            if (position_ == end_)
                fail(scan_fault::destination_too_small);
            count_ -= 8;
            const auto byte{static_cast<std::uint8_t>(bits_ >> count_)};
            *position_++ = byte;
            if (byte == 0xFF)
            {
                bits_ &= (std::uint64_t{1} << count_) - 1;
                ++count_;
            }
        }
    }

    std::uint8_t* begin_;
    std::uint8_t* position_;
    std::uint8_t* end_;
    std::uint64_t bits_{}; // at the bottom of a word, fewer than 8 of them between bytes
    std::uint32_t count_{};
};

} // namespace dicom_jpegls::scan
