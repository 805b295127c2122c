// SPDX-License-Identifier: MIT
//
// The main function of each test program.
#include "harness.hpp"

int main()
{
    return dicom_jpegls::tests::run_all();
}
