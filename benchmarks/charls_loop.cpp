// SPDX-License-Identifier: MIT
//
// CharLS called from a C++ loop, as the yardstick of benchmarks/low_level.py: the same codec and the same settings, but
// none of this package's code in between. Each function returns the shortest call of a loop, in nanoseconds; a negative
// number is CharLS's error code.
#include <charls/charls.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace {

using clock_type = std::chrono::steady_clock;
using charls::jpegls_errc;

template<typename Call>
double shortest(const int calls, const Call& call)
{
    double best = std::numeric_limits<double>::infinity();
    for (int i{}; i < calls; ++i)
    {
        const auto start = clock_type::now();
        const jpegls_errc code = call();
        const std::chrono::duration<double, std::nano> time = clock_type::now() - start;
        if (code != jpegls_errc::success)
            return -static_cast<double>(code);
        best = std::min(best, time.count());
    }
    return best;
}

} // namespace

extern "C" {

double encode_loop(const void* source, const std::size_t source_size, const std::uint32_t width,
                   const std::uint32_t height, const std::int32_t bits_per_sample, const std::int32_t component_count,
                   void* destination, const std::size_t destination_size, const int calls)
{
    const charls_frame_info frame{width, height, bits_per_sample, component_count};
    return shortest(calls, [&] {
        charls_jpegls_encoder* encoder = charls_jpegls_encoder_create();
        jpegls_errc code = charls_jpegls_encoder_set_frame_info(encoder, &frame);
        if (code == jpegls_errc::success)
            code = charls_jpegls_encoder_set_interleave_mode(
                encoder, component_count == 1 ? charls::interleave_mode::none : charls::interleave_mode::sample);
        if (code == jpegls_errc::success)
            code = charls_jpegls_encoder_set_encoding_options(
                encoder,
                charls::encoding_options::even_destination_size | charls::encoding_options::include_pc_parameters_jai);
        if (code == jpegls_errc::success)
            code = charls_jpegls_encoder_set_destination_buffer(encoder, destination, destination_size);
        if (code == jpegls_errc::success)
            code = charls_jpegls_encoder_encode_from_buffer(encoder, source, source_size, 0);
        charls_jpegls_encoder_destroy(encoder);
        return code;
    });
}

double decode_loop(const void* source, const std::size_t source_size, void* destination,
                   const std::size_t destination_size, const int calls)
{
    return shortest(calls, [&] {
        charls_jpegls_decoder* decoder = charls_jpegls_decoder_create();
        jpegls_errc code = charls_jpegls_decoder_set_source_buffer(decoder, source, source_size);
        if (code == jpegls_errc::success)
            code = charls_jpegls_decoder_read_header(decoder);
        if (code == jpegls_errc::success)
            code = charls_jpegls_decoder_decode_to_buffer(decoder, destination, destination_size, 0);
        charls_jpegls_decoder_destroy(decoder);
        return code;
    });
}

// What a re-usable object could save at most: making and freeing both.
double create_loop(const int calls)
{
    return shortest(calls, [] {
        charls_jpegls_encoder_destroy(charls_jpegls_encoder_create());
        charls_jpegls_decoder_destroy(charls_jpegls_decoder_create());
        return jpegls_errc::success;
    });
}
}
