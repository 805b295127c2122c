// SPDX-License-Identifier: MIT
//
// Two shared libraries that differ in one thing, called in turn through CharLS's C API on the same images: CharLS as
// released and with the fast scan codecs, or the latter as two compilers build it. See docs/scan-codecs.md.
#include <charls/charls.h>

#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace {

[[noreturn]] void stop(const std::string& message)
{
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

// The functions of one of the libraries.
struct codec
{
    decltype(&charls_jpegls_encoder_create) encoder_create;
    decltype(&charls_jpegls_encoder_destroy) encoder_destroy;
    decltype(&charls_jpegls_encoder_set_frame_info) set_frame_info;
    decltype(&charls_jpegls_encoder_set_near_lossless) set_near_lossless;
    decltype(&charls_jpegls_encoder_set_interleave_mode) set_interleave_mode;
    decltype(&charls_jpegls_encoder_set_destination_buffer) set_destination_buffer;
    decltype(&charls_jpegls_encoder_encode_from_buffer) encode_from_buffer;
    decltype(&charls_jpegls_encoder_get_bytes_written) get_bytes_written;
    decltype(&charls_jpegls_decoder_create) decoder_create;
    decltype(&charls_jpegls_decoder_destroy) decoder_destroy;
    decltype(&charls_jpegls_decoder_set_source_buffer) set_source_buffer;
    decltype(&charls_jpegls_decoder_read_header) read_header;
    decltype(&charls_jpegls_decoder_decode_to_buffer) decode_to_buffer;

    explicit codec(const std::string& path)
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

struct image
{
    std::string name;
    std::string group;
    charls_frame_info frame;
    std::int32_t near_lossless;
    std::int32_t interleave_mode;
    std::vector<std::uint8_t> samples;
};

void check(const charls_jpegls_errc code)
{
    if (code != charls::jpegls_errc::success)
        stop("CharLS: error " + std::to_string(static_cast<int>(code)));
}

std::size_t encode(const codec& library, const image& source, std::vector<std::uint8_t>& stream)
{
    std::size_t size{};
    charls_jpegls_encoder* const encoder{library.encoder_create()};
    check(library.set_frame_info(encoder, &source.frame));
    check(library.set_near_lossless(encoder, source.near_lossless));
    check(library.set_interleave_mode(encoder, static_cast<charls_interleave_mode>(source.interleave_mode)));
    check(library.set_destination_buffer(encoder, stream.data(), stream.size()));
    check(library.encode_from_buffer(encoder, source.samples.data(), source.samples.size(), 0));
    check(library.get_bytes_written(encoder, &size));
    library.encoder_destroy(encoder);
    return size;
}

void decode(const codec& library, const std::uint8_t* const stream, const std::size_t size,
            std::vector<std::uint8_t>& samples)
{
    charls_jpegls_decoder* const decoder{library.decoder_create()};
    check(library.set_source_buffer(decoder, stream, size));
    check(library.read_header(decoder));
    check(library.decode_to_buffer(decoder, samples.data(), samples.size(), 0));
    library.decoder_destroy(decoder);
}

// Processor time of the thread, which other programs on the machine hardly change.
double thread_seconds()
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

// Lines of: name group width height bits components near interleave-mode file
std::vector<image> read_images(const std::string& folder)
{
    std::vector<image> images;
    std::ifstream list{folder + "/images.txt"};
    std::string file;
    image next;
    while (list >> next.name >> next.group >> next.frame.width >> next.frame.height >> next.frame.bits_per_sample >>
           next.frame.component_count >> next.near_lossless >> next.interleave_mode >> file)
    {
        std::ifstream raw{folder + "/" + file, std::ios::binary};
        next.samples.assign(std::istreambuf_iterator<char>{raw}, {});
        const std::size_t expected{std::size_t{next.frame.width} * next.frame.height *
                                   static_cast<std::size_t>(next.frame.component_count) *
                                   (next.frame.bits_per_sample <= 8 ? 1U : 2U)};
        if (next.samples.size() != expected)
            stop(file + " has not the size that images.txt tells");
        images.push_back(next);
    }
    if (images.empty())
        stop("no images in " + folder);
    return images;
}

// One of the libraries, one image, one direction, a few times: for valgrind.
int run_once(const codec& library, const image& source, const std::string& direction, const int count)
{
    std::vector<std::uint8_t> stream(2 * source.samples.size() + 4096);
    std::vector<std::uint8_t> decoded(source.samples.size());
    const std::size_t size{encode(library, source, stream)};
    for (int i{}; i != count; ++i)
    {
        if (direction == "encode")
            encode(library, source, stream);
        else
            decode(library, stream.data(), size, decoded);
    }
    return 0;
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

    double value() const
    {
        return std::exp(sum / count);
    }
};

} // namespace

int main(const int argument_count, const char** const arguments)
{
    if (argument_count < 4)
        stop("usage: bench LIBRARY-1 LIBRARY-2 IMAGE-FOLDER [ROUNDS]\n"
             "       bench LIBRARY once IMAGE-FOLDER IMAGE encode|decode COUNT");
    const std::vector<image> images{read_images(arguments[3])};
    if (std::strcmp(arguments[2], "once") == 0)
    {
        for (const image& source : images)
        {
            if (source.name == arguments[4])
                return run_once(codec{arguments[1]}, source, arguments[5], std::atoi(arguments[6]));
        }
        stop("no such image");
    }

    const codec libraries[]{codec{arguments[1]}, codec{arguments[2]}};
    const int rounds{argument_count > 4 ? std::atoi(arguments[4]) : 25};
    std::printf("1: %s\n2: %s\n\n", arguments[1], arguments[2]);
    std::printf("%-26s %9s %9s %7s   %9s %9s %7s\n", "image (MB/s of samples)", "encode 1", "encode 2", "ratio",
                "decode 1", "decode 2", "ratio");
    std::string group;
    geometric_mean encode_mean;
    geometric_mean decode_mean;
    const auto finish_group{[&] {
        if (encode_mean.count != 0)
            std::printf("%-26s %9s %9s %7.2f   %9s %9s %7.2f\n\n", ("  geometric mean, " + group).c_str(), "", "",
                        encode_mean.value(), "", "", decode_mean.value());
        encode_mean = {};
        decode_mean = {};
    }};
    for (const image& source : images)
    {
        if (source.group != group)
        {
            finish_group();
            group = source.group;
        }
        std::vector<std::uint8_t> streams[2];
        std::vector<std::uint8_t> decoded[2];
        std::size_t sizes[2]{};
        double encode_times[2]{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
        double decode_times[2]{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
        for (int i{}; i != 2; ++i)
        {
            streams[i].resize(2 * source.samples.size() + 4096);
            decoded[i].resize(source.samples.size());
        }
        // At least three times each, more often where it is quick.
        double spent{};
        for (int round{}; round < 3 || (round < rounds && spent < 6); ++round)
        {
            for (int i{}; i != 2; ++i)
            {
                const double encoding{seconds([&] { sizes[i] = encode(libraries[i], source, streams[i]); })};
                const double decoding{seconds([&] { decode(libraries[i], streams[i].data(), sizes[i], decoded[i]); })};
                encode_times[i] = std::min(encode_times[i], encoding);
                decode_times[i] = std::min(decode_times[i], decoding);
                spent += encoding + decoding;
            }
        }
        if (sizes[0] != sizes[1] || std::memcmp(streams[0].data(), streams[1].data(), sizes[0]) != 0 ||
            decoded[0] != decoded[1])
            stop(source.name + ": the two do not give the same");
        const double megabytes{static_cast<double>(source.samples.size()) / 1e6};
        std::printf("%-26s %9.0f %9.0f %7.2f   %9.0f %9.0f %7.2f\n", source.name.c_str(), megabytes / encode_times[0],
                    megabytes / encode_times[1], encode_times[0] / encode_times[1], megabytes / decode_times[0],
                    megabytes / decode_times[1], decode_times[0] / decode_times[1]);
        std::fflush(stdout);
        encode_mean.add(encode_times[0] / encode_times[1]);
        decode_mean.add(decode_times[0] / decode_times[1]);
    }
    finish_group();
    return 0;
}
