// SPDX-License-Identifier: MIT
//
// Many streams or images at once, in the calling thread: scans that the lane codecs cover (scan/lanes) are coded
// sixteen at a time, everything else one after another. Streams, samples and errors are those of `decode_image` and
// `encode_image`: what the lanes do not finish is coded again by the codec for one scan, and no error affects others.
#pragma once

#include "decode.hpp"
#include "encode.hpp"

#include "../scan/lanes/scan_lanes.hpp"

namespace dicom_jpegls {

// Whether lanes can be used on this machine and in this build.
[[nodiscard]] bool has_lanes() noexcept;

// Whether they are used, for the whole process; they are by default. Returns the previous setting.
bool use_lanes(bool use) noexcept;

// How many of `count` items of about the same size are coded together, if each worker takes the next batch: all workers
// have something to do first, then lanes are filled. Throws std::bad_alloc.
[[nodiscard]] std::vector<std::size_t> batch_sizes(std::size_t count, std::size_t workers);

// How many of `count` items each worker should take at once, `most` of them, where items come one after another; 1 if
// lanes do not pay.
[[nodiscard]] std::size_t items_at_once(std::size_t count, std::size_t workers, std::size_t most) noexcept;

// An inspected stream that is sound, and the memory for its samples.
struct decoding
{
    const inspected_stream* source{};
    std::uint8_t* samples{};
    image_layout layout{};
    status error{status::success};
};

// An image with checked parameters, and its stream.
class encoding final
{
public:
    encoding() = default;

    explicit encoding(const image_source& image) noexcept : image_{&image}
    {
    }

    [[nodiscard]] status error() const noexcept
    {
        return error_;
    }

    [[nodiscard]] std::size_t size() const noexcept
    {
        return size_;
    }

    // Writes the stream, once; as long as the coder that encoded it has encoded nothing else.
    void write(std::uint8_t* destination) noexcept;

private:
    friend class many_coder;

    const image_source* image_{};
    strip_encoder strips_; // has strips if the lanes encoded any
    heap_bytes stream_;    // otherwise
    std::size_t size_{};
    status error_{status::success};
};

// Keeps the memory that coding takes from one call to the next. One thread uses it at a time.
class many_coder final
{
public:
    // Decodes each stream, and sets its error.
    void decode(decoding* decodings, std::size_t count) noexcept;

    // Decodes consecutive pieces of a stream to their positions in the image.
    [[nodiscard]] status decode_pieces(const inspected_stream& source, const piece* pieces, std::size_t count,
                                       std::uint8_t* samples, const image_layout& layout) noexcept;

    // Encodes each image, and sets its error or size.
    void encode(encoding* encodings, std::size_t count) noexcept;

    // Encodes the strips from `first` to before `last`.
    [[nodiscard]] status encode_strips(strip_encoder& strips, std::size_t first, std::size_t last) noexcept;

private:
    scan::scan_lanes lanes_;
    heap_bytes encoded_;
};

// The fewest lines of the pieces that `find_pieces` should find for several workers: single restart intervals if these
// fill lanes, otherwise so many that each worker gets several pieces.
[[nodiscard]] std::uint32_t piece_height(const inspected_stream& source, std::size_t workers) noexcept;

// Whether a stream has so many restart intervals or planes that lanes decode them faster than one codec.
[[nodiscard]] bool fills_lanes(const inspected_stream& source) noexcept;

} // namespace dicom_jpegls
