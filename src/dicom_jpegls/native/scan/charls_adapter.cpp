// SPDX-License-Identifier: MIT
//
// Plugs the scan codecs into CharLS's codec factory. CharLS reads and writes everything around a scan, and checks the
// parameters. What depends on CharLS's version is in charls_private.hpp.
#include "charls_adapter.hpp"

#include "charls_private.hpp"

#include "../stream/stream_info.hpp"
#include "decoder.hpp"
#include "encoder.hpp"
#include "line_buffer.hpp"
#include "scan_codecs.hpp"
#include "shared_tables.hpp"

#include <atomic>
#include <vector>

namespace dicom_jpegls {
namespace {

std::atomic<bool> use_codecs{true};

// CharLS codes longer lines: a run must not have more codes than pending_codes and code_reader have room for.
constexpr std::uint32_t largest_width{65535};

scan::thresholds thresholds_of(const charls::jpegls_pc_parameters& presets) noexcept
{
    return {presets.threshold1, presets.threshold2, presets.threshold3};
}

charls_api::error_code charls_code(const scan::scan_fault fault) noexcept
{
    switch (fault)
    {
    case scan::scan_fault::invalid_encoded_data:
        return charls_api::invalid_data;
    case scan::scan_fault::too_much_encoded_data:
        return charls_api::too_much_data;
    case scan::scan_fault::restart_marker_not_found:
        return charls_api::error_code::restart_marker_not_found;
    case scan::scan_fault::source_too_small:
        return charls_api::source_ends;
    case scan::scan_fault::destination_too_small:
        break;
    }
    return charls_api::destination_too_small;
}

// Calls a function that may throw a scan_error; CharLS expects its own exception.
template<typename Function>
auto with_charls_errors(const Function& function)
{
    try
    {
        return function();
    }
    catch (const scan::scan_error& error)
    {
        throw charls::jpegls_error{charls_code(error.fault())};
    }
}

// Whether a scan has the default presets, for which the scan codecs are made.
bool has_default_presets(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                         const charls::jpegls_pc_parameters& presets) noexcept
{
    const preset_coding_parameters defaults{
        default_preset_coding_parameters(maximum_sample_value(frame.bits_per_sample), parameters.near_lossless)};
    return presets.maximum_sample_value == defaults.maximum_sample_value && presets.threshold1 == defaults.threshold1 &&
           presets.threshold2 == defaults.threshold2 && presets.threshold3 == defaults.threshold3 &&
           presets.reset_value == defaults.reset_value;
}

// What the codecs of both directions have in common.
template<typename Base, typename Mode, int ComponentCount>
class scan_codec : public Base
{
public:
    scan_codec(const charls::frame_info& frame, const charls::coding_parameters& parameters,
               const charls::jpegls_pc_parameters& presets, const Mode& mode) :
        Base{frame, parameters, presets}, bounds_{thresholds_of(presets)}, mode_{mode}
    {
    }

protected:
    using sample = typename Mode::sample;

    using line_buffer = scan::line_buffer<sample>;

    [[nodiscard]] std::ptrdiff_t sample_count() const noexcept
    {
        return static_cast<std::ptrdiff_t>(Base::frame_info_.width) * ComponentCount;
    }

    [[nodiscard]] std::ptrdiff_t plane_count() const noexcept
    {
        return Base::parameters_.interleave_mode == charls::interleave_mode::line ? Base::frame_info_.component_count
                                                                                  : 1;
    }

    // Codes a line of each plane by `code_line`, which gets the plane's number.
    template<typename Codec, typename CodeLine>
    void for_each_plane(Codec& codec, line_buffer& lines, std::vector<std::uint32_t>& run_indices,
                        const CodeLine& code_line)
    {
        for (std::ptrdiff_t plane{}; plane != plane_count(); ++plane)
        {
            std::uint32_t& index{run_indices[static_cast<std::size_t>(plane)]};
            scan::set_edges<ComponentCount>(lines.above(plane), lines.current(plane), sample_count());
            codec.run_index() = index;
            code_line(plane);
            index = codec.run_index();
        }
    }

    scan::thresholds bounds_;
    Mode mode_;
};

template<typename Encoder, typename Mode, int ComponentCount>
class encoder final : public scan_codec<encoder_base<typename Mode::sample>, Mode, ComponentCount>
{
public:
    using base = scan_codec<encoder_base<typename Mode::sample>, Mode, ComponentCount>;
    using base::base;

private:
    using source_type = line_source<typename Mode::sample>;

    std::size_t encode_lines(source_type& source, std::uint8_t* const destination, const std::size_t size) override
    {
        return with_charls_errors([&] { return encode(source, destination, size); });
    }

    std::size_t encode(source_type& source, std::uint8_t* const destination, const std::size_t size)
    {
        const std::ptrdiff_t count{this->sample_count()};
        typename base::line_buffer lines(count, this->plane_count(), Encoder::margin);
        std::vector<std::uint32_t> run_indices(static_cast<std::size_t>(this->plane_count()));
        const auto codec{make_codec(destination, size)};
        for (std::uint32_t line{}; line != this->frame_info_.height; ++line)
        {
            source.read(lines.current(0), lines.plane_stride());
            this->for_each_plane(*codec, lines, run_indices, [&](const std::ptrdiff_t plane) {
                codec->encode_line(lines.above(plane), lines.current(plane), count);
            });
            lines.next_line();
        }
        return codec->finish();
    }

    std::unique_ptr<Encoder> make_codec(std::uint8_t* const destination, const std::size_t size)
    {
        if constexpr (Mode::is_lossless)
            return std::make_unique<Encoder>(this->mode_, this->bounds_, destination, size);
        else
        {
            static scan::shared_tables<scan::near_lossless_tables> tables;
            tables_ = tables.find(
                {this->mode_.maximum, this->mode_.near_value}, 0, [](std::uint64_t) { return true; },
                [this] { return scan::near_lossless_tables{this->mode_, this->bounds_}; });
            return std::make_unique<Encoder>(this->mode_, this->bounds_, *tables_, destination, size);
        }
    }

    std::shared_ptr<const scan::near_lossless_tables> tables_; // of near-lossless coding
};

template<typename Mode, int ComponentCount>
class decoder final : public scan_codec<decoder_base<typename Mode::sample>, Mode, ComponentCount>
{
public:
    using base = scan_codec<decoder_base<typename Mode::sample>, Mode, ComponentCount>;
    using base::base;

private:
    using target_type = line_target<typename Mode::sample>;

    std::size_t decode_lines(target_type& destination, const std::uint8_t* const begin,
                             const std::uint8_t* const end) override
    {
        return with_charls_errors([&] {
            if constexpr (Mode::is_lossless)
                return decode(destination, begin, end, scan::lossless_gradients<Mode>(this->bounds_));
            else
            {
                const auto table{find_gradients()};
                if (table)
                    return decode(destination, begin, end, *table);
                const auto& mode{this->mode_};
                return decode(destination, begin, end,
                              scan::computed_gradients{mode.maximum, mode.near_value, this->bounds_,
                                                       sizeof(scan::decoder_context)});
            }
        });
    }

    // The table for a near-lossless scan, or nullptr if it has too few samples to be worth it.
    std::shared_ptr<const scan::gradient_table> find_gradients()
    {
        static scan::shared_tables<scan::gradient_table> tables;
        const auto& mode{this->mode_};
        const auto sample_count{static_cast<std::uint64_t>(this->sample_count()) *
                                static_cast<std::uint64_t>(this->plane_count()) * this->frame_info_.height};
        return tables.find(
            {mode.maximum, mode.near_value}, sample_count,
            [&mode](const std::uint64_t waiting) { return scan::gradient_table::pays(mode.maximum, waiting); },
            [&mode, this] {
                return scan::gradient_table{mode.maximum, mode.near_value, this->bounds_,
                                            sizeof(scan::decoder_context)};
            });
    }

    template<typename Gradients>
    std::size_t decode(target_type& destination, const std::uint8_t* const begin, const std::uint8_t* const end,
                       const Gradients& gradients)
    {
        using codec_type = scan::scan_decoder<Mode, ComponentCount, Gradients>;
        const std::ptrdiff_t count{this->sample_count()};
        typename base::line_buffer lines(count, this->plane_count(), codec_type::margin);
        std::vector<std::uint32_t> run_indices(static_cast<std::size_t>(this->plane_count()));
        static_assert(sizeof(codec_type) <= 1 << 14, "it is on the stack, for the sake of small images");
        codec_type codec{this->mode_, this->bounds_, gradients, begin, end};

        const std::uint32_t height{this->frame_info_.height};
        const std::uint32_t interval{this->parameters_.restart_interval == 0 ? height
                                                                             : this->parameters_.restart_interval};
        std::uint32_t line_in_interval{};
        std::uint32_t marker_number{};
        for (std::uint32_t line{}; line != height; ++line)
        {
            if (line_in_interval == interval)
            {
                codec.restart(marker_number);
                lines.clear();
                std::fill(run_indices.begin(), run_indices.end(), 0);
                marker_number = (marker_number + 1) % 8;
                line_in_interval = 0;
            }
            this->for_each_plane(codec, lines, run_indices, [&](const std::ptrdiff_t plane) {
                codec.decode_line(lines.above(plane), lines.current(plane), count);
            });
            ++line_in_interval;
            destination.write(line, lines.current(0), lines.plane_stride());
            lines.next_line();
        }
        return static_cast<std::size_t>(codec.finish() - begin);
    }
};

template<typename Strategy>
constexpr bool encodes{std::is_same_v<Strategy, charls_encoder>};

template<typename Strategy, int BitsPerSample, int ComponentCount>
std::unique_ptr<Strategy> make_lossless(const charls::frame_info& frame, const charls::coding_parameters& parameters,
                                        const charls::jpegls_pc_parameters& presets)
{
    using mode = scan::lossless<BitsPerSample>;
    if constexpr (encodes<Strategy>)
        return std::make_unique<encoder<scan::lossless_encoder<BitsPerSample, ComponentCount>, mode, ComponentCount>>(
            frame, parameters, presets, mode{});
    else
        return std::make_unique<decoder<mode, ComponentCount>>(frame, parameters, presets, mode{});
}

template<typename Strategy, typename Sample>
std::unique_ptr<Strategy> make_near_lossless(const charls::frame_info& frame,
                                             const charls::coding_parameters& parameters,
                                             const charls::jpegls_pc_parameters& presets)
{
    using mode = scan::near_lossless<Sample>;
    const mode near_mode{frame.bits_per_sample, parameters.near_lossless};
    if constexpr (encodes<Strategy>)
        return std::make_unique<encoder<scan::near_lossless_encoder<Sample>, mode, 1>>(frame, parameters, presets,
                                                                                       near_mode);
    else
        return std::make_unique<decoder<mode, 1>>(frame, parameters, presets, near_mode);
}

} // namespace

template<typename Strategy>
std::unique_ptr<Strategy> create_scan_codec(const charls::frame_info& frame,
                                            const charls::coding_parameters& parameters,
                                            const charls::jpegls_pc_parameters& presets)
{
    // Planes are not transformed, whatever a segment says.
    const bool is_transformed{parameters.transformation != charls::color_transformation::none &&
                              parameters.interleave_mode != charls::interleave_mode::none};
    if (!use_codecs.load(std::memory_order_relaxed) ||
        parameters.near_lossless > maximum_near_lossless(frame.bits_per_sample) ||
        !has_default_presets(frame, parameters, presets) || is_transformed || frame.width > largest_width)
        return nullptr;

    if (parameters.interleave_mode == charls::interleave_mode::sample)
    {
        if (parameters.near_lossless != 0)
            return nullptr;
        if (frame.component_count == 3 && frame.bits_per_sample == 8)
            return make_lossless<Strategy, 8, 3>(frame, parameters, presets);
        if (frame.component_count == 3 && frame.bits_per_sample == 16)
            return make_lossless<Strategy, 16, 3>(frame, parameters, presets);
        if (frame.component_count == 4 && frame.bits_per_sample == 8)
            return make_lossless<Strategy, 8, 4>(frame, parameters, presets);
        return nullptr;
    }

    if (parameters.interleave_mode == charls::interleave_mode::line && !can_interleave(frame.component_count))
        return nullptr;

    if (parameters.near_lossless != 0)
    {
        return frame.bits_per_sample <= 8 ? make_near_lossless<Strategy, std::uint8_t>(frame, parameters, presets)
                                          : make_near_lossless<Strategy, std::uint16_t>(frame, parameters, presets);
    }
    switch (frame.bits_per_sample)
    {
    case 8:
        return make_lossless<Strategy, 8, 1>(frame, parameters, presets);
    case 9:
        return make_lossless<Strategy, 9, 1>(frame, parameters, presets);
    case 10:
        return make_lossless<Strategy, 10, 1>(frame, parameters, presets);
    case 11:
        return make_lossless<Strategy, 11, 1>(frame, parameters, presets);
    case 12:
        return make_lossless<Strategy, 12, 1>(frame, parameters, presets);
    case 13:
        return make_lossless<Strategy, 13, 1>(frame, parameters, presets);
    case 14:
        return make_lossless<Strategy, 14, 1>(frame, parameters, presets);
    case 15:
        return make_lossless<Strategy, 15, 1>(frame, parameters, presets);
    case 16:
        return make_lossless<Strategy, 16, 1>(frame, parameters, presets);
    default:
        return nullptr;
    }
}

bool use_scan_codecs(const bool use) noexcept
{
    return use_codecs.exchange(use);
}

template std::unique_ptr<charls_decoder> create_scan_codec(const charls::frame_info&, const charls::coding_parameters&,
                                                           const charls::jpegls_pc_parameters&);
template std::unique_ptr<charls_encoder> create_scan_codec(const charls::frame_info&, const charls::coding_parameters&,
                                                           const charls::jpegls_pc_parameters&);

} // namespace dicom_jpegls
