// SPDX-License-Identifier: MIT
//
// CharLS's private headers in one form for 2.4 and 3: base classes for the scan codecs, which CharLS calls for a scan,
// and the lines of samples that it copies, or lets us copy, from and to the caller's buffers.
#pragma once

#include <charls/version.h>

// Before charls.h, which undefines macros that they need.
#if CHARLS_VERSION_MAJOR >= 3
#include "pch.hpp" // on which the others rely

#include "scan_decoder.hpp"
#include "scan_encoder.hpp"
#else
#include "color_transform.h"
#include "decoder_strategy.h"
#include "encoder_strategy.h"
#include "process_line.h"
#endif

#include "charls_api.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace dicom_jpegls {

#if CHARLS_VERSION_MAJOR >= 3

using charls_encoder = charls::scan_encoder;
using charls_decoder = charls::scan_decoder;

// Where the samples of a scan are in the caller's buffer: a line as one row, or with line interleave as several planes.
struct line_layout
{
    std::size_t stride; // in bytes
    std::size_t plane_count;
    std::size_t sample_count; // of a row or of a plane's part of it

    line_layout(const std::size_t stride_between_lines, const charls::frame_info& frame,
                const charls::interleave_mode mode) noexcept :
        stride{stride_between_lines},
        plane_count{mode == charls::interleave_mode::line ? static_cast<std::size_t>(frame.component_count) : 1},
        sample_count{mode == charls::interleave_mode::sample
                         ? static_cast<std::size_t>(frame.width) * static_cast<std::size_t>(frame.component_count)
                         : frame.width}
    {
    }
};

// Lines of samples to encode, from the first. Bits above those of a sample are ignored.
template<typename Sample>
class line_source final
{
public:
    line_source(const std::byte* const samples, const line_layout& layout, const std::int32_t bits_per_sample) noexcept
        :
        position_{samples}, layout_{layout}, mask_{static_cast<Sample>((1U << bits_per_sample) - 1)}
    {
    }

    void read(Sample* line, const std::ptrdiff_t plane_stride) noexcept
    {
        const auto* const samples = reinterpret_cast<const Sample*>(position_);
        const line_layout layout{
            layout_}; // members could change with each sample of one byte, for all a compiler knows
        const auto mask_sample{[mask{mask_}](const Sample sample) { return static_cast<Sample>(sample & mask); }};
        position_ += layout.stride;
        if (layout.plane_count == 1)
        {
            std::transform(samples, samples + layout.sample_count, line, mask_sample);
            return;
        }
        for (std::size_t plane{}; plane != layout.plane_count; ++plane, line += plane_stride)
            for (std::size_t i{}; i != layout.sample_count; ++i)
                line[i] = mask_sample(samples[i * layout.plane_count + plane]);
    }

private:
    const std::byte* position_;
    line_layout layout_;
    Sample mask_;
};

// Takes the decoded lines of a scan, from the first.
template<typename Sample>
class line_target final
{
public:
    line_target(std::byte* const samples, const line_layout& layout) noexcept : position_{samples}, layout_{layout}
    {
    }

    void write(const std::uint32_t /*number*/, const Sample* line, const std::ptrdiff_t plane_stride) noexcept
    {
        auto* const samples = reinterpret_cast<Sample*>(position_);
        const line_layout layout{layout_};
        position_ += layout.stride;
        if (layout.plane_count == 1)
        {
            std::copy_n(line, layout.sample_count, samples);
            return;
        }
        for (std::size_t plane{}; plane != layout.plane_count; ++plane, line += plane_stride)
            for (std::size_t i{}; i != layout.sample_count; ++i)
                samples[i * layout.plane_count + plane] = line[i];
    }

private:
    std::byte* position_;
    line_layout layout_;
};

template<typename Sample>
class encoder_base : public charls::scan_encoder
{
protected:
    encoder_base(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                 const charls::jpegls_pc_parameters& presets) noexcept :
        scan_encoder{frame, presets, parameters, nullptr} // we copy lines
    {
    }

private:
    std::size_t encode_scan(const std::byte* const source, const std::size_t stride,
                            const charls::span<std::byte> destination) override
    {
        line_source<Sample> lines{
            source, {stride, frame_info_, parameters_.interleave_mode}, frame_info_.bits_per_sample};
        return encode_lines(lines, reinterpret_cast<std::uint8_t*>(destination.data()), destination.size());
    }

    virtual std::size_t encode_lines(line_source<Sample>& source, std::uint8_t* destination, std::size_t size) = 0;
};

template<typename Sample>
class decoder_base : public charls::scan_decoder
{
protected:
    decoder_base(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                 const charls::jpegls_pc_parameters& presets) noexcept :
        scan_decoder{frame, presets, parameters}
    {
    }

private:
    std::size_t decode_scan(const charls::span<const std::byte> source, std::byte* const destination,
                            const std::size_t stride) override
    {
        line_target<Sample> lines{destination, {stride, frame_info_, parameters_.interleave_mode}};
        const auto* const begin = reinterpret_cast<const std::uint8_t*>(source.data());
        return decode_lines(lines, begin, begin + source.size());
    }

    virtual std::size_t decode_lines(line_target<Sample>& destination, const std::uint8_t* begin,
                                     const std::uint8_t* end) = 0;
};

#else

using charls_encoder = charls::encoder_strategy;
using charls_decoder = charls::decoder_strategy;

// Lines of samples to encode, from the first. Bits above those of a sample are ignored.
template<typename Sample>
class line_source final
{
public:
    line_source(charls::process_line& lines, const std::uint32_t width) noexcept : lines_{lines}, width_{width}
    {
    }

    void read(Sample* const line, const std::ptrdiff_t plane_stride)
    {
        lines_.new_line_requested(line, width_, static_cast<std::size_t>(plane_stride));
    }

private:
    charls::process_line& lines_;
    std::uint32_t width_;
};

// Takes the decoded lines of a scan, from the first.
template<typename Sample>
class line_target final
{
public:
    line_target(charls::process_line& lines, const JlsRect& region, const std::int32_t samples_per_pixel) noexcept :
        lines_{lines}, region_{region}, samples_per_pixel_{samples_per_pixel}
    {
    }

    void write(const std::uint32_t number, const Sample* const line, const std::ptrdiff_t plane_stride)
    {
        if (number >= static_cast<std::uint32_t>(region_.Y) &&
            number < static_cast<std::uint32_t>(region_.Y + region_.Height))
            lines_.new_line_decoded(line + std::ptrdiff_t{region_.X} * samples_per_pixel_,
                                    static_cast<std::size_t>(region_.Width), static_cast<std::size_t>(plane_stride));
    }

private:
    charls::process_line& lines_;
    const JlsRect& region_;
    std::int32_t samples_per_pixel_;
};

template<typename Strategy, typename Sample>
class codec_base : public Strategy
{
protected:
    codec_base(const charls::frame_info& frame, const charls::coding_parameters& parameters) noexcept :
        Strategy{single_component(frame, parameters), parameters}
    {
    }

private:
    std::unique_ptr<charls::process_line> create_process_line(const charls::byte_span pixels,
                                                              const std::size_t stride) override
    {
        if (Strategy::parameters_.interleave_mode != charls::interleave_mode::none)
        {
            return std::make_unique<charls::process_transformed<charls::transform_none<Sample>>>(
                pixels, stride, Strategy::frame_info_, Strategy::parameters_, charls::transform_none<Sample>());
        }
        const std::int32_t bits{Strategy::frame_info_.bits_per_sample};
        if (bits == 8 * static_cast<std::int32_t>(sizeof(Sample)))
            return std::make_unique<charls::post_process_single_component>(pixels.data, stride, sizeof(Sample));
        return std::make_unique<charls::post_process_single_component_masked>(pixels.data, stride, sizeof(Sample),
                                                                              static_cast<std::uint32_t>(bits));
    }

    void set_presets(const charls::jpegls_pc_parameters& /*presets*/, std::uint32_t /*restart_interval*/) override
    {
    }

    // CharLS's line handling must know of a scan of one component only.
    static charls::frame_info single_component(charls::frame_info frame,
                                               const charls::coding_parameters& parameters) noexcept
    {
        if (parameters.interleave_mode == charls::interleave_mode::none)
            frame.component_count = 1;
        return frame;
    }
};

template<typename Sample>
class encoder_base : public codec_base<charls::encoder_strategy, Sample>
{
protected:
    encoder_base(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                 const charls::jpegls_pc_parameters& /*presets*/) noexcept :
        codec_base<charls::encoder_strategy, Sample>{frame, parameters}
    {
    }

private:
    std::size_t encode_scan(const std::unique_ptr<charls::process_line> source,
                            const charls::byte_span destination) override
    {
        line_source<Sample> lines{*source, this->frame_info_.width};
        return encode_lines(lines, destination.data, destination.size);
    }

    virtual std::size_t encode_lines(line_source<Sample>& source, std::uint8_t* destination, std::size_t size) = 0;
};

template<typename Sample>
class decoder_base : public codec_base<charls::decoder_strategy, Sample>
{
protected:
    decoder_base(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                 const charls::jpegls_pc_parameters& /*presets*/) noexcept :
        codec_base<charls::decoder_strategy, Sample>{frame, parameters}
    {
    }

private:
    std::size_t decode_scan(const std::unique_ptr<charls::process_line> destination, const JlsRect& region,
                            const charls::const_byte_span source) override
    {
        const bool by_pixel{this->parameters_.interleave_mode == charls::interleave_mode::sample};
        line_target<Sample> lines{*destination, region, by_pixel ? this->frame_info_.component_count : 1};
        return decode_lines(lines, source.begin(), source.end());
    }

    virtual std::size_t decode_lines(line_target<Sample>& destination, const std::uint8_t* begin,
                                     const std::uint8_t* end) = 0;
};

#endif

} // namespace dicom_jpegls
