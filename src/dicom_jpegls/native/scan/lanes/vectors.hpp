// SPDX-License-Identifier: MIT
//
// Values of sixteen lanes in AVX2 registers, and all the vector instructions that the lane codecs use. Lanes of 16 bits
// fill one register, lanes of 32 bits two and lanes of 64 bits four. Those of 32 bits are the even and the odd lanes of
// 16 bits, so that most conversions are blends and shifts: processors have more units for these than for shuffles.
//
// Functions between JLS_BEGIN_AVX2 and JLS_END_AVX2 are compiled for AVX2, BMI and BMI2, and must run
// only where `lanes_are_supported`. A compiler flag for the whole file would do the same to the inline functions of the
// headers that it includes, and the linker might then choose these copies for the rest of the program.
#pragma once

#include "../platform.hpp"

#if defined(__GNUC__) && defined(__x86_64__)
#define JLS_LANES
#endif

#ifdef JLS_LANES

#include <immintrin.h>

#ifdef __clang__
#define JLS_BEGIN_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2,bmi,bmi2\"))), apply_to = function)")
#define JLS_END_AVX2 _Pragma("clang attribute pop")
#else
#define JLS_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2\")")
#define JLS_END_AVX2 _Pragma("GCC pop_options")
#endif

namespace dicom_jpegls::scan::lanes {

constexpr int lane_count{16};

// Whether this machine has the instructions that the lane codecs use.
inline bool lanes_are_supported() noexcept
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

} // namespace dicom_jpegls::scan::lanes

JLS_BEGIN_AVX2

namespace dicom_jpegls::scan::lanes {

// Has the compiler load from memory what was stored there, instead of extracting it from the vector register, lane by
// lane, which is slower.
JLS_INLINE void read_back() noexcept
{
    __asm__ volatile("" ::: "memory");
}

// Sixteen lanes of 16 bits. Masks have all bits of a lane set, or none.
struct vector16
{
    __m256i lanes;
};

JLS_INLINE vector16 zero16() noexcept
{
    return {_mm256_setzero_si256()};
}

JLS_INLINE vector16 all16(const std::int32_t value) noexcept
{
    return {_mm256_set1_epi16(static_cast<std::int16_t>(value))};
}

// Multiples of `step`: 0 in lane 0, `step` in lane 1 and so on.
JLS_INLINE vector16 multiples16(const std::int32_t step) noexcept
{
    return {
        _mm256_mullo_epi16(_mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), all16(step).lanes)};
}

// Arrays are aligned to 32 bytes.
JLS_INLINE vector16 load16(const std::uint16_t* const source) noexcept
{
    return {_mm256_load_si256(reinterpret_cast<const __m256i*>(source))};
}

JLS_INLINE void store16(std::uint16_t* const destination, const vector16 v) noexcept
{
    _mm256_store_si256(reinterpret_cast<__m256i*>(destination), v.lanes);
}

JLS_INLINE vector16 operator+(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_add_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 operator-(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_sub_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 operator&(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_and_si256(a.lanes, b.lanes)};
}

JLS_INLINE vector16 operator|(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_or_si256(a.lanes, b.lanes)};
}

JLS_INLINE vector16 operator^(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_xor_si256(a.lanes, b.lanes)};
}

// `v` where the mask is not set, otherwise 0.
JLS_INLINE vector16 except(const vector16 mask, const vector16 v) noexcept
{
    return {_mm256_andnot_si256(mask.lanes, v.lanes)};
}

JLS_INLINE vector16 select(const vector16 mask, const vector16 if_set, const vector16 otherwise) noexcept
{
    return {_mm256_blendv_epi8(otherwise.lanes, if_set.lanes, mask.lanes)};
}

JLS_INLINE vector16 equal(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_cmpeq_epi16(a.lanes, b.lanes)};
}

// Of signed lanes.
JLS_INLINE vector16 greater(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_cmpgt_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 min_signed(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_min_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 max_signed(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_max_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 min_unsigned(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_min_epu16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 max_unsigned(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_max_epu16(a.lanes, b.lanes)};
}

// Of signed lanes; 32768 for -32768, as an unsigned number.
JLS_INLINE vector16 magnitude(const vector16 v) noexcept
{
    return {_mm256_abs_epi16(v.lanes)};
}

JLS_INLINE vector16 add_saturated(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_adds_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 add_saturated_unsigned(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_adds_epu16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 subtract_saturated_unsigned(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_subs_epu16(a.lanes, b.lanes)};
}

// Adds both bytes of a lane by themselves, as signed numbers.
JLS_INLINE vector16 add_bytes_saturated(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_adds_epi8(a.lanes, b.lanes)};
}

// The lower 16 bits of the product.
JLS_INLINE vector16 times(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_mullo_epi16(a.lanes, b.lanes)};
}

JLS_INLINE vector16 times(const vector16 v, const std::int32_t factor) noexcept
{
    return times(v, all16(factor));
}

// The upper 16 bits of the product of unsigned numbers.
JLS_INLINE vector16 times_upper_unsigned(const vector16 a, const vector16 b) noexcept
{
    return {_mm256_mulhi_epu16(a.lanes, b.lanes)};
}

template<int Count>
JLS_INLINE vector16 shift_right(const vector16 v) noexcept
{
    return {_mm256_srli_epi16(v.lanes, Count)};
}

template<int Count>
JLS_INLINE vector16 shift_right_signed(const vector16 v) noexcept
{
    return {_mm256_srai_epi16(v.lanes, Count)};
}

// A number of bits to shift all lanes by, known at run time.
struct shift_count
{
    __m128i bits;
};

JLS_INLINE shift_count all_by(const std::int32_t count) noexcept
{
    return {_mm_cvtsi32_si128(count)};
}

JLS_INLINE vector16 shift_left(const vector16 v, const shift_count count) noexcept
{
    return {_mm256_sll_epi16(v.lanes, count.bits)};
}

JLS_INLINE vector16 shift_right(const vector16 v, const shift_count count) noexcept
{
    return {_mm256_srl_epi16(v.lanes, count.bits)};
}

JLS_INLINE vector16 shift_right_signed(const vector16 v, const shift_count count) noexcept
{
    return {_mm256_sra_epi16(v.lanes, count.bits)};
}

// The upper byte of each lane, with its sign. By multiplication, which runs in other units than shifts do.
JLS_INLINE vector16 upper_byte_signed(const vector16 v) noexcept
{
    return {_mm256_mulhi_epi16(v.lanes, all16(256).lanes)};
}

JLS_INLINE bool any(const vector16 v) noexcept
{
    return _mm256_testz_si256(v.lanes, v.lanes) == 0;
}

// A bit for each lane, of a mask.
JLS_INLINE std::uint32_t bits_of(const vector16 mask) noexcept
{
    return static_cast<std::uint32_t>(_mm_movemask_epi8(
        _mm_packs_epi16(_mm256_castsi256_si128(mask.lanes), _mm256_extracti128_si256(mask.lanes, 1))));
}

// Sixteen lanes of 32 bits.
struct vector32
{
    __m256i even;
    __m256i odd;
};

// Where lane `lane` stands in an array of 32-bit numbers.
constexpr int place32(const int lane) noexcept
{
    return lane / 2 + lane_count / 2 * (lane & 1);
}

JLS_INLINE vector32 all32(const std::int32_t value) noexcept
{
    return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}

JLS_INLINE vector32 load32(const std::uint32_t* const source) noexcept
{
    return {_mm256_load_si256(reinterpret_cast<const __m256i*>(source)),
            _mm256_load_si256(reinterpret_cast<const __m256i*>(source + lane_count / 2))};
}

JLS_INLINE void store32(std::uint32_t* const destination, const vector32 v) noexcept
{
    _mm256_store_si256(reinterpret_cast<__m256i*>(destination), v.even);
    _mm256_store_si256(reinterpret_cast<__m256i*>(destination + lane_count / 2), v.odd);
}

JLS_INLINE vector32 operator+(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_add_epi32(a.even, b.even), _mm256_add_epi32(a.odd, b.odd)};
}

JLS_INLINE vector32 operator-(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_sub_epi32(a.even, b.even), _mm256_sub_epi32(a.odd, b.odd)};
}

JLS_INLINE vector32 operator&(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_and_si256(a.even, b.even), _mm256_and_si256(a.odd, b.odd)};
}

JLS_INLINE vector32 operator|(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_or_si256(a.even, b.even), _mm256_or_si256(a.odd, b.odd)};
}

JLS_INLINE vector32 except(const vector32 mask, const vector32 v) noexcept
{
    return {_mm256_andnot_si256(mask.even, v.even), _mm256_andnot_si256(mask.odd, v.odd)};
}

JLS_INLINE vector32 select(const vector32 mask, const vector32 if_set, const vector32 otherwise) noexcept
{
    return {_mm256_blendv_epi8(otherwise.even, if_set.even, mask.even),
            _mm256_blendv_epi8(otherwise.odd, if_set.odd, mask.odd)};
}

// Of signed lanes.
JLS_INLINE vector32 greater(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_cmpgt_epi32(a.even, b.even), _mm256_cmpgt_epi32(a.odd, b.odd)};
}

JLS_INLINE vector32 max_signed(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_max_epi32(a.even, b.even), _mm256_max_epi32(a.odd, b.odd)};
}

JLS_INLINE vector32 min_unsigned(const vector32 a, const vector32 b) noexcept
{
    return {_mm256_min_epu32(a.even, b.even), _mm256_min_epu32(a.odd, b.odd)};
}

template<int Count>
JLS_INLINE vector32 shift_right(const vector32 v) noexcept
{
    return {_mm256_srli_epi32(v.even, Count), _mm256_srli_epi32(v.odd, Count)};
}

// By another number of bits in each lane; 0 from 32 on.
JLS_INLINE vector32 shift_left(const vector32 v, const vector32 counts) noexcept
{
    return {_mm256_sllv_epi32(v.even, counts.even), _mm256_sllv_epi32(v.odd, counts.odd)};
}

JLS_INLINE vector32 shift_right(const vector32 v, const vector32 counts) noexcept
{
    return {_mm256_srlv_epi32(v.even, counts.even), _mm256_srlv_epi32(v.odd, counts.odd)};
}

// The upper 32 bits of (upper:lower) shifted left by less than 32 bits.
JLS_INLINE vector32 shift_pair_left(const vector32 upper, const vector32 lower, const vector32 counts) noexcept
{
    return shift_left(upper, counts) | shift_right(lower, all32(32) - counts);
}

// The bits of signed lanes converted to floats.
JLS_INLINE vector32 float_bits(const vector32 v) noexcept
{
    return {_mm256_castps_si256(_mm256_cvtepi32_ps(v.even)), _mm256_castps_si256(_mm256_cvtepi32_ps(v.odd))};
}

// The number of 0 bits above the highest 1 bit: exact below 31, otherwise a number of more than 30. Half of the value
// is positive, and so many of its bits are cleared that the conversion does not round it up.
JLS_INLINE vector32 leading_zeros(const vector32 v) noexcept
{
    const vector32 half{shift_right<1>(v)};
    return all32(157) - shift_right<23>(float_bits(except(shift_right<1>(half), half)));
}

// Reverses the bytes of each lane.
JLS_INLINE vector32 reverse_bytes(const vector32 v) noexcept
{
    const __m256i order{
        _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12))};
    return {_mm256_shuffle_epi8(v.even, order), _mm256_shuffle_epi8(v.odd, order)};
}

// Unsigned numbers in wider lanes.
JLS_INLINE vector32 widen(const vector16 v) noexcept
{
    return {_mm256_blend_epi16(v.lanes, _mm256_setzero_si256(), 0xAA), _mm256_srli_epi32(v.lanes, 16)};
}

JLS_INLINE vector32 widen_mask(const vector16 mask) noexcept
{
    return {_mm256_srai_epi32(_mm256_slli_epi32(mask.lanes, 16), 16), _mm256_srai_epi32(mask.lanes, 16)};
}

// 1 where a mask is set, otherwise 0.
JLS_INLINE vector32 widen_mask_to_1(const vector16 mask) noexcept
{
    return {_mm256_and_si256(mask.lanes, _mm256_set1_epi32(1)), _mm256_srli_epi32(mask.lanes, 31)};
}

// The lower and the upper halves of lanes.
JLS_INLINE vector16 lower_half(const vector32 v) noexcept
{
    return {_mm256_blend_epi16(v.even, _mm256_slli_epi32(v.odd, 16), 0xAA)};
}

JLS_INLINE vector16 upper_half(const vector32 v) noexcept
{
    return {_mm256_blend_epi16(_mm256_srli_epi32(v.even, 16), v.odd, 0xAA)};
}

JLS_INLINE vector32 join(const vector16 lower, const vector16 upper) noexcept
{
    return {_mm256_blend_epi16(lower.lanes, _mm256_slli_epi32(upper.lanes, 16), 0xAA),
            _mm256_blend_epi16(_mm256_srli_epi32(lower.lanes, 16), upper.lanes, 0xAA)};
}

// Sixteen lanes of 64 bits: 0 2 8 10, 4 6 12 14, 1 3 9 11, 5 7 13 15.
struct vector64
{
    __m256i quarters[4];
};

// The lane at place `place` of quarter `quarter`.
constexpr int lane_at(const int quarter, const int place) noexcept
{
    return 4 * (quarter & 1) + (quarter >> 1) + 2 * (place & 1) + 8 * (place >> 1);
}

// Where lane `lane` stands in an array of 64-bit numbers.
constexpr int place64(const int lane) noexcept
{
    return 8 * (lane & 1) + 4 * ((lane >> 2) & 1) + 2 * (lane >> 3) + ((lane >> 1) & 1);
}

// Where lane `lane` stands in arrays of numbers of the types that index memory.
constexpr int place_of_index(const std::uint16_t* /*indices*/, const int lane) noexcept
{
    return lane;
}

constexpr int place_of_index(const std::uint32_t* /*indices*/, const int lane) noexcept
{
    return place32(lane);
}

JLS_INLINE vector64 load64(const std::uint64_t* const source) noexcept
{
    const auto* const quarters{reinterpret_cast<const __m256i*>(source)};
    return {{_mm256_load_si256(quarters), _mm256_load_si256(quarters + 1), _mm256_load_si256(quarters + 2),
             _mm256_load_si256(quarters + 3)}};
}

JLS_INLINE void store64(std::uint64_t* const destination, const vector64& v) noexcept
{
    auto* const quarters{reinterpret_cast<__m256i*>(destination)};
    _mm256_store_si256(quarters, v.quarters[0]);
    _mm256_store_si256(quarters + 1, v.quarters[1]);
    _mm256_store_si256(quarters + 2, v.quarters[2]);
    _mm256_store_si256(quarters + 3, v.quarters[3]);
}

// The 8 bytes at `Scale` times an index, which is in memory, from `base`. Of any alignment. Loads that broadcast and
// blends take less time than the instruction that gathers.
template<std::size_t Scale, int Quarter, typename Index>
JLS_INLINE __m256i gather_quarter(const std::uint8_t* const base, const Index* const indices) noexcept
{
    __m256i loaded[4];
    for (int place{}; place != 4; ++place)
    {
        std::int64_t word;
        std::memcpy(&word, base + Scale * indices[place_of_index(indices, lane_at(Quarter, place))], sizeof word);
        loaded[place] = _mm256_set1_epi64x(word);
    }
    return _mm256_blend_epi32(_mm256_blend_epi32(loaded[0], loaded[1], 0x0C),
                              _mm256_blend_epi32(loaded[2], loaded[3], 0xC0), 0xF0);
}

template<std::size_t Scale, typename Index>
JLS_INLINE vector64 gather(const std::uint8_t* const base, const Index* const indices) noexcept
{
    return {{gather_quarter<Scale, 0>(base, indices), gather_quarter<Scale, 1>(base, indices),
             gather_quarter<Scale, 2>(base, indices), gather_quarter<Scale, 3>(base, indices)}};
}

template<std::size_t Scale, int Quarter, typename Index>
JLS_INLINE void scatter_quarter(std::uint8_t* const base, const Index* const indices, const __m256i v) noexcept
{
    const auto address{[base, indices](const int place) JLS_INLINE_LAMBDA {
        return base + Scale * indices[place_of_index(indices, lane_at(Quarter, place))];
    }};
    const __m128i lower{_mm256_castsi256_si128(v)};
    const __m128i upper{_mm256_extracti128_si256(v, 1)};
    _mm_storel_epi64(reinterpret_cast<__m128i*>(address(0)), lower);
    _mm_storeh_pi(reinterpret_cast<__m64*>(address(1)), _mm_castsi128_ps(lower));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(address(2)), upper);
    _mm_storeh_pi(reinterpret_cast<__m64*>(address(3)), _mm_castsi128_ps(upper));
}

// Stores 8 bytes of each lane at `Scale` times an index, which is in memory, from `base`. Of any alignment.
template<std::size_t Scale, typename Index>
JLS_INLINE void scatter(std::uint8_t* const base, const Index* const indices, const vector64& v) noexcept
{
    scatter_quarter<Scale, 0>(base, indices, v.quarters[0]);
    scatter_quarter<Scale, 1>(base, indices, v.quarters[1]);
    scatter_quarter<Scale, 2>(base, indices, v.quarters[2]);
    scatter_quarter<Scale, 3>(base, indices, v.quarters[3]);
}

template<int Control>
JLS_INLINE __m256i shuffle_pairs(const __m256i a, const __m256i b) noexcept
{
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), Control));
}

JLS_INLINE vector32 lower_half(const vector64& v) noexcept
{
    return {shuffle_pairs<0x88>(v.quarters[0], v.quarters[1]), shuffle_pairs<0x88>(v.quarters[2], v.quarters[3])};
}

JLS_INLINE vector32 upper_half(const vector64& v) noexcept
{
    return {shuffle_pairs<0xDD>(v.quarters[0], v.quarters[1]), shuffle_pairs<0xDD>(v.quarters[2], v.quarters[3])};
}

JLS_INLINE vector64 join(const vector32 lower, const vector32 upper) noexcept
{
    return {{_mm256_unpacklo_epi32(lower.even, upper.even), _mm256_unpackhi_epi32(lower.even, upper.even),
             _mm256_unpacklo_epi32(lower.odd, upper.odd), _mm256_unpackhi_epi32(lower.odd, upper.odd)}};
}

JLS_INLINE vector64 widen(const vector32 v) noexcept
{
    return join(v, vector32{_mm256_setzero_si256(), _mm256_setzero_si256()});
}

JLS_INLINE vector64 operator|(const vector64& a, const vector64& b) noexcept
{
    return {{_mm256_or_si256(a.quarters[0], b.quarters[0]), _mm256_or_si256(a.quarters[1], b.quarters[1]),
             _mm256_or_si256(a.quarters[2], b.quarters[2]), _mm256_or_si256(a.quarters[3], b.quarters[3])}};
}

// By another number of bits in each lane; 0 from 64 on.
JLS_INLINE vector64 shift_left(const vector64& v, const vector64& counts) noexcept
{
    return {{_mm256_sllv_epi64(v.quarters[0], counts.quarters[0]), _mm256_sllv_epi64(v.quarters[1], counts.quarters[1]),
             _mm256_sllv_epi64(v.quarters[2], counts.quarters[2]),
             _mm256_sllv_epi64(v.quarters[3], counts.quarters[3])}};
}

// Reverses the bytes of each lane.
JLS_INLINE vector64 reverse_bytes(const vector64& v) noexcept
{
    const __m256i order{
        _mm256_broadcastsi128_si256(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8))};
    return {{_mm256_shuffle_epi8(v.quarters[0], order), _mm256_shuffle_epi8(v.quarters[1], order),
             _mm256_shuffle_epi8(v.quarters[2], order), _mm256_shuffle_epi8(v.quarters[3], order)}};
}

} // namespace dicom_jpegls::scan::lanes

JLS_END_AVX2

#endif
