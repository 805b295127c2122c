// SPDX-License-Identifier: MIT
//
// What the unit tests need: cases that register themselves, and checks that print the values they failed with.
#pragma once

#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace dicom_jpegls::tests {

struct test_case
{
    const char* name;
    void (*run)();
};

inline std::vector<test_case>& cases()
{
    static std::vector<test_case> all;
    return all;
}

inline int& failures()
{
    static int count{};
    return count;
}

struct registration
{
    registration(const char* const name, void (*run)())
    {
        cases().push_back({name, run});
    }
};

// Numbers and enumerations as numbers, all else as it prints.
template<typename Value>
std::string text(const Value& value)
{
    std::ostringstream out;
    if constexpr (std::is_enum_v<Value>)
        out << static_cast<std::int64_t>(value);
    else if constexpr (std::is_integral_v<Value> && !std::is_same_v<Value, bool>)
        out << +value;
    else
        out << value;
    return out.str();
}

inline void fail(const char* const file, const int line, const std::string& message)
{
    std::fprintf(stderr, "%s:%d: %s\n", file, line, message.c_str());
    ++failures();
}

// `context` names the case: what a loop has come to.
template<typename Found, typename Expected>
void check_equal(const char* const file, const int line, const char* const expression, const Found& found,
                 const Expected& expected, const std::string& context)
{
    if (!(found == static_cast<Found>(expected)))
        fail(file, line,
             std::string{expression} + " is " + text(found) + ", not " + text(expected) +
                 (context.empty() ? "" : " (" + context + ")"));
}

inline int run_all()
{
    for (const test_case& test : cases())
    {
        const int before{failures()};
        try
        {
            test.run();
        }
        catch (const std::exception& error)
        {
            fail(test.name, 0, error.what());
        }
        std::printf("%s %s\n", failures() == before ? "passed" : "FAILED", test.name);
    }
    return failures() == 0 && !cases().empty() ? 0 : 1;
}

} // namespace dicom_jpegls::tests

#define TEST(name)                                                                                                     \
    static void name();                                                                                                \
    static const dicom_jpegls::tests::registration name##_registration{#name, &(name)};                                \
    static void name()

#define CHECK_EQUAL_IN(context, found, expected)                                                                       \
    dicom_jpegls::tests::check_equal(__FILE__, __LINE__, #found, found, expected, context)
#define CHECK_EQUAL(found, expected) CHECK_EQUAL_IN(std::string{}, found, expected)
#define CHECK(condition) CHECK_EQUAL(static_cast<bool>(condition), true)
