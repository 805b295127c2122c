// SPDX-License-Identifier: MIT
//
// CharLS's public C API, with handles that free what they hold and error codes as `status`.
#pragma once

#include "status.hpp"

#include "../scan/charls_api.hpp"
#include "../stream/stream_info.hpp"

#include <memory>

namespace dicom_jpegls {

static_assert(interleave_none == static_cast<int>(charls::interleave_mode::none) &&
                  interleave_line == static_cast<int>(charls::interleave_mode::line) &&
                  interleave_sample == static_cast<int>(charls::interleave_mode::sample),
              "the interleave modes have the numbers of CharLS");

constexpr status to_status(const charls_api::error_code code) noexcept
{
    return to_status(charls_api::to_codec_fault(code));
}

// Makes calls of CharLS one after another until one fails.
template<typename... Calls>
status first_failure(Calls&&... calls)
{
    status result{status::success};
    static_cast<void>(((result = to_status(calls()), result == status::success) && ...));
    return result;
}

struct charls_deleter
{
    void operator()(const charls_jpegls_decoder* const decoder) const noexcept
    {
        charls_jpegls_decoder_destroy(decoder);
    }

    void operator()(const charls_jpegls_encoder* const encoder) const noexcept
    {
        charls_jpegls_encoder_destroy(encoder);
    }
};

using decoder_handle = std::unique_ptr<charls_jpegls_decoder, charls_deleter>;
using encoder_handle = std::unique_ptr<charls_jpegls_encoder, charls_deleter>;

// Throws std::bad_alloc.
[[nodiscard]] inline decoder_handle create_decoder()
{
    decoder_handle decoder{charls_jpegls_decoder_create()};
    if (!decoder)
        throw std::bad_alloc{};
    return decoder;
}

// Throws std::bad_alloc.
[[nodiscard]] inline encoder_handle create_encoder()
{
    encoder_handle encoder{charls_jpegls_encoder_create()};
    if (!encoder)
        throw std::bad_alloc{};
    return encoder;
}

} // namespace dicom_jpegls
