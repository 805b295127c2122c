// SPDX-License-Identifier: MIT
//
// The result of the codec's functions. The numbers are those of the public header, and with them the faults of a stream
// and those that CharLS reports, which have no enumerators here.
#pragma once

#include "../scan/codec_fault.hpp"
#include "../stream/faults.hpp"

#include "dicom_jpegls/dicom_jpegls.h"

#include <new>

namespace dicom_jpegls {

enum class [[nodiscard]] status : int
{
    success = DICOM_JPEGLS_SUCCESS,
    destination_too_small = DICOM_JPEGLS_DESTINATION_TOO_SMALL,
    not_enough_memory = DICOM_JPEGLS_NOT_ENOUGH_MEMORY,
    null_pointer = DICOM_JPEGLS_NULL_POINTER,
    source_too_small = DICOM_JPEGLS_SOURCE_TOO_SMALL,
    stride_too_small = DICOM_JPEGLS_STRIDE_TOO_SMALL,
    stride_odd = DICOM_JPEGLS_STRIDE_ODD,
    overlap = DICOM_JPEGLS_OVERLAP,
    fourth_component = DICOM_JPEGLS_FOURTH_COMPONENT,
    reserved_field = DICOM_JPEGLS_RESERVED_FIELD,
    unsafe_sample = DICOM_JPEGLS_UNSAFE_SAMPLE,
};

static_assert(DICOM_JPEGLS_SUCCESS == static_cast<int>(fault::none) &&
                  DICOM_JPEGLS_FIRST_STREAM_FAULT == first_fault_code,
              "the public header's codes for streams are those of faults.hpp");
static_assert(DICOM_JPEGLS_SUCCESS == static_cast<int>(codec_fault::none) &&
                  DICOM_JPEGLS_DESTINATION_TOO_SMALL == static_cast<int>(codec_fault::destination_too_small) &&
                  DICOM_JPEGLS_NOT_ENOUGH_MEMORY == static_cast<int>(codec_fault::not_enough_memory),
              "the public header's codes below 1000 are those of codec_fault.hpp");

constexpr status to_status(const fault code) noexcept
{
    return static_cast<status>(code);
}

constexpr status to_status(const codec_fault code) noexcept
{
    return static_cast<status>(code);
}

// Calls a function that returns a status and may run out of memory.
template<typename Function>
status guarded(Function&& function) noexcept
{
    try
    {
        return function();
    }
    catch (const std::bad_alloc&)
    {
        return status::not_enough_memory;
    }
}

} // namespace dicom_jpegls
