// SPDX-License-Identifier: MIT
//
// What the scan codecs need from the compiler: inlining, branch hints, the highest bit, overflow, big-endian words. The
// rest is standard C++. In debug builds invariants are asserted, here and in the other headers.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef _MSC_VER
#include <cstdlib>
#include <intrin.h>
#define JLS_INLINE __forceinline
#define JLS_NOINLINE __declspec(noinline)
#define JLS_RESTRICT __restrict
#else
#define JLS_INLINE inline __attribute__((always_inline))
#define JLS_NOINLINE __attribute__((noinline))
#define JLS_RESTRICT __restrict__
#endif

// Lambdas that `with_widest_vectors` compiles twice.
#if defined(__GNUC__) && defined(__x86_64__)
#define JLS_AVX2 __attribute__((target("avx2")))
#define JLS_INLINE_LAMBDA __attribute__((always_inline))
#else
#define JLS_INLINE_LAMBDA
#endif

#ifdef __GNUC__
#define JLS_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define JLS_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define JLS_LIKELY(condition) (condition)
#define JLS_UNLIKELY(condition) (condition)
#endif

// Makes the compiler compute a value at this point, and not later together with what is added to it.
#ifdef __GNUC__
#define JLS_COMPUTED(value) __asm__("" : "+r"(value))
#else
#define JLS_COMPUTED(value) static_cast<void>(0)
#endif

// Before a loop over the components of a pixel, which GCC does not unroll by itself where its body is long.
#if defined(__GNUC__) && !defined(__clang__)
#define JLS_UNROLL _Pragma("GCC unroll 4")
#else
#define JLS_UNROLL
#endif

// Before a loop whose iterations are independent, to have it vectorized even where the compiler cannot prove that the
// arrays do not overlap.
#ifdef __clang__
#define JLS_VECTORIZE _Pragma("clang loop vectorize(assume_safety) interleave(disable)")
#elif defined(__GNUC__)
#define JLS_VECTORIZE _Pragma("GCC ivdep")
#else
#define JLS_VECTORIZE
#endif

// A condition that is true at random, so that a conditional move is faster than a branch.
#ifdef __clang__
#define JLS_UNPREDICTABLE(condition) __builtin_unpredictable(!!(condition))
#else
#define JLS_UNPREDICTABLE(condition) (condition)
#endif

namespace dicom_jpegls::scan {

// The number of the highest bit that is set, 0 to 63. `value` must not be 0.
JLS_INLINE std::uint32_t highest_bit(const std::uint64_t value) noexcept
{
    assert(value != 0);
#if defined(__GNUC__)
    return 63U ^ static_cast<std::uint32_t>(__builtin_clzll(value));
#elif defined(_M_X64) || defined(_M_ARM64)
    unsigned long index;
    _BitScanReverse64(&index, value);
    return index;
#else
    std::uint32_t result{};
    for (std::uint64_t rest{value >> 1U}; rest != 0; rest >>= 1U)
        ++result;
    return result;
#endif
}

// Adds, and returns whether the sum overflows.
JLS_INLINE bool add_overflows(const std::int8_t a, const std::int8_t b, std::int8_t& sum) noexcept
{
#ifdef __GNUC__
    return __builtin_add_overflow(a, b, &sum);
#else
    sum = static_cast<std::int8_t>(a + b);
    return sum != a + b;
#endif
}

// Converts a word between the machine's byte order and big-endian.
JLS_INLINE std::uint64_t big_endian(const std::uint64_t value) noexcept
{
#if defined(_MSC_VER)
    return _byteswap_uint64(value);
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return __builtin_bswap64(value);
#else
    return value;
#endif
}

// The 8 bytes at `source`, of any alignment; the first is the most significant.
JLS_INLINE std::uint64_t load_big_endian(const std::uint8_t* const source) noexcept
{
    std::uint64_t word;
    std::memcpy(&word, source, sizeof word);
    return big_endian(word);
}

JLS_INLINE void store_big_endian(std::uint8_t* const destination, const std::uint64_t value) noexcept
{
    const std::uint64_t word{big_endian(value)};
    std::memcpy(destination, &word, sizeof word);
}

template<typename Function>
JLS_NOINLINE void with_plain_vectors(const Function& function) noexcept
{
    function();
}

#ifdef JLS_AVX2
template<typename Function>
JLS_AVX2 JLS_NOINLINE void with_avx2_vectors(const Function& function) noexcept
{
    function();
}
#endif

// Calls a function whose loops the compiler turns into vector instructions, in the version for the machine it runs on.
template<typename Function>
JLS_INLINE void with_widest_vectors(const Function& function) noexcept
{
#ifdef JLS_AVX2
    if (__builtin_cpu_supports("avx2"))
        return with_avx2_vectors(function);
#endif
    with_plain_vectors(function);
}

// Whether one of the 8 bytes is FF: looks for a byte of zeros in the complement.
JLS_INLINE bool contains_ff(const std::uint64_t word) noexcept
{
    return ((~word - 0x0101010101010101U) & word & 0x8080808080808080U) != 0;
}

} // namespace dicom_jpegls::scan
