// SPDX-License-Identifier: MIT
//
// Many scans at once: sixteen of them in the lanes of AVX2 registers, by one thread. A scan is the entropy-coded data
// of an image, a plane of it, or a restart interval, which is a scan like others.
//
// What comes out is what the scan codecs for one scan (scan_codecs.hpp) make of it, byte for byte and sample for
// sample. A scan in which anything else than that comes up (parameters that are not covered, damaged data, a
// destination that is too small) is left alone: its `done` stays false, other scans are not affected, and the caller
// has the codec for one scan do it, which finds the error. So all errors come from one place.
//
// Covered, with default preset coding parameters, no colour transformation and 1 to 65535 samples a line: one
// component, and three or four by line (line interleave), lossless and near-lossless, 8 to 16 bits; pixels of three
// components (sample interleave), lossless, 8 bits.
//
// When it pays, measured on one core of an AMD EPYC (Zen 4) against the codecs for one scan (docs/scan-codecs.md):
// `fewest_lanes_for_decoding` and `fewest_lanes_for_encoding` estimate how many scans such as a given one it takes, and
// `lane_share` says how many of a number of scans to give to the lanes. None of them is needed for correct results.
// With several threads, each of them gets its own scans and its own `scan_lanes`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace dicom_jpegls::scan {

// Samples have one byte up to 8 bits, otherwise two in the order of the machine, of any alignment. They are by pixel,
// whatever the interleave mode is. Lines begin `stride` bytes apart.
struct lane_decoding
{
    const std::uint8_t* source; // entropy-coded data without the marker that ends it
    std::size_t source_size;
    std::uint8_t* destination;
    std::size_t destination_size;
    std::size_t stride;
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t near_value;
    std::int32_t component_count;    // of a pixel that is coded as one (sample interleave), otherwise 1
    std::int32_t components_by_line; // whose lines take turns (line interleave), otherwise 1
    bool done{}; // all lines are decoded, and the codes fill the source; otherwise the destination may be half written
};

struct lane_encoding
{
    const std::uint8_t* source; // bits above the precision are ignored
    std::size_t source_size;
    std::size_t stride;
    std::uint32_t width;
    std::uint32_t height;
    std::int32_t bits_per_sample;
    std::int32_t near_value;
    std::int32_t component_count;
    std::int32_t components_by_line;
    std::uint8_t* destination;
    std::size_t destination_size;
    std::size_t written{}; // size of the entropy-coded data, if done
    bool done{};           // otherwise the destination may be half written
};

// In a row of the caller's memory.
template<typename Scan>
constexpr std::uint64_t samples_of_row(const Scan& scan) noexcept
{
    return std::uint64_t{scan.width} * static_cast<std::uint32_t>(scan.component_count) *
           static_cast<std::uint32_t>(scan.components_by_line);
}

template<typename Scan>
constexpr std::uint64_t sample_count(const Scan& scan) noexcept
{
    return samples_of_row(scan) * scan.height;
}

// Whether scans can be in lanes at the same time: lines of one component are coded alike, however many take turns.
template<typename Scan>
constexpr bool is_of_one_kind(const Scan& a, const Scan& b) noexcept
{
    return a.bits_per_sample == b.bits_per_sample && a.near_value == b.near_value &&
           a.component_count == b.component_count;
}

// The order in which scans are done: those of one kind one after another, and the large ones first, so that lanes do
// not wait long for the last.
template<typename Scan>
constexpr bool comes_before(const Scan& a, const Scan& b) noexcept
{
    if (a.bits_per_sample != b.bits_per_sample)
        return a.bits_per_sample < b.bits_per_sample;
    if (a.near_value != b.near_value)
        return a.near_value < b.near_value;
    if (a.component_count != b.component_count)
        return a.component_count < b.component_count;
    return sample_count(a) > sample_count(b);
}

// The memory of the lane codecs, about 200 kB and two rows of samples for each lane. It is kept from one call to the
// next. One thread uses it at a time.
class scan_lanes final
{
public:
    scan_lanes() noexcept;
    scan_lanes(scan_lanes&&) noexcept;
    scan_lanes& operator=(scan_lanes&&) noexcept;
    ~scan_lanes();

    // Whether scans can be done at all, on this machine and in this build.
    static bool available() noexcept;

    // Do what they can of any number of scans of any kinds and sizes, and set `done` and `written` of all. None is
    // done without enough memory.
    void decode(lane_decoding* scans, std::size_t count) noexcept;
    void encode(lane_encoding* scans, std::size_t count) noexcept;

private:
    struct memory;
    std::unique_ptr<memory> memory_;
};

// Scans in flight, and from how many on lanes can be faster than one scan after another.
constexpr std::size_t lanes_in_flight{16};
constexpr std::size_t fewest_lanes_that_pay{7};

// From how many scans on lanes are faster, if all are like this one; more than `lanes_in_flight` if they never are.
// Runs stop a lane, so the more there are, the more lanes have to be filled. When decoding, the bits per sample tell:
// below one, it is mostly runs.
constexpr std::size_t fewest_lanes_for_decoding(const std::size_t source_size, const std::uint64_t samples) noexcept
{
    constexpr std::uint64_t one_bit{8}; // a sample, in eighths
    const std::uint64_t eighths{64 * std::uint64_t{source_size} / samples};
    if (eighths < one_bit)
        return lanes_in_flight + 1;
    const std::uint64_t missing{eighths < 2 * one_bit ? 2 * one_bit - eighths : 0};
    return fewest_lanes_that_pay + static_cast<std::size_t>(missing);
}

// When encoding, some lines of the source are looked at. The source must be as large as the scan says.
std::size_t fewest_lanes_for_encoding(const lane_encoding& scan) noexcept;

// Of `count` scans of about the same size for one thread, how many to give to `scan_lanes` in one call, if lanes are
// faster from `fewest` scans on: all of them, or as many as fill the lanes, since the few others are faster one after
// another.
constexpr std::size_t lane_share(const std::size_t count, const std::size_t fewest) noexcept
{
    const std::size_t rest{count % lanes_in_flight};
    return rest < fewest ? count - rest : count;
}

} // namespace dicom_jpegls::scan
