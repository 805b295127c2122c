// SPDX-License-Identifier: MIT
//
// Two shared libraries that differ in one thing, called in turn through CharLS's C API on the same images: CharLS as
// released and with the fast scan codecs, or the latter as two compilers build it. See docs/scan-codecs.md.
#include "common.hpp"

#include <cstring>
#include <fstream>
#include <limits>

namespace {

struct image
{
    std::string name;
    std::string group;
    image_format format;
    std::vector<std::uint8_t> samples;
};

// Lines of: name group width height bits components near interleave-mode file
std::vector<image> read_images(const std::string& folder)
{
    std::vector<image> images;
    std::ifstream list{folder + "/images.txt"};
    std::string file;
    image next;
    image_format& format{next.format};
    while (list >> next.name >> next.group >> format.frame.width >> format.frame.height >>
           format.frame.bits_per_sample >> format.frame.component_count >> format.near_lossless >>
           format.interleave_mode >> file)
    {
        std::ifstream raw{folder + "/" + file, std::ios::binary};
        next.samples.assign(std::istreambuf_iterator<char>{raw}, {});
        if (next.samples.size() != format.size())
            stop(file + " has not the size that images.txt tells");
        images.push_back(next);
    }
    if (images.empty())
        stop("no images in " + folder);
    return images;
}

// One of the libraries, one image, one direction, a few times: for valgrind.
int run_once(const charls_library& library, const image& source, const std::string& direction, const int count)
{
    std::vector<std::uint8_t> stream(2 * source.samples.size() + 4096);
    std::vector<std::uint8_t> decoded(source.samples.size());
    const std::size_t size{encode(library, source.format, source.samples.data(), stream)};
    for (int i{}; i != count; ++i)
    {
        if (direction == "encode")
            encode(library, source.format, source.samples.data(), stream);
        else
            decode(library, stream.data(), size, decoded.data(), decoded.size());
    }
    return 0;
}

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
                return run_once(charls_library{arguments[1]}, source, arguments[5], std::atoi(arguments[6]));
        }
        stop("no such image");
    }

    const charls_library libraries[]{charls_library{arguments[1]}, charls_library{arguments[2]}};
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
                const double encoding{seconds(
                    [&] { sizes[i] = encode(libraries[i], source.format, source.samples.data(), streams[i]); })};
                const double decoding{seconds(
                    [&] { decode(libraries[i], streams[i].data(), sizes[i], decoded[i].data(), decoded[i].size()); })};
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
