// SPDX-License-Identifier: MIT
//
// Samples to streams, whole or in strips: with restart markers every restart interval is a strip, and with interleave
// mode none every plane is at least one.
#pragma once

#include "layout.hpp"

#include "../stream/annotations.hpp"

#include <optional>
#include <vector>

namespace dicom_jpegls {

using encoding_parameters = dicom_jpegls_encoding_parameters;

// What can be encoded.
constexpr std::uint32_t maximum_encoded_dimension{default_maximum_dimension}; // 16 bits in SOF55 (T.87 C.2.2)
constexpr std::int32_t maximum_component_count{255};                          // 8 bits in SOF55
constexpr std::int32_t minimum_bits_per_sample{2};
constexpr std::int32_t maximum_bits_per_sample{16};
constexpr std::int32_t maximum_color_transformation{3}; // HP3
constexpr std::int32_t maximum_preset_value{0xFFFF};    // 16 bits in LSE (T.87 C.2.4.1.1)
constexpr std::uint32_t maximum_restart_interval{0xFFFF};
constexpr std::size_t maximum_segment_data_size{0xFFFF - 2};
constexpr std::int32_t maximum_application_data_number{15};

// A task needs so many samples to be worth a thread. A restart interval of as many costs 0.3 % of a stream's size or
// less.
constexpr std::uint64_t samples_per_task{1 << 18};

// The interleave mode for as many components, unless another one is asked for.
[[nodiscard]] constexpr std::int32_t default_interleave_mode(const std::int32_t component_count) noexcept
{
    return can_interleave(component_count) ? interleave_sample : interleave_none;
}

// The height of restart intervals that costs little and fills the lanes of several workers in a large image; 0 for
// none. It does not depend on the workers, so that the stream does not depend on the machine.
[[nodiscard]] std::uint32_t automatic_restart_interval(const frame_info& frame) noexcept;

[[nodiscard]] status check_frame(const frame_info& frame) noexcept;

// Whether an image can be encoded with the parameters, whatever its samples.
[[nodiscard]] status check_encoding(const frame_info& frame, const encoding_parameters& parameters) noexcept;

// The size in bytes that no stream of an image exceeds, without comments and application data. The frame must have been
// checked.
[[nodiscard]] std::uint64_t max_encoded_size(const frame_info& frame) noexcept;

// Segments that are written before the frame header.
struct header_segments
{
    std::optional<spiff_header> spiff;
    std::vector<annotation> annotations;

    // What the annotations add to the size of a stream.
    [[nodiscard]] std::uint64_t annotations_size() const noexcept;
};

// An image with parameters that have been checked. Samples and segments are the caller's.
struct image_source
{
    const std::uint8_t* samples{};
    image_layout layout{};
    frame_info frame{};
    encoding_parameters parameters{};
    header_segments segments{};
};

// The first of the signed samples that near-lossless coding may turn into one of the opposite sign: the two's
// complement bits are coded as unsigned numbers, in which both ends of the range are neighbours.
[[nodiscard]] std::optional<std::int32_t> find_unsafe_sample(const image_source& image) noexcept;

struct encoded_size
{
    status error{status::success};
    std::size_t size{}; // in bytes
};

struct encoded_stream
{
    status error{status::success};
    heap_bytes bytes;
};

// The strips of an image, which may be encoded in any order and by several threads.
class strip_encoder final
{
public:
    strip_encoder() = default;

    // Throws std::bad_alloc. The image must outlive the encoder.
    explicit strip_encoder(const image_source& image);

    // Whether an image is encoded in strips in any case: only that writes restart markers.
    [[nodiscard]] static bool is_needed(const image_source& image) noexcept;

    [[nodiscard]] static std::size_t count(const image_source& image) noexcept;

    [[nodiscard]] std::size_t count() const noexcept
    {
        return strips_.size();
    }

    // A strip as an image, counted from the first strip of the first plane.
    [[nodiscard]] image_source strip(std::size_t index) const noexcept;

    // Takes the entropy-coded data of a strip that was encoded elsewhere, which must stay until it is written.
    void set_data(std::size_t index, byte_span data) noexcept;

    // The same with a copy of the data. Throws std::bad_alloc.
    void copy_data(std::size_t index, byte_span data);

    [[nodiscard]] const image_source& image() const noexcept
    {
        return *image_;
    }

    // Encodes the strips from `first` to before `last`.
    [[nodiscard]] status encode(std::size_t first, std::size_t last) noexcept;

    // Prepares the stream of all strips, which have been encoded, and returns its size.
    [[nodiscard]] encoded_size join() noexcept;

    // Writes the stream that `join` has prepared.
    void write(std::uint8_t* destination) const noexcept;

private:
    // Returns the size; without a destination nothing is written.
    std::size_t write_to(std::uint8_t* destination) const noexcept;

    const image_source* image_{};
    std::vector<heap_bytes> strips_;   // streams, or entropy-coded data
    std::vector<byte_span> intervals_; // entropy-coded data
    heap_bytes model_;                 // a stream with the segments of the joined one
};

// Encodes an image in the calling thread into memory of the caller; `destination_too_small` if that is full.
[[nodiscard]] encoded_size encode_image(const image_source& image, std::uint8_t* destination,
                                        std::size_t destination_size) noexcept;

// Encodes an image that needs no strips into memory of its own.
[[nodiscard]] encoded_stream encode_image(const image_source& image) noexcept;

} // namespace dicom_jpegls
