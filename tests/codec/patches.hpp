// What the programs that show the effect of patches print. Included after the headers of CharLS, whose names depend on its
// version.
#pragma once

#include <cstdio>

// A line with what a function returns, or with "refused" if CharLS throws its error.
template<typename Function>
void print(const char* name, Function&& function)
{
    std::printf("%s: ", name);
    try
    {
        std::printf("%d\n", static_cast<int>(function()));
    }
    catch (const charls::jpegls_error&)
    {
        std::puts("refused");
    }
}
