// What the programs that show the effect of patches print.
#pragma once

#include <cstdio>
#include <exception>

// A line with what a function returns, or with "refused" if it throws.
template<typename Function>
void print(const char* name, Function&& function)
{
    std::printf("%s: ", name);
    try
    {
        std::printf("%d\n", static_cast<int>(function()));
    }
    catch (const std::exception&)
    {
        std::puts("refused");
    }
}
