// SPDX-License-Identifier: MIT
//
// Scans one after another, by CharLS as released and by the codecs for one scan, against sixteen at once
// (native/scan/lanes), in one process and thread: CPU time of the thread, in turns, the lowest decile of many. See
// docs/scan-codecs.md.
#include "common.hpp"

#include "scan/decoder.hpp"
#include "scan/encoder.hpp"
#include "scan/lanes/scan_lanes.hpp"
#include "scan/line_buffer.hpp"
#include "stream/presets.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <tuple>

using namespace dicom_jpegls;
using namespace dicom_jpegls::scan;

namespace {

// Frames of one size, one after another.
struct frames
{
    std::string name;
    std::string group; // for a mean
    std::size_t count;
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t component_count;    // of a pixel that is coded as one
    std::int32_t components_by_line; // whose lines take turns
    std::vector<std::uint8_t> samples;

    std::size_t sample_size() const noexcept
    {
        return bits_per_sample <= 8 ? 1 : 2;
    }

    // In samples.
    std::size_t line() const noexcept
    {
        return std::size_t{width} * static_cast<std::size_t>(component_count);
    }

    // In bytes.
    std::size_t row() const noexcept
    {
        return line() * static_cast<std::size_t>(components_by_line) * sample_size();
    }

    std::size_t size() const noexcept
    {
        return row() * height;
    }
};

// Lines of: name group count width height bits components, of a pixel and by line; the samples are in NAME.raw.
std::vector<frames> read_frames(const std::string& folder)
{
    std::vector<frames> result;
    std::ifstream list{folder + "/frames.txt"};
    frames next;
    while (list >> next.name >> next.group >> next.count >> next.width >> next.height >> next.bits_per_sample >>
           next.component_count >> next.components_by_line)
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

// Calls `code_line` for the line of each component of each row, `before` and `after` with the row's place in memory.
template<int ComponentCount, typename Sample, typename Codec, typename Before, typename CodeLine, typename After>
void code_rows(const frames& images, line_buffer<Sample>& lines, Codec& codec, const Before& before,
               const CodeLine& code_line, const After& after)
{
    const auto count{static_cast<std::ptrdiff_t>(images.line())};
    std::vector<std::uint32_t> run_indices(static_cast<std::size_t>(images.components_by_line));
    for (std::uint32_t y{}; y != images.height; ++y)
    {
        before(y * images.row());
        for (std::size_t i{}; i != run_indices.size(); ++i)
        {
            const auto plane{static_cast<std::ptrdiff_t>(i)};
            set_edges<ComponentCount>(lines.above(plane), lines.current(plane), count);
            codec.run_index() = run_indices[i];
            code_line(plane, count);
            run_indices[i] = codec.run_index();
        }
        after(y * images.row());
        lines.next_line();
    }
}

// Calls `copy` with each sample of a row and its place in memory.
template<typename Sample, typename Copy>
void for_each_sample(const frames& images, line_buffer<Sample>& lines, const std::size_t first, const Copy& copy)
{
    const std::size_t distance{static_cast<std::size_t>(images.components_by_line) * sizeof(Sample)};
    for (std::ptrdiff_t plane{}; plane != images.components_by_line; ++plane)
    {
        Sample* const line{lines.current(plane)};
        const std::size_t place{first + static_cast<std::size_t>(plane) * sizeof(Sample)};
        for (std::size_t x{}; x != images.line(); ++x)
            copy(line[x], place + x * distance);
    }
}

template<typename Encoder, typename Sample, int ComponentCount>
std::size_t encode_alone(const frames& source, Encoder& codec, const std::uint8_t* const samples)
{
    line_buffer<Sample> lines{static_cast<std::ptrdiff_t>(source.line()), source.components_by_line, Encoder::margin};
    code_rows<ComponentCount>(
        source, lines, codec,
        [&](const std::size_t row) {
            if (source.components_by_line == 1)
                std::memcpy(lines.current(0), samples + row, source.row());
            else
                for_each_sample(source, lines, row, [&](Sample& sample, const std::size_t place) {
                    std::memcpy(&sample, samples + place, sizeof sample);
                });
        },
        [&](const std::ptrdiff_t plane, const std::ptrdiff_t count) {
            codec.encode_line(lines.above(plane), lines.current(plane), count);
        },
        [](std::size_t) {});
    return codec.finish();
}

template<int ComponentCount, typename Mode>
void decode_alone(const frames& target, const Mode& mode, const thresholds& bounds, const gradient_table& gradients,
                  const std::vector<std::uint8_t>& data, std::uint8_t* const samples)
{
    using decoder = scan_decoder<Mode, ComponentCount>;
    using sample_type = typename Mode::sample;
    line_buffer<sample_type> lines{static_cast<std::ptrdiff_t>(target.line()), target.components_by_line,
                                   decoder::margin};
    const auto codec{std::make_unique<decoder>(mode, bounds, gradients, data.data(), data.data() + data.size())};
    code_rows<ComponentCount>(
        target, lines, *codec, [](std::size_t) {},
        [&](const std::ptrdiff_t plane, const std::ptrdiff_t count) {
            codec->decode_line(lines.above(plane), lines.current(plane), count);
        },
        [&](const std::size_t row) {
            if (target.components_by_line == 1)
                std::memcpy(samples + row, lines.current(0), target.row());
            else
                for_each_sample(target, lines, row, [&](const sample_type& sample, const std::size_t place) {
                    std::memcpy(samples + place, &sample, sizeof sample);
                });
        });
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

double lowest_decile(std::vector<double> times)
{
    std::sort(times.begin(), times.end());
    return times[times.size() / 10];
}

// The ways of coding that are compared.
enum way
{
    charls_released,
    one_scan,
    in_lanes,
    way_count
};

struct speeds
{
    std::vector<double> times[way_count];

    [[nodiscard]] double time(const way which) const
    {
        return lowest_decile(times[which]);
    }

    // How many times as fast as another way lanes are.
    [[nodiscard]] double ratio(const way other) const
    {
        return time(other) / time(in_lanes);
    }

    void print(const double megabytes) const
    {
        std::printf("   %6.0f %6.0f %6.0f %6.2f %7.2f", megabytes / time(charls_released), megabytes / time(one_scan),
                    megabytes / time(in_lanes), ratio(one_scan), ratio(charls_released));
    }
};

// The geometric means of lanes compared with CharLS, for a group of images, a NEAR and a number of scans.
struct means
{
    geometric_mean encoding;
    geometric_mean decoding;
};
using mean_key = std::tuple<std::string, std::int32_t, std::size_t>;

void measure(const charls_library& charls, const frames& images, const std::int32_t near_value, const std::size_t count,
             const double duration, means& mean)
{
    const single_codec codec{codec_for(images, near_value)};
    const std::int32_t bits_per_sample{images.bits_per_sample};
    const charls::interleave_mode mode{images.components_by_line != 1 ? charls::interleave_mode::line
                                       : images.component_count != 1  ? charls::interleave_mode::sample
                                                                      : charls::interleave_mode::none};
    const image_format format{
        {images.width, images.height, bits_per_sample, images.component_count * images.components_by_line},
        near_value,
        static_cast<std::int32_t>(mode)};
    const std::size_t capacity{2 * images.size() + 4096};
    std::vector<std::vector<std::uint8_t>> streams(count);
    std::vector<std::vector<std::uint8_t>> charls_streams(count, std::vector<std::uint8_t>(capacity));
    std::vector<std::vector<std::uint8_t>> encoded(count, std::vector<std::uint8_t>(capacity));
    std::vector<std::uint8_t> decoded[way_count];
    for (auto& samples : decoded)
        samples.resize(count * images.size());
    std::vector<lane_encoding> encodings;
    std::vector<lane_decoding> decodings;
    std::vector<std::size_t> charls_sizes(count);
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
                             near_value, images.component_count, images.components_by_line, encoded[i].data(),
                             capacity});
        decodings.push_back({streams[i].data(), size, decoded[in_lanes].data() + i * images.size(), images.size(),
                             images.row(), images.width, images.height, bits_per_sample, near_value,
                             images.component_count, images.components_by_line});
    }

    scan_lanes lanes;
    const int repetitions{static_cast<int>(std::max<std::size_t>(1, 100000 / (count * images.size())))};
    const auto repeated{[repetitions](const auto& function) {
        return seconds([&] {
            for (int i{}; i != repetitions; ++i)
                function();
        });
    }};
    const auto repeated_for_each{[&](const auto& function) {
        return repeated([&] {
            for (std::size_t i{}; i != count; ++i)
                function(i);
        });
    }};
    speeds encoding;
    speeds decoding;
    const double begin{thread_seconds()};
    do
    {
        encoding.times[charls_released].push_back(repeated_for_each([&](const std::size_t i) {
            charls_sizes[i] = encode(charls, format, encodings[i].source, charls_streams[i]);
        }));
        encoding.times[one_scan].push_back(repeated_for_each(
            [&](const std::size_t i) { codec.encode(encodings[i].source, encoded[i].data(), capacity); }));
        encoding.times[in_lanes].push_back(repeated([&] { lanes.encode(encodings.data(), count); }));
        decoding.times[charls_released].push_back(repeated_for_each([&](const std::size_t i) {
            decode(charls, charls_streams[i].data(), charls_sizes[i],
                   decoded[charls_released].data() + i * images.size(), images.size());
        }));
        decoding.times[one_scan].push_back(repeated_for_each(
            [&](const std::size_t i) { codec.decode(streams[i], decoded[one_scan].data() + i * images.size()); }));
        decoding.times[in_lanes].push_back(repeated([&] { lanes.decode(decodings.data(), count); }));
    } while (encoding.times[0].size() < 3 || thread_seconds() - begin < duration);

    for (std::size_t i{}; i != count; ++i)
    {
        const auto written{static_cast<std::ptrdiff_t>(encodings[i].written)};
        if (!encodings[i].done || !decodings[i].done || encodings[i].written + 2 != streams[i].size() ||
            !std::equal(encoded[i].begin(), encoded[i].begin() + written, streams[i].begin()) ||
            std::search(charls_streams[i].begin(), charls_streams[i].end(), encoded[i].begin(),
                        encoded[i].begin() + written) == charls_streams[i].end())
            stop(images.name + ": the streams differ");
    }
    if (decoded[in_lanes] != decoded[one_scan] || decoded[in_lanes] != decoded[charls_released])
        stop(images.name + ": the decoded samples differ");
    const double megabytes{static_cast<double>(count * images.size()) * repetitions / 1e6};
    const double bits{8.0 * static_cast<double>(total) /
                      (static_cast<double>(count) * static_cast<double>(images.size() / images.sample_size()))};
    std::printf("%-18s %4d %4d %6.2f %5zu", images.name.c_str(), bits_per_sample, near_value, bits, count);
    encoding.print(megabytes);
    decoding.print(megabytes);
    std::printf("\n");
    std::fflush(stdout);
    mean.encoding.add(encoding.ratio(charls_released));
    mean.decoding.add(decoding.ratio(charls_released));
}

} // namespace

int main(const int argument_count, const char* const* const arguments)
{
    if (argument_count < 3)
        stop("usage: bench_lanes LIBRARY FRAME-FOLDER [SECONDS [NEAR[,NEAR ...] [COUNT ...]]]\n"
             "The library is CharLS as released. More scans than there are frames are left out.");
    if (!scan_lanes::available())
        stop("this machine has no lanes");
    const charls_library charls{arguments[1]};
    const double duration{argument_count > 3 ? std::atof(arguments[3]) : 1};
    std::vector<std::int32_t> near_values;
    std::istringstream list{argument_count > 4 ? arguments[4] : "0,1,2,3"};
    for (std::string value; std::getline(list, value, ',');)
        near_values.push_back(std::atoi(value.c_str()));
    std::vector<std::size_t> counts;
    for (int i{5}; i < argument_count; ++i)
        counts.push_back(static_cast<std::size_t>(std::atoi(arguments[i])));
    if (counts.empty())
        counts = {lanes_in_flight, 40};
    std::printf("MB/s of samples; encode and decode: CharLS as released; one: one scan after another\n");
    std::printf("%-18s %4s %4s %6s %5s", "image", "bits", "NEAR", "coded", "scans");
    for (const char* const direction : {"encode", "decode"})
        std::printf("   %6s %6s %6s %6s %7s", direction, "one", "lanes", "/one", "/CharLS");
    std::printf("\n");
    std::map<mean_key, means> all_means;
    for (const frames& images : read_frames(arguments[2]))
    {
        for (const std::int32_t near_value : near_values)
        {
            if (images.component_count != 1 && near_value != 0)
                continue;
            for (const std::size_t count : counts)
            {
                if (count <= images.count)
                    measure(charls, images, near_value, count, duration, all_means[{images.group, near_value, count}]);
            }
        }
    }
    std::printf("\nLanes compared with CharLS, geometric means:\n");
    for (const auto& [key, mean] : all_means)
    {
        const auto& [group, near_value, count] = key;
        std::printf("%s, NEAR %d, %zu scans: encode %.2f, decode %.2f\n", group.c_str(), near_value, count,
                    mean.encoding.value(), mean.decoding.value());
    }
    return 0;
}
