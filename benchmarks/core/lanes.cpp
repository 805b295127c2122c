// SPDX-License-Identifier: MIT
//
// Scans one after another against sixteen at once (native/scan/lanes), in one process and thread: CPU time of the
// thread, in turns, the lowest decile of many. See docs/scan-codecs.md.
#include "scan/decoder.hpp"
#include "scan/encoder.hpp"
#include "scan/lanes/scan_lanes.hpp"
#include "scan/line_buffer.hpp"
#include "stream/presets.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace dicom_jpegls;
using namespace dicom_jpegls::scan;

namespace {

[[noreturn]] void stop(const std::string& message)
{
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(1);
}

// Frames of one size, one after another.
struct frames
{
    std::string name;
    std::size_t count;
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t component_count; // of a pixel
    std::vector<std::uint8_t> samples;

    // In a line.
    std::size_t sample_count() const noexcept
    {
        return std::size_t{width} * static_cast<std::size_t>(component_count);
    }

    std::size_t row() const noexcept
    {
        return sample_count() * (bits_per_sample <= 8 ? 1 : 2);
    }

    std::size_t size() const noexcept
    {
        return row() * height;
    }
};

// Lines of: name count width height bits components; the samples are in NAME.raw.
std::vector<frames> read_frames(const std::string& folder)
{
    std::vector<frames> result;
    std::ifstream list{folder + "/frames.txt"};
    frames next;
    while (list >> next.name >> next.count >> next.width >> next.height >> next.bits_per_sample >> next.component_count)
    {
        std::ifstream raw{folder + "/" + next.name + ".raw", std::ios::binary};
        next.samples.assign(std::istreambuf_iterator<char>{raw}, {});
        if (next.samples.size() != next.count * next.size())
            stop(next.name + ".raw has not the size that frames.txt tells");
        result.push_back(next);
    }
    if (result.empty())
        stop("no frames in " + folder);
    return result;
}

// The codecs for one scan, as charls_adapter.cpp drives them.
struct single_codec
{
    std::function<std::size_t(const std::uint8_t* samples, std::uint8_t* destination, std::size_t size)> encode;
    std::function<void(const std::vector<std::uint8_t>& data, std::uint8_t* samples)> decode;
};

template<typename Encoder, typename Sample, int ComponentCount>
std::size_t encode_alone(const frames& source, Encoder& codec, const std::uint8_t* samples)
{
    const auto count{static_cast<std::ptrdiff_t>(source.sample_count())};
    line_buffer<Sample> lines{count, 1, Encoder::margin};
    for (std::uint32_t y{}; y != source.height; ++y, samples += source.row())
    {
        std::memcpy(lines.current(0), samples, source.row());
        set_edges<ComponentCount>(lines.above(0), lines.current(0), count);
        codec.encode_line(lines.above(0), lines.current(0), count);
        lines.next_line();
    }
    return codec.finish();
}

template<int ComponentCount, typename Mode>
void decode_alone(const frames& target, const Mode& mode, const thresholds& bounds, const gradient_table& gradients,
                  const std::vector<std::uint8_t>& data, std::uint8_t* samples)
{
    using decoder = scan_decoder<Mode, ComponentCount>;
    const auto count{static_cast<std::ptrdiff_t>(target.sample_count())};
    line_buffer<typename Mode::sample> lines{count, 1, decoder::margin};
    const auto codec{std::make_unique<decoder>(mode, bounds, gradients, data.data(), data.data() + data.size())};
    for (std::uint32_t y{}; y != target.height; ++y, samples += target.row())
    {
        set_edges<ComponentCount>(lines.above(0), lines.current(0), count);
        codec->decode_line(lines.above(0), lines.current(0), count);
        std::memcpy(samples, lines.current(0), target.row());
        lines.next_line();
    }
    static_cast<void>(codec->finish());
}

thresholds bounds_of(const std::int32_t bits_per_sample, const std::int32_t near_value)
{
    const preset_coding_parameters presets{
        default_preset_coding_parameters(maximum_sample_value(bits_per_sample), near_value)};
    return {presets.threshold1, presets.threshold2, presets.threshold3};
}

template<int BitsPerSample, int ComponentCount = 1>
single_codec lossless_codec(const frames& images)
{
    using mode = lossless<BitsPerSample>;
    using encoder = lossless_encoder<BitsPerSample, ComponentCount>;
    const thresholds bounds{bounds_of(BitsPerSample, 0)};
    return {[&images, bounds](const std::uint8_t* samples, std::uint8_t* destination, std::size_t size) {
                const auto codec{std::make_unique<encoder>(mode{}, bounds, destination, size)};
                return encode_alone<encoder, typename mode::sample, ComponentCount>(images, *codec, samples);
            },
            [&images, bounds](const std::vector<std::uint8_t>& data, std::uint8_t* samples) {
                decode_alone<ComponentCount>(images, mode{}, bounds, lossless_gradients<mode>(bounds), data, samples);
            }};
}

template<typename Sample>
single_codec near_lossless_codec(const frames& images, const std::int32_t near_value)
{
    using mode_type = near_lossless<Sample>;
    using encoder = near_lossless_encoder<Sample>;
    const mode_type mode{images.bits_per_sample, near_value};
    const thresholds bounds{bounds_of(images.bits_per_sample, near_value)};
    const auto tables{std::make_shared<near_lossless_tables>(mode, bounds)};
    const auto gradients{std::make_shared<gradient_table>(mode.maximum, near_value, bounds, sizeof(decoder_context))};
    return {[&images, mode, bounds, tables](const std::uint8_t* samples, std::uint8_t* destination, std::size_t size) {
                const auto codec{std::make_unique<encoder>(mode, bounds, *tables, destination, size)};
                return encode_alone<encoder, Sample, 1>(images, *codec, samples);
            },
            [&images, mode, bounds, gradients](const std::vector<std::uint8_t>& data, std::uint8_t* samples) {
                decode_alone<1>(images, mode, bounds, *gradients, data, samples);
            }};
}

single_codec codec_for(const frames& images, const std::int32_t near_value)
{
    if (images.component_count == 3 && images.bits_per_sample == 8 && near_value == 0)
        return lossless_codec<8, 3>(images);
    if (images.component_count != 1)
        stop("frames of three components are measured with 8 bits, without NEAR");
    if (near_value != 0)
        return images.bits_per_sample == 8 ? near_lossless_codec<std::uint8_t>(images, near_value)
                                           : near_lossless_codec<std::uint16_t>(images, near_value);
    switch (images.bits_per_sample)
    {
    case 8:
        return lossless_codec<8>(images);
    case 12:
        return lossless_codec<12>(images);
    case 16:
        return lossless_codec<16>(images);
    default:
        stop("frames of 8, 12 or 16 bits are measured");
    }
}

double thread_seconds()
{
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template<typename Function>
double seconds(const int repetitions, const Function& function)
{
    const double begin{thread_seconds()};
    for (int i{}; i != repetitions; ++i)
        function();
    return thread_seconds() - begin;
}

double lowest_decile(std::vector<double> times)
{
    std::sort(times.begin(), times.end());
    return times[times.size() / 10];
}

void measure(const frames& images, const std::int32_t near_value, const std::size_t count, const double duration)
{
    const single_codec codec{codec_for(images, near_value)};
    const std::int32_t bits_per_sample{images.bits_per_sample};
    const std::size_t capacity{2 * images.size() + 4096};
    std::vector<std::vector<std::uint8_t>> streams(count);
    std::vector<std::vector<std::uint8_t>> encoded(count, std::vector<std::uint8_t>(capacity));
    std::vector<std::uint8_t> decoded(count * images.size());
    std::vector<std::uint8_t> decoded_alone;
    std::vector<lane_encoding> encodings;
    std::vector<lane_decoding> decodings;
    std::size_t total{};
    for (std::size_t i{}; i != count; ++i)
    {
        const std::uint8_t* const samples{images.samples.data() + i * images.size()};
        streams[i].resize(capacity);
        const std::size_t size{codec.encode(samples, streams[i].data(), capacity)};
        streams[i].resize(size);
        streams[i].insert(streams[i].end(), {0xFF, 0xD9}); // the codec for one scan wants a marker
        total += size;
        encodings.push_back({samples, images.size(), images.row(), images.width, images.height, bits_per_sample,
                             near_value, images.component_count, encoded[i].data(), capacity});
        decodings.push_back({streams[i].data(), size, decoded.data() + i * images.size(), images.size(), images.row(),
                             images.width, images.height, bits_per_sample, near_value, images.component_count});
    }

    scan_lanes lanes;
    const int repetitions{static_cast<int>(std::max<std::size_t>(1, 100000 / (count * images.size())))};
    std::vector<double> times[4];
    const double begin{thread_seconds()};
    do
    {
        times[0].push_back(seconds(repetitions, [&] {
            for (std::size_t i{}; i != count; ++i)
                codec.encode(encodings[i].source, encoded[i].data(), capacity);
        }));
        times[1].push_back(seconds(repetitions, [&] { lanes.encode(encodings.data(), count); }));
        times[2].push_back(seconds(repetitions, [&] {
            for (std::size_t i{}; i != count; ++i)
                codec.decode(streams[i], decodings[i].destination);
        }));
        decoded_alone = decoded;
        std::fill(decoded.begin(), decoded.end(), std::uint8_t{});
        times[3].push_back(seconds(repetitions, [&] { lanes.decode(decodings.data(), count); }));
    } while (times[0].size() < 3 || thread_seconds() - begin < duration);

    for (std::size_t i{}; i != count; ++i)
    {
        if (!encodings[i].done || !decodings[i].done || encodings[i].written + 2 != streams[i].size() ||
            !std::equal(encoded[i].begin(), encoded[i].begin() + static_cast<std::ptrdiff_t>(encodings[i].written),
                        streams[i].begin()))
            stop(images.name + ": lanes do not give the same");
    }
    if (decoded != decoded_alone)
        stop(images.name + ": lanes decode other samples");
    const double megabytes{static_cast<double>(count * images.size()) * repetitions / 1e6};
    const double bits{8.0 * static_cast<double>(total) /
                      (static_cast<double>(count) * static_cast<double>(images.sample_count()) * images.height)};
    double speeds[4];
    for (int i{}; i != 4; ++i)
        speeds[i] = megabytes / lowest_decile(times[i]);
    std::printf("%-16s %4d %4d %6.2f %5zu   %6.0f %6.0f %6.2f   %6.0f %6.0f %6.2f\n", images.name.c_str(),
                bits_per_sample, near_value, bits, count, speeds[0], speeds[1], speeds[1] / speeds[0], speeds[2],
                speeds[3], speeds[3] / speeds[2]);
    std::fflush(stdout);
}

} // namespace

int main(const int argument_count, const char* const* const arguments)
{
    if (argument_count < 2)
        stop("usage: bench_lanes FRAME-FOLDER [SECONDS [NEAR[,NEAR ...] [COUNT ...]]]");
    if (!scan_lanes::available())
        stop("this machine has no lanes");
    const double duration{argument_count > 2 ? std::atof(arguments[2]) : 1};
    std::vector<std::int32_t> near_values;
    std::istringstream list{argument_count > 3 ? arguments[3] : "0,1,2,3"};
    for (std::string value; std::getline(list, value, ',');)
        near_values.push_back(std::atoi(value.c_str()));
    std::vector<std::size_t> counts;
    for (int i{4}; i < argument_count; ++i)
        counts.push_back(static_cast<std::size_t>(std::atoi(arguments[i])));
    if (counts.empty())
        counts.push_back(lanes_in_flight);
    std::printf("%-16s %4s %4s %6s %5s   %6s %6s %6s   %6s %6s %6s\n", "MB/s of samples", "bits", "NEAR", "coded",
                "scans", "encode", "lanes", "ratio", "decode", "lanes", "ratio");
    for (const frames& images : read_frames(arguments[1]))
    {
        for (const std::int32_t near_value : near_values)
        {
            if (images.component_count != 1 && near_value != 0)
                continue;
            for (const std::size_t count : counts)
            {
                if (count < 1 || count > images.count)
                    stop("there are " + std::to_string(images.count) + " frames of " + images.name);
                measure(images, near_value, count, duration);
            }
        }
    }
    return 0;
}
