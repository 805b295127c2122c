// SPDX-License-Identifier: MIT
//
// What the benchmarks of the scan codecs have in common: CharLS's C functions of a shared library, and time.
#pragma once

#include <charls/charls.h>

#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <type_traits>
#include <vector>

[[noreturn]] inline void stop(const std::string& message)
{
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

inline void check(const charls_jpegls_errc code)
{
    if (code != charls::jpegls_errc::success)
        stop("CharLS: error " + std::to_string(static_cast<int>(code)));
}

// The functions of a library.
struct charls_library
{
    decltype(&charls_jpegls_encoder_create) encoder_create;
    decltype(&charls_jpegls_encoder_destroy) encoder_destroy;
    decltype(&charls_jpegls_encoder_set_frame_info) set_frame_info;
    decltype(&charls_jpegls_encoder_set_near_lossless) set_near_lossless;
    decltype(&charls_jpegls_encoder_set_interleave_mode) set_interleave_mode;
    decltype(&charls_jpegls_encoder_set_encoding_options) set_encoding_options;
    decltype(&charls_jpegls_encoder_set_destination_buffer) set_destination_buffer;
    decltype(&charls_jpegls_encoder_encode_from_buffer) encode_from_buffer;
    decltype(&charls_jpegls_encoder_get_bytes_written) get_bytes_written;
    decltype(&charls_jpegls_decoder_create) decoder_create;
    decltype(&charls_jpegls_decoder_destroy) decoder_destroy;
    decltype(&charls_jpegls_decoder_set_source_buffer) set_source_buffer;
    decltype(&charls_jpegls_decoder_read_header) read_header;
    decltype(&charls_jpegls_decoder_decode_to_buffer) decode_to_buffer;

    explicit charls_library(const std::string& path)
    {
        void* const library{dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)};
        if (!library)
            stop(dlerror());
        const auto load{[library](auto& function, const char* name) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
            if (!function)
                stop(dlerror());
        }};
        load(encoder_create, "charls_jpegls_encoder_create");
        load(encoder_destroy, "charls_jpegls_encoder_destroy");
        load(set_frame_info, "charls_jpegls_encoder_set_frame_info");
        load(set_near_lossless, "charls_jpegls_encoder_set_near_lossless");
        load(set_interleave_mode, "charls_jpegls_encoder_set_interleave_mode");
        load(set_encoding_options, "charls_jpegls_encoder_set_encoding_options");
        load(set_destination_buffer, "charls_jpegls_encoder_set_destination_buffer");
        load(encode_from_buffer, "charls_jpegls_encoder_encode_from_buffer");
        load(get_bytes_written, "charls_jpegls_encoder_get_bytes_written");
        load(decoder_create, "charls_jpegls_decoder_create");
        load(decoder_destroy, "charls_jpegls_decoder_destroy");
        load(set_source_buffer, "charls_jpegls_decoder_set_source_buffer");
        load(read_header, "charls_jpegls_decoder_read_header");
        load(decode_to_buffer, "charls_jpegls_decoder_decode_to_buffer");
    }
};

// What an image of adjacent samples is encoded with.
struct image_format
{
    charls_frame_info frame{};
    std::int32_t near_lossless{};
    std::int32_t interleave_mode{};

    // Of the samples, in bytes.
    [[nodiscard]] std::size_t size() const noexcept
    {
        return std::size_t{frame.width} * frame.height * static_cast<std::size_t>(frame.component_count) *
               (frame.bits_per_sample <= 8 ? 1U : 2U);
    }
};

inline std::size_t encode(const charls_library& library, const image_format& format, const std::uint8_t* const samples,
                          std::vector<std::uint8_t>& stream)
{
    std::size_t size{};
    charls_jpegls_encoder* const encoder{library.encoder_create()};
    check(library.set_frame_info(encoder, &format.frame));
    check(library.set_near_lossless(encoder, format.near_lossless));
    check(library.set_interleave_mode(encoder, static_cast<charls_interleave_mode>(format.interleave_mode)));
    // Versions of CharLS differ in what they do by default.
    check(library.set_encoding_options(encoder, charls::encoding_options::include_pc_parameters_jai));
    check(library.set_destination_buffer(encoder, stream.data(), stream.size()));
    check(library.encode_from_buffer(encoder, samples, format.size(), 0));
    check(library.get_bytes_written(encoder, &size));
    library.encoder_destroy(encoder);
    return size;
}

inline void decode(const charls_library& library, const std::uint8_t* const stream, const std::size_t stream_size,
                   std::uint8_t* const samples, const std::size_t size)
{
    charls_jpegls_decoder* const decoder{library.decoder_create()};
    check(library.set_source_buffer(decoder, stream, stream_size));
    check(library.read_header(decoder));
    check(library.decode_to_buffer(decoder, samples, size, 0));
    library.decoder_destroy(decoder);
}

// Processor time of the thread, which other programs on the machine hardly change.
inline double thread_seconds()
{
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template<typename Function>
double seconds(const Function& function)
{
    const double begin{thread_seconds()};
    function();
    return thread_seconds() - begin;
}

struct geometric_mean
{
    double sum{};
    int count{};

    void add(const double ratio)
    {
        sum += std::log(ratio);
        ++count;
    }

    [[nodiscard]] double value() const
    {
        return std::exp(sum / count);
    }
};
