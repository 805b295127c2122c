// SPDX-License-Identifier: MIT
//
// Decodes the lines of a scan (T.87 A.8, B; F.1 for the order of the steps).
#pragma once

#include "block_analysis.hpp"
#include "regular_mode.hpp"
#include "run_mode.hpp"

namespace dicom_jpegls::scan {

template<typename Mode, int ComponentCount>
class scan_decoder final
{
public:
    using sample = typename Mode::sample;

    // Samples that a line needs room for on its left and on its right.
    static constexpr std::ptrdiff_t margin{96};

    // `gradients` must outlive the decoder.
    scan_decoder(const Mode& mode, const thresholds& bounds, const gradient_table& gradients,
                 const std::uint8_t* const source, const std::uint8_t* const end) :
        runs_{mode.range}, mode_{mode}, bounds_{bounds}, gradients_{gradients.data()}, reader_{source, end}
    {
        reset();
    }

    // Decodes a line of `count` samples below `above`, with edges set.
    void decode_line(const sample* const above, sample* const line, const std::ptrdiff_t count)
    {
        bool behind_run{};
        for (std::ptrdiff_t i{}; i < count;)
        {
            reader_.prepare();
            // Where a run begins there is nothing to analyze, and behind it not much may be worth it.
            if (is_flat(above + i, line + i))
            {
                i += decode_run(above + i, line + i, count - i);
                behind_run = true;
            }
            else
            {
                const std::ptrdiff_t block_count{
                    block_.template analyze<ComponentCount>(above + i, behind_run, mode_, bounds_)};
                const std::ptrdiff_t done{
                    decode_block(above + i, line + i, std::min(block_count, count - i), count - i)};
                behind_run = done > block_count;
                i += done;
            }
        }
        reader_.check_position();
    }

    // The index of the run mode: with line interleave each component has its own.
    std::uint32_t& run_index() noexcept
    {
        return runs_.index;
    }

    // Goes on behind the restart marker of this number, 0 to 7, with a new state (T.87 C.2.5).
    void restart(const std::uint32_t number)
    {
        reader_.finish();
        reader_.read_restart_marker(number);
        reset();
    }

    // Ends the scan and returns where the bytes that belong to no code begin.
    const std::uint8_t* finish()
    {
        return reader_.finish();
    }

private:
    using block = above_block<Mode>;
    static_assert(margin >= block::size + ComponentCount);

    // The loops read codes up to this length without looking for an escape code, which is longer, or for more bits.
    static constexpr std::uint32_t escape_length(const Mode& mode) noexcept
    {
        return static_cast<std::uint32_t>(mode.limit - mode.quantized_bits - 1);
    }

    void reset() noexcept
    {
        contexts_.fill(decoder_context{mode_.range});
        runs_ = run_state{mode_.range};
    }

    // Whether all gradients of the pixel are 0 (T.87 A.3.2).
    bool is_flat(const sample* const above, const sample* const line) const noexcept
    {
        for (std::ptrdiff_t i{}; i != ComponentCount; ++i)
        {
            const std::int32_t rb{above[i]};
            const std::int32_t rc{above[i - ComponentCount]};
            if (!mode_.is_near(rc, line[i - ComponentCount]) || !mode_.is_near(rb, rc) ||
                !mode_.is_near(above[i + ComponentCount], rb))
                return false;
        }
        return true;
    }

    // Decodes a block; a run at its end may reach further, up to `limit`. Returns the number of samples.
    DICOM_JPEGLS_NOINLINE std::ptrdiff_t decode_block(const sample* const above, sample* const line,
                                                      const std::ptrdiff_t count, const std::ptrdiff_t limit)
    {
        const Mode mode{mode_};
        const gradient_table::entry* const gradients{gradients_};
        std::ptrdiff_t i{};
        while (i < count)
        {
            std::size_t bit{reader_.position};
            if constexpr (ComponentCount == 1)
            {
                std::int32_t ra{line[i - 1]};
                for (; i < count; ++i)
                {
                    const gradient_table::entry gradient{
                        gradients[block_.gradient[i] + static_cast<std::uint32_t>(ra)]};
                    const std::uint32_t id{
                        static_cast<std::uint32_t>(static_cast<std::int32_t>(block_.context[i]) + gradient.context)};
                    if (DICOM_JPEGLS_UNLIKELY(id == 0))
                        break;
                    ra = decode_regular(i, ra, id, gradient.sign, bit, mode);
                    line[i] = static_cast<sample>(ra);
                }
            }
            else
            {
                std::int32_t ra[ComponentCount];
                for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    ra[component] = line[i - ComponentCount + component];
                for (; i < count; i += ComponentCount)
                {
                    std::uint32_t ids[ComponentCount];
                    std::int32_t signs[ComponentCount];
                    std::uint32_t any{};
                    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    {
                        const gradient_table::entry gradient{
                            gradients[block_.gradient[i + component] + static_cast<std::uint32_t>(ra[component])]};
                        ids[component] = static_cast<std::uint32_t>(
                            static_cast<std::int32_t>(block_.context[i + component]) + gradient.context);
                        signs[component] = gradient.sign;
                        any |= ids[component];
                    }
                    if (DICOM_JPEGLS_UNLIKELY(any == 0))
                        break;
                    DICOM_JPEGLS_UNROLL
                    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    {
                        ra[component] =
                            decode_regular(i + component, ra[component], ids[component], signs[component], bit, mode);
                        line[i + component] = static_cast<sample>(ra[component]);
                    }
                }
            }
            reader_.position = bit;
            if (i < count)
                i += decode_run(above + i, line + i, limit - i);
        }
        return i;
    }

    // The regular mode (T.87 A.4 to A.6) for sample `i` of the block. Returns the sample.
    DICOM_JPEGLS_INLINE std::int32_t decode_regular(const std::ptrdiff_t i, const std::int32_t ra,
                                                    const std::uint32_t id, const std::int32_t sign, std::size_t& bit,
                                                    const Mode& mode)
    {
        const std::uint8_t* const bytes{reader_.bytes()};
        decoder_context& context{contexts_[id]};

        // Prediction and its correction (code segments A.5 and A.6).
        std::int32_t predicted{predict_by_slope(ra, block_.rb[i], block_.slope[i]) + ((context.c ^ sign) - sign)};
        if (DICOM_JPEGLS_UNLIKELY(static_cast<std::uint32_t>(predicted) > static_cast<std::uint32_t>(mode.maximum)))
            predicted = predicted < 0 ? 0 : mode.maximum;

        // The code: zero bits, a 1, k bits (T.87 A.5.3).
        const std::uint32_t k{context.k};
        const std::uint64_t bits{code_reader::load(bytes, bit)};
        const std::uint32_t first_one{highest_bit(bits | 1U)};
        const std::uint32_t rest{first_one - k};
        const std::uint32_t length{64 - rest};
        std::uint32_t mapped;
        if (DICOM_JPEGLS_LIKELY(length <= escape_length(mode)))
        {
            mapped = static_cast<std::uint32_t>(bits >> (rest & 63U)) + ((62U - first_one) << k);
            bit += length;
        }
        else
        {
            const golomb_code code{read_long_code(bytes, bit, k, mode)};
            mapped = code.mapped_error;
            bit = code.position;
        }

        // Code segment A.11, the other way round.
        std::int32_t error{static_cast<std::int32_t>(mapped >> 1U) ^ -static_cast<std::int32_t>(mapped & 1U)};
        if constexpr (Mode::is_lossless)
            error ^= context.inversion();
        const auto magnitude{static_cast<std::uint32_t>(error < 0 ? -error : error)};
        check_error(error, magnitude, mode);
        const std::int32_t result{mode.reconstruct(predicted, (error ^ sign) - sign)};
        context.update(magnitude, error * mode.error_step, magnitude * static_cast<std::uint32_t>(mode.error_step));
        return result;
    }

    static DICOM_JPEGLS_NOINLINE golomb_code read_long_code(const std::uint8_t* const bytes, const std::size_t bit,
                                                            const std::uint32_t k, const Mode& mode)
    {
        return code_reader::read_golomb(bytes, bit, k, mode.limit, mode.quantized_bits);
    }

    // No encoder gives errors that are not reduced modulo RANGE (T.87 A.4.5). Those of lossless coding are looked at
    // only where the update of the context has to look at them anyway.
    static DICOM_JPEGLS_INLINE void check_error(const std::int32_t error, const std::uint32_t magnitude,
                                                const Mode& mode)
    {
        if constexpr (Mode::is_lossless)
            static_assert(Mode::range / 2 > largest_bias_in_row);
        if (!Mode::is_lossless || DICOM_JPEGLS_UNLIKELY(magnitude > static_cast<std::uint32_t>(largest_bias_in_row)))
        {
            if (DICOM_JPEGLS_UNLIKELY(static_cast<std::uint32_t>(error + mode.range / 2) >=
                                      static_cast<std::uint32_t>(mode.range)))
                fail(charls::jpegls_errc::invalid_encoded_data);
        }
    }

    // Decodes a run and the pixel that interrupts it, if the line does not end first. Returns the number of samples.
    DICOM_JPEGLS_NOINLINE std::ptrdiff_t decode_run(const sample* const above, sample* const line,
                                                    const std::ptrdiff_t limit)
    {
        const std::uint8_t* const bytes{reader_.bytes()};
        const run_length run{decode_run_length(runs_, bytes, reader_.position, limit / ComponentCount)};
        const std::ptrdiff_t samples{run.pixels * ComponentCount};
        repeat_pixel<ComponentCount>(line, samples);
        if (samples == limit)
        {
            reader_.position = run.position;
            return samples;
        }
        std::size_t bit{run.position};
        for (std::ptrdiff_t i{samples}; i != samples + ComponentCount; ++i)
        {
            const decoded_sample sample_behind{
                decode_interruption<ComponentCount>(runs_, bytes, bit, line[i - ComponentCount], above[i], mode_)};
            line[i] = static_cast<sample>(sample_behind.value);
            bit = sample_behind.position;
        }
        reader_.position = bit;
        runs_.decrement();
        return samples + ComponentCount;
    }

    std::array<decoder_context, context_count> contexts_;
    run_state runs_;
    const Mode mode_;
    const thresholds bounds_;
    const gradient_table::entry* const gradients_;
    block block_;
    code_reader reader_;
};

} // namespace dicom_jpegls::scan
