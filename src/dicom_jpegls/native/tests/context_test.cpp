// SPDX-License-Identifier: MIT
//
// The statistics of the regular mode against code segments A.10, A.12 and A.13 of T.87, computed literally for each N
// and B.
#include "scan/regular_mode.hpp"

#include "harness.hpp"

#include <cstdlib>

using namespace dicom_jpegls::scan;
using namespace dicom_jpegls::tests;

namespace {

struct statistics
{
    std::int32_t a;
    std::int32_t b;
    std::int32_t c;
    std::int32_t n;

    bool operator==(const statistics& other) const
    {
        return a == other.a && b == other.b && c == other.c && n == other.n;
    }
};

std::string text_of(const statistics& values)
{
    return "A " + std::to_string(values.a) + " B " + std::to_string(values.b) + " C " + std::to_string(values.c) +
           " N " + std::to_string(values.n);
}

// Code segments A.12 and A.13, word for word; RESET = 64, MIN_C = -128, MAX_C = 127.
statistics literal_update(statistics q, const std::int32_t error_value, const std::int32_t step)
{
    q.b = q.b + error_value * step;
    q.a = q.a + std::abs(error_value);
    if (q.n == 64)
    {
        q.a = q.a >> 1;
        if (q.b >= 0)
            q.b = q.b >> 1;
        else
            q.b = -((1 - q.b) >> 1);
        q.n = q.n >> 1;
    }
    q.n = q.n + 1;

    if (q.b <= -q.n)
    {
        q.b = q.b + q.n;
        if (q.c > -128)
            q.c = q.c - 1;
        if (q.b <= -q.n)
            q.b = -q.n + 1;
    }
    else if (q.b > 0)
    {
        q.b = q.b - q.n;
        if (q.c < 127)
            q.c = q.c + 1;
        if (q.b > 0)
            q.b = 0;
    }
    return q;
}

std::uint32_t literal_k(const statistics& q)
{
    std::uint32_t k{};
    while ((q.n << k) < q.a)
        ++k;
    return k;
}

std::vector<std::int32_t> error_values()
{
    std::vector<std::int32_t> result{-32768, -32767, -1000, 1000, 32767};
    for (std::int32_t e{-100}; e <= 100; ++e)
        result.push_back(e);
    return result;
}

// Calls a function for every N and B, some A and C, and errors up to the greatest.
template<typename Check>
void for_each_state(const Check& check)
{
    const std::vector<std::int32_t> errors{error_values()};
    for (std::int32_t n{1}; n <= 64; ++n)
        for (std::int32_t b{1 - n}; b <= 0; ++b)
            for (const std::int32_t c : {-128, 0, 127})
                for (const std::int32_t a : {n, 5 * n + 1})
                    for (const std::int32_t e : errors)
                        check(statistics{a, b, c, n}, e);
}

template<bool Branches>
void check_encoder(const std::int32_t step)
{
    for_each_state([step](const statistics& q, const std::int32_t e) {
        if (step != 1 && std::abs(e) * step > 40000)
            return;
        encoder_context context{q.a, static_cast<std::int16_t>(q.b), static_cast<std::int8_t>(q.c),
                                static_cast<std::uint8_t>(q.n)};
        context.update<Branches>(q.a, q.b, q.c, q.n, std::abs(e), e * step);
        const statistics found{context.a, context.b, context.c, context.n};
        const statistics expected{literal_update(q, e, step)};
        if (!(found == expected))
            CHECK_EQUAL_IN(text_of(q) + " error " + std::to_string(e), text_of(found), text_of(expected));
    });
}

void check_decoder(const std::int32_t step)
{
    for_each_state([step](const statistics& q, const std::int32_t e) {
        if (step != 1 && std::abs(e) * step > 40000)
            return;
        decoder_context context;
        context.bias = {static_cast<std::uint16_t>(bias_index(q.n, q.b)), 0, 0};
        context.c = static_cast<std::int8_t>(q.c);
        context.a = static_cast<std::uint32_t>(q.a);
        context.find_k();
        context.update(static_cast<std::uint32_t>(std::abs(e)), e * step,
                       static_cast<std::uint32_t>(std::abs(e) * step));
        const auto b{static_cast<std::int32_t>(context.bias.index % bias_columns) - bias_offset};
        const statistics found{static_cast<std::int32_t>(context.a), b, context.c,
                               static_cast<std::int32_t>(context.n())};
        const statistics expected{literal_update(q, e, step)};
        const std::uint32_t k{literal_k(expected)};
        const bool inverts{k == 0 && 2 * expected.b <= -expected.n};
        if (!(found == expected) || context.k != k || (context.inversion() != 0) != inverts)
        {
            const std::string context_text{text_of(q) + " error " + std::to_string(e)};
            CHECK_EQUAL_IN(context_text, text_of(found), text_of(expected));
            CHECK_EQUAL_IN(context_text, context.k, k);
            CHECK_EQUAL_IN(context_text, context.inversion() != 0, inverts);
        }
    });
}

} // namespace

TEST(literal_update_of_the_standard)
{
    CHECK_EQUAL(text_of(literal_update({4, 0, 0, 1}, 3, 1)), "A 7 B 0 C 1 N 2");
    CHECK_EQUAL(text_of(literal_update({4, 0, 0, 64}, -3, 1)), "A 3 B -2 C 0 N 33");
}

TEST(encoder_updates)
{
    check_encoder<true>(1);
    check_encoder<false>(1);
}

TEST(encoder_updates_of_near_lossless_coding)
{
    check_encoder<false>(5);
    check_encoder<false>(511);
}

TEST(decoder_updates)
{
    check_decoder(1);
}

TEST(decoder_updates_of_near_lossless_coding)
{
    check_decoder(5);
    check_decoder(511);
}

// The state of a new context (T.87 A.8, step 1.d).
TEST(initial_states)
{
    const struct
    {
        std::int32_t range;
        std::int32_t a;
    } cases[]{{2, 2}, {95, 2}, {160, 3}, {256, 4}, {4096, 64}, {65536, 1024}};
    for (const auto& [range, a] : cases)
    {
        CHECK_EQUAL_IN(text(range), initial_a(range), a);
        const decoder_context context{range};
        CHECK_EQUAL_IN(text(range), context.a, a);
        CHECK_EQUAL_IN(text(range), context.n(), 1);
        CHECK_EQUAL_IN(text(range), context.k, literal_k({a, 0, 0, 1}));
    }
}
