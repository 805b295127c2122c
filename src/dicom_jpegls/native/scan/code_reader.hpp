// SPDX-License-Identifier: MIT
//
// The bits of a scan. A part of the stream at a time is copied without the stuffed bits (T.87 A.1) into a buffer of
// fixed size, so that the loops can load 8 bytes at any position. After the last bit of the scan the buffer holds
// zeros: more of them than a code can have, so that a decoder soon stops, and more than it can read before it checks
// its position.
#pragma once

#include "parameters.hpp"

namespace dicom_jpegls::scan {

// A mapped error, and the bit position after its code.
struct golomb_code
{
    std::size_t position;
    std::uint32_t mapped_error;
};

class code_reader final
{
public:
    // The bits that may be read between two calls of `prepare`: for each of the 64 samples of a block a code of at most
    // 64 bits, after a run that ends with a 0 bit and a remainder of at most 15 bits. And the 1 bits of the runs: 32
    // until the order is the highest, one more for each interruption, which lowers the order, and one for each 2^15
    // samples of a line.
    static constexpr std::size_t max_bits_between_refills{64 * (64 + 1 + 15) + 256};
    static_assert(256 >= 32 + 64 + 2);

    // The bytes that are copied into the buffer at a time.
    static constexpr std::size_t fill_size{4096};
    static_assert(fill_size >= 2 * max_bits_between_refills / 8);

    // The bits that a load returns at least.
    static constexpr std::uint32_t loaded_bits{57};

    // `source` is where the entropy-coded data of the scan begins; it ends at a marker or at the end of the buffer.
    code_reader(const std::uint8_t* const source, const std::uint8_t* const end) noexcept : source_{source}, end_{end}
    {
    }

    // The bits from a position on, from the top of the word.
    [[nodiscard]] static JLS_INLINE std::uint64_t load(const std::uint8_t* const bytes,
                                                       const std::size_t position) noexcept
    {
        return load_big_endian(bytes + (position >> 3U)) << (position & 7U);
    }

    [[nodiscard]] const std::uint8_t* bytes() const noexcept
    {
        return bytes_;
    }

    // Makes `max_bits_between_refills` bits readable. Fails if more bits were read than the scan has.
    JLS_INLINE void prepare()
    {
        if (JLS_UNLIKELY(position + max_bits_between_refills > available_))
            refill();
    }

    // Fails if more bits were read than the scan has.
    void check_position() const
    {
        assert(position <= 8 * buffer_size);
        if (JLS_UNLIKELY(position > available_))
            fail(scan_fault::invalid_encoded_data);
    }

    // A code of any length (T.87 A.5.3): zero bits, a 1, and k bits; or as many zero bits as no other code has, a 1,
    // and qbpp bits.
    [[nodiscard]] static JLS_INLINE golomb_code read_golomb(const std::uint8_t* const bytes, std::size_t position,
                                                            const std::uint32_t k, const std::int32_t limit,
                                                            const std::int32_t quantized_bits_per_sample)
    {
        assert(k <= largest_k && quantized_bits_per_sample >= 1 && limit > quantized_bits_per_sample);
        const std::uint64_t bits{load(bytes, position)};
        const std::uint32_t zeros{63U - highest_bit(bits | 1U)};
        const auto zeros_of_escape{static_cast<std::uint32_t>(limit - quantized_bits_per_sample - 1)};
        if (JLS_UNLIKELY(zeros > zeros_of_escape))
            fail(scan_fault::invalid_encoded_data);
        position += zeros + 1;
        const std::uint64_t rest{load(bytes, position)};
        if (zeros == zeros_of_escape)
        {
            const auto count{static_cast<std::uint32_t>(quantized_bits_per_sample)};
            return {position + count, static_cast<std::uint32_t>(rest >> (64U - count)) + 1};
        }
        return {position + k, (zeros << k) | static_cast<std::uint32_t>((rest >> 1U) >> (63U - k))};
    }

    // Ends a scan or a restart interval: fails unless all of its bits have been read, apart from 0 bits that fill the
    // last byte and a byte of zeros that some encoders write. Returns where the unread bytes begin.
    [[nodiscard]] const std::uint8_t* finish()
    {
        check_position();
        refill();
        const std::size_t rest{available_ - position};
        if (rest >= 16 || !reached_end_ || (load(bytes_, position) >> (64U - 16U)) != 0)
            fail(scan_fault::too_much_encoded_data);
        if (source_ == end_)
            fail(scan_fault::source_too_small);
        return rest < 8 ? source_ : source_ - 1;
    }

    // Whether the scan ends here and its source too: all bits have been read, apart from 0 bits that fill the last
    // byte.
    [[nodiscard]] bool ends_with_source()
    {
        check_position();
        refill();
        return source_ == end_ && available_ - position < 8 && (load(bytes_, position) >> (64U - 8U)) == 0;
    }

    // After `finish`: reads the marker RSTm (T.81 B.2.1), FF fill bytes before it included, and continues after it.
    void read_restart_marker(const std::uint32_t number)
    {
        std::uint8_t byte{read_byte()};
        if (byte != 0xFF)
            fail(scan_fault::restart_marker_not_found);
        do
        {
            byte = read_byte();
        } while (byte == 0xFF);
        if (byte != first_restart_marker + number)
            fail(scan_fault::restart_marker_not_found);
        position = 0;
        available_ = 0;
        pending_ = 0;
        pending_bits_ = 0;
        reached_end_ = false;
    }

    std::size_t position{}; // of the next bit, from the start of the buffer

private:
    std::uint8_t read_byte()
    {
        if (source_ == end_)
            fail(scan_fault::source_too_small);
        return *source_++;
    }

    // Moves what has not been read to the start of the buffer and fills up the rest.
    JLS_NOINLINE void refill()
    {
        check_position();
        if (reached_end_)
            return;
        const std::size_t read_bytes{position >> 3U};
        const std::size_t kept_bytes{available_ / 8 - read_bytes};
        assert(kept_bytes <= fill_size + 8);
        std::memmove(bytes_, bytes_ + read_bytes, kept_bytes);
        position &= 7U;
        std::uint8_t* next{copy_bits(bytes_ + kept_bytes)};
        available_ = 8 * static_cast<std::size_t>(next - bytes_);
        assert(pending_bits_ < 8 && next <= bytes_ + fill_size + 8);
        if (reached_end_)
        {
            available_ += pending_bits_;
            if (pending_bits_ != 0)
                *next++ = static_cast<std::uint8_t>(pending_ << (8U - pending_bits_));
            std::memset(next, 0, static_cast<std::size_t>(bytes_ + buffer_size - next));
        }
    }

    // Copies source bytes to `next` without the bit after FF until the buffer is full or the data ends. Returns the
    // end.
    std::uint8_t* copy_bits(std::uint8_t* next) noexcept
    {
        std::uint8_t* const last{bytes_ + fill_size};
        while (next < last)
        {
            // No FF in [source_, stop).
            const std::size_t wanted{
                std::min(static_cast<std::size_t>(last - next), static_cast<std::size_t>(end_ - source_))};
            const auto* const ff{
                static_cast<const std::uint8_t*>(wanted == 0 ? nullptr : std::memchr(source_, 0xFF, wanted))};
            const std::uint8_t* const stop{ff ? ff : source_ + wanted};

            // 7 bytes at a time after up to 7 pending bits; 8 are loaded and 8 stored.
            while (stop - source_ >= 8)
            {
                const std::uint64_t word{(pending_ << 56U) | (load_big_endian(source_) >> 8U)};
                store_big_endian(next, word << (8U - pending_bits_));
                pending_ = word & ((std::uint64_t{1} << pending_bits_) - 1);
                next += 7;
                source_ += 7;
            }
            while (source_ != stop)
                next = put(next, *source_++, 8);

            if (source_ == end_)
            {
                reached_end_ = true;
                break;
            }
            if (ff)
            {
                // A marker, or a last byte that can only be the start of one.
                if (end_ - source_ == 1 || (source_[1] & 0x80U) != 0)
                {
                    reached_end_ = true;
                    break;
                }
                next = put(next, 0xFF, 8);
                next = put(next, source_[1], 7);
                source_ += 2;
            }
        }
        return next;
    }

    std::uint8_t* put(std::uint8_t* const next, const std::uint32_t bits, const std::uint32_t count) noexcept
    {
        assert(pending_bits_ < 8 && count <= 8 && bits >> count == 0);
        pending_ = (pending_ << count) | bits;
        pending_bits_ += count;
        if (pending_bits_ < 8)
            return next;
        pending_bits_ -= 8;
        *next = static_cast<std::uint8_t>(pending_ >> pending_bits_);
        pending_ &= (std::uint64_t{1} << pending_bits_) - 1;
        return next + 1;
    }

    static constexpr std::uint32_t first_restart_marker{0xD0}; // RST0, its byte after FF

    // With zeros for all that can be read after the end.
    static constexpr std::size_t buffer_size{fill_size + 8 + max_bits_between_refills / 8 + 16};

    const std::uint8_t* source_;
    const std::uint8_t* end_;
    std::size_t available_{}; // bits in the buffer, those before `position` included
    std::uint64_t pending_{}; // up to 7 bits that do not fill a byte yet
    std::uint32_t pending_bits_{};
    bool reached_end_{};
    std::uint8_t bytes_[buffer_size]; // `refill` writes what is read
};

} // namespace dicom_jpegls::scan
