// SPDX-License-Identifier: MIT
//
// From errors to codes: the Golomb parameter and the mapping of errors (T.87 A.5.1, A.5.2), and the codes (A.5.3). They
// are collected, so that most of the work is done for many at once.
#pragma once

#include "bit_writer.hpp"

#include <array>

namespace dicom_jpegls::scan {

// The fields of an IEEE 754 single: 8 bits of exponent above 23 of mantissa.
inline constexpr std::int32_t float_mantissa_bits{23};
inline constexpr std::int32_t float_mantissa_mask{(1 << float_mantissa_bits) - 1};
inline constexpr std::int32_t float_exponent_mask{0xFF << float_mantissa_bits};
inline constexpr std::int32_t float_exponent_bias{127};
static_assert(std::numeric_limits<float>::is_iec559 && sizeof(float) == sizeof(std::int32_t));

// The bits of a float as a number: for positive floats, 2^23 times an approximate logarithm to the base 2.
JLS_INLINE std::int32_t float_bits(const float value) noexcept
{
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

JLS_INLINE float float_of_bits(const std::int32_t bits) noexcept
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// For each N, what has to be subtracted from the bits of A as a float to get k in the exponent: see make_regular_codes.
class logarithm_table final
{
public:
    logarithm_table() noexcept
    {
        for (std::size_t n{1}; n != offsets_.size(); ++n)
            offsets_[n] = float_bits(static_cast<float>(n)) - float_mantissa_mask;
    }

    [[nodiscard]] std::int32_t operator[](const std::size_t n) const noexcept
    {
        assert(n >= 1 && n < offsets_.size());
        return offsets_[n];
    }

private:
    std::array<std::int32_t, reset_value + 1> offsets_{};
};

// Codes on their way into the bit stream, in its order, each in a slot. Those of the regular mode arrive as error and
// statistics. Those of the run mode arrive complete; make_codes computes a value for their slots too, and overwrites
// it.
struct pending_codes
{
    static constexpr std::size_t flush_count{512}; // written out when there are as many

    // A block adds at most four codes for each of its 128 samples - the 1 bits of a run, its end, and an interruption
    // with an escape code -, and a few codes of 16 1 bits.
    static constexpr std::size_t capacity{flush_count + 1024};
    static constexpr std::uint16_t escape{
        255}; // instead of a length: the code of an error that is too large (T.87 A.5.3)

    struct complete_code
    {
        std::uint16_t slot;
        std::uint16_t value;
        std::uint16_t length;
    };

    std::size_t count{};
    std::size_t complete_count{};

    alignas(64) std::int32_t a[capacity];
    alignas(64) std::int32_t n_offset[capacity]; // from logarithm_table
    alignas(64) std::int16_t error_value[capacity];
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
        assert(count < capacity && code_value <= 0xFFFF && code_length >= 1 && code_length <= 64);
        complete[complete_count] = {static_cast<std::uint16_t>(count), static_cast<std::uint16_t>(code_value),
                                    static_cast<std::uint16_t>(code_length)};
        ++complete_count;
        clear_slot(count);
        ++count;
    }

    // Fills in values and lengths.
    template<typename Mode>
    void make_codes(const Mode& mode) noexcept
    {
        assert(complete_count <= count && count <= capacity);
        for (std::size_t i{count}; i != rounded_count(); ++i)
            clear_slot(i);
        with_widest_vectors([&]() JLS_INLINE_LAMBDA { make_regular_codes(mode); });

        for (std::size_t i{}; i != complete_count; ++i)
        {
            value[complete[i].slot] = complete[i].value;
            length[complete[i].slot] = complete[i].length;
        }

        // Empty codes, so that all groups of four are complete.
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
    // The loops over the statistics handle groups of 16 slots.
    [[nodiscard]] std::size_t rounded_count() const noexcept
    {
        return (count + 15) & ~std::size_t{15};
    }

    // The loops over the statistics pass this slot too.
    void clear_slot(const std::size_t slot) noexcept
    {
        a[slot] = 0;
        n_offset[slot] = 0;
        error_value[slot] = 0;
        balance[slot] = 0;
    }

    // SSE2 cannot shift each lane by a different number of bits, so powers of two are made of the exponents of floats,
    // and shifts are multiplications.
    template<typename Mode>
    JLS_INLINE void make_regular_codes(const Mode& mode) noexcept
    {
        const std::size_t rounded{rounded_count()};

        // The least k with N 2^k >= A (T.87 A.5.1) is the difference of their logarithms, rounded up. In the bits of
        // floats 2^23 - 1 rounds up, and k is left in the exponent: exact for A < 2^24.
        constexpr std::int32_t exponent_of_1{float_exponent_bias << float_mantissa_bits};
        constexpr std::int32_t exponent_of_65536{(float_exponent_bias + 16) << float_mantissa_bits};
        JLS_VECTORIZE
        for (std::size_t i{}; i < rounded; ++i)
        {
            const std::int32_t difference{std::max(float_bits(static_cast<float>(a[i])) - n_offset[i], 0)};
            const std::int32_t exponent{difference & float_exponent_mask};
            k[i] = static_cast<std::uint16_t>(difference >> float_mantissa_bits);
            power[i] = static_cast<std::uint16_t>(static_cast<std::int32_t>(float_of_bits(exponent_of_1 + exponent)));
            inverse[i] =
                static_cast<std::uint16_t>(static_cast<std::int32_t>(float_of_bits(exponent_of_65536 - exponent)));
        }

        const auto zeros_of_escape{static_cast<std::uint16_t>(mode.limit - mode.quantized_bits_per_sample - 1)};
        const auto escape_mask{static_cast<std::uint16_t>((1U << mode.quantized_bits_per_sample) - 1)};
        JLS_VECTORIZE
        for (std::size_t i{}; i < rounded; ++i)
        {
            const std::int16_t signed_error{error_value[i]};
            const auto k_is_0{static_cast<std::uint16_t>(k[i] == 0 ? 0xFFFF : 0)};

            // Code segment A.11: 2 e, or -2 e - 1 for e < 0; the other way round if the error has to be inverted.
            auto mapped_error{static_cast<std::uint16_t>(static_cast<std::uint16_t>(signed_error >> 15) ^
                                                         static_cast<std::uint16_t>(signed_error + signed_error))};
            if constexpr (Mode::is_lossless)
                mapped_error = static_cast<std::uint16_t>(mapped_error ^
                                                          ((static_cast<std::uint16_t>(balance[i]) >> 15U) & k_is_0));

            // Unary part (zero bits and a 1), then k bits (T.87 A.5.3).
            auto zeros{static_cast<std::uint16_t>((std::uint32_t{mapped_error} * inverse[i]) >> 16U)};
            zeros = static_cast<std::uint16_t>(zeros | (mapped_error & k_is_0));
            const auto bits{
                static_cast<std::uint16_t>(mapped_error - static_cast<std::uint16_t>(zeros - 1) * power[i])};
            const auto bit_count{static_cast<std::uint16_t>(zeros + k[i] + 1)};
            const bool is_escape{zeros >= zeros_of_escape};
            value[i] = is_escape ? static_cast<std::uint16_t>((mapped_error - 1) & escape_mask) : bits;
            length[i] = is_escape ? escape : bit_count;
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
    [[nodiscard]] std::size_t finish()
    {
        return stuffer_.finish({packed_, packed_bits_, packed_bytes_});
    }

private:
    template<typename Mode>
    static JLS_NOINLINE bit_packer put_long(bit_packer target, const pending_codes& codes, const std::size_t first,
                                            const Mode& mode) noexcept
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
    JLS_NOINLINE std::size_t pack(const pending_codes& codes, const Mode& mode) noexcept
    {
        bit_packer target{packed_, packed_bits_, packed_bytes_};
        for (std::size_t i{}; i < codes.count; i += 4)
        {
            const std::uint32_t length1{codes.length[i + 1]};
            const std::uint32_t length3{codes.length[i + 3]};
            const std::uint32_t first_length{codes.length[i] + length1};
            const std::uint32_t second_length{codes.length[i + 2] + length3};
            const std::uint32_t total{first_length + second_length};
            if (JLS_LIKELY(total <= 56))
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
