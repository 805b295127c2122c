// SPDX-License-Identifier: MIT
//
// From errors to codes: the Golomb parameter and the mapping of errors (T.87 A.5.1, A.5.2), and the codes (A.5.3). They
// are collected, so that most of the work is done for many at once.
#pragma once

#include "bit_writer.hpp"

#include <array>

namespace dicom_jpegls::scan {

// The bits of a float as a number: for positive floats, 2^23 times a logarithm to the base 2, rounded.
DICOM_JPEGLS_INLINE std::int32_t float_bits(const float value) noexcept
{
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

DICOM_JPEGLS_INLINE float float_of_bits(const std::int32_t bits) noexcept
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// For each N, what is to be subtracted from the bits of A as a float to get k in the exponent: see make_codes.
class logarithm_table final
{
public:
    logarithm_table() noexcept
    {
        for (std::size_t n{1}; n != offsets_.size(); ++n)
            offsets_[n] = float_bits(static_cast<float>(n)) - 0x7FFFFF;
    }

    std::int32_t operator[](const std::size_t n) const noexcept
    {
        return offsets_[n];
    }

private:
    std::array<std::int32_t, reset_value + 1> offsets_{};
};

// Codes on their way into the bit stream, in the order of the stream. Those of the regular mode come as error and
// statistics; those of the run mode come complete and take a place that make_codes fills in vain.
struct pending_codes
{
    static constexpr std::size_t enough{512}; // write them out when so many are there
    static constexpr std::size_t capacity{enough + 1024};
    static constexpr std::uint16_t escape{255}; // instead of a length: the code for errors too great (T.87 A.5.3)

    struct complete_code
    {
        std::uint16_t place;
        std::uint16_t value;
        std::uint16_t length;
    };

    std::size_t count{};
    std::size_t complete_count{};

    alignas(64) std::int32_t a[capacity];
    alignas(64) std::int32_t n_offset[capacity]; // from logarithm_table
    alignas(64) std::int16_t error[capacity];
    alignas(64) std::int16_t balance[capacity]; // 2 B + N - 1: below 0, errors are inverted with k = 0

    alignas(64) std::uint16_t k[capacity];
    alignas(64) std::uint16_t power[capacity];   // 2^k
    alignas(64) std::uint16_t inverse[capacity]; // 2^(16 - k), 0 with k = 0

    alignas(64) std::uint16_t value[capacity + 4]; // of the code: a 1 bit and what follows it
    alignas(64) std::uint16_t length[capacity + 4];

    complete_code complete[capacity];

    // Adds a code of the run mode.
    void add(const std::uint32_t code_value, const std::uint32_t code_length) noexcept
    {
        complete[complete_count] = {static_cast<std::uint16_t>(count), static_cast<std::uint16_t>(code_value),
                                    static_cast<std::uint16_t>(code_length)};
        ++complete_count;
        clear_place(count);
        ++count;
    }

    // Fills in values and lengths.
    template<typename Mode>
    void make_codes(const Mode& mode) noexcept
    {
        for (std::size_t i{count}; i != rounded_count(); ++i)
            clear_place(i);
        with_widest_vectors([&]() DICOM_JPEGLS_INLINE_LAMBDA { make_regular_codes(mode); });

        for (std::size_t i{}; i != complete_count; ++i)
        {
            value[complete[i].place] = complete[i].value;
            length[complete[i].place] = complete[i].length;
        }

        // Empty codes, so that there are whole groups of four.
        for (std::size_t i{count}; (i & 3U) != 0; ++i)
        {
            value[i] = 0;
            length[i] = 0;
        }
    }

    void clear() noexcept
    {
        count = 0;
        complete_count = 0;
    }

private:
    // The loops over the regular mode's values handle groups of 16.
    std::size_t rounded_count() const noexcept
    {
        return (count + 15) & ~std::size_t{15};
    }

    // The loops over the regular mode's values pass this place, too.
    void clear_place(const std::size_t place) noexcept
    {
        a[place] = 0;
        n_offset[place] = 0;
        error[place] = 0;
        balance[place] = 0;
    }

    // Vector registers of SSE2 cannot shift each lane by another number of bits, so powers of two come out of the
    // exponents of floats and shifts are multiplications.
    template<typename Mode>
    DICOM_JPEGLS_INLINE void make_regular_codes(const Mode& mode) noexcept
    {
        const std::size_t rounded{rounded_count()};

        // The least k with N 2^k >= A is the difference of their logarithms, rounded up: exact for A < 2^24 (T.87
        // A.5.1).
        DICOM_JPEGLS_VECTORIZE
        for (std::size_t i{}; i < rounded; ++i)
        {
            const std::int32_t difference{std::max(float_bits(static_cast<float>(a[i])) - n_offset[i], 0)};
            const std::int32_t exponent{difference & 0x7F800000};
            k[i] = static_cast<std::uint16_t>(difference >> 23);
            power[i] = static_cast<std::uint16_t>(static_cast<std::int32_t>(float_of_bits(exponent + (127 << 23))));
            inverse[i] = static_cast<std::uint16_t>(static_cast<std::int32_t>(float_of_bits((143 << 23) - exponent)));
        }

        const auto zeros_of_escape{static_cast<std::uint16_t>(mode.limit - mode.quantized_bits - 1)};
        const auto escape_mask{static_cast<std::uint16_t>((1U << mode.quantized_bits) - 1)};
        DICOM_JPEGLS_VECTORIZE
        for (std::size_t i{}; i < rounded; ++i)
        {
            const std::int16_t signed_error{error[i]};
            const auto k_is_0{static_cast<std::uint16_t>(k[i] == 0 ? 0xFFFF : 0)};

            // Code segment A.11: 2 e, or -2 e - 1 for e < 0; the other way round if the error is to be inverted.
            auto mapped{static_cast<std::uint16_t>(static_cast<std::uint16_t>(signed_error >> 15) ^
                                                   static_cast<std::uint16_t>(signed_error + signed_error))};
            if constexpr (Mode::is_lossless)
                mapped =
                    static_cast<std::uint16_t>(mapped ^ ((static_cast<std::uint16_t>(balance[i]) >> 15U) & k_is_0));

            // Unary part (zero bits and a 1), then k bits (T.87 A.5.3).
            auto zeros{static_cast<std::uint16_t>((std::uint32_t{mapped} * inverse[i]) >> 16U)};
            zeros = static_cast<std::uint16_t>(zeros | (mapped & k_is_0));
            const auto bits{static_cast<std::uint16_t>(mapped - static_cast<std::uint16_t>(zeros - 1) * power[i])};
            const auto bit_count{static_cast<std::uint16_t>(zeros + k[i] + 1)};
            const bool too_great{zeros >= zeros_of_escape};
            value[i] = too_great ? static_cast<std::uint16_t>((mapped - 1) & escape_mask) : bits;
            length[i] = too_great ? escape : bit_count;
        }
    }
};

// Where the codes of a scan go.
class code_writer final
{
public:
    code_writer(std::uint8_t* const destination, const std::size_t size) noexcept : stuffer_{destination, size}
    {
    }

    template<typename Mode>
    void write(const pending_codes& codes, const Mode& mode)
    {
        stuffer_.write(packed_bytes_, pack(codes, mode));
    }

    // Ends the scan and returns its size in bytes.
    std::size_t finish()
    {
        return stuffer_.finish({packed_, packed_bits_, packed_bytes_});
    }

private:
    template<typename Mode>
    static DICOM_JPEGLS_NOINLINE bit_packer put_long(bit_packer target, const pending_codes& codes,
                                                     const std::size_t first, const Mode& mode) noexcept
    {
        for (std::size_t i{first}; i != first + 4; ++i)
        {
            if (codes.length[i] == pending_codes::escape)
                target.put_escape(codes.value[i], mode);
            else
                target.put_code(codes.value[i], codes.length[i]);
        }
        return target;
    }

    // Packs the codes into packed_bytes_ and returns the number of whole bytes.
    template<typename Mode>
    DICOM_JPEGLS_NOINLINE std::size_t pack(const pending_codes& codes, const Mode& mode) noexcept
    {
        bit_packer target{packed_, packed_bits_, packed_bytes_};
        for (std::size_t i{}; i < codes.count; i += 4)
        {
            const std::uint32_t length1{codes.length[i + 1]};
            const std::uint32_t length3{codes.length[i + 3]};
            const std::uint32_t first_length{codes.length[i] + length1};
            const std::uint32_t second_length{codes.length[i + 2] + length3};
            const std::uint32_t total{first_length + second_length};
            if (DICOM_JPEGLS_LIKELY(total <= 56))
            {
                const std::uint64_t first{(std::uint64_t{codes.value[i]} << length1) | codes.value[i + 1]};
                const std::uint64_t second{(std::uint64_t{codes.value[i + 2]} << length3) | codes.value[i + 3]};
                target.put((first << second_length) | second, total);
            }
            else
            {
                target = put_long(target, codes, i, mode);
            }
        }
        packed_ = target.bits;
        packed_bits_ = target.count;
        return static_cast<std::size_t>(target.position - packed_bytes_);
    }

    bit_stuffer stuffer_;
    std::uint64_t packed_{}; // as in bit_packer
    std::uint64_t packed_bits_{};

    // A code has at most 64 bits; the last store may reach 8 bytes further.
    alignas(64) std::uint8_t packed_bytes_[pending_codes::capacity * 8 + 16];
};

} // namespace dicom_jpegls::scan
