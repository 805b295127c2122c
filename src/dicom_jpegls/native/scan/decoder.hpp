// SPDX-License-Identifier: MIT
//
// Decodes the lines of a scan (T.87 A.8, B; F.1 for the order of the steps).
#pragma once

#include "block_analysis.hpp"
#include "decode_run.hpp"
#include "regular_mode.hpp"

#include <utility>

namespace dicom_jpegls::scan {

// The table of lossless coding with default thresholds, made when it is first used.
template<typename Mode>
[[nodiscard]] const gradient_table& lossless_gradients(const thresholds& bounds)
{
    static const gradient_table table{Mode::maximum, 0, bounds, sizeof(decoder_context)};
    return table;
}

// `Gradients`: gradient_table, or computed_gradients for a scan of few samples.
template<typename Mode, int ComponentCount, typename Gradients = gradient_table>
class scan_decoder final
{
public:
    using sample = typename Mode::sample;

    // Samples that a line needs room for on its left and on its right.
    static constexpr std::ptrdiff_t margin{96};

    // `gradients` must outlive the decoder.
    scan_decoder(const Mode& mode, const thresholds& bounds, const Gradients& gradients,
                 const std::uint8_t* const source, const std::uint8_t* const end) :
        runs_{mode.range}, mode_{mode}, bounds_{bounds}, gradients_{gradients.data()}, reader_{source, end}
    {
        reset();
    }

    // Decodes a line of `count` samples below `above`, with edges set.
    void decode_line(const sample* const above, sample* const line, const std::ptrdiff_t count)
    {
        bool after_run{};
        for (std::ptrdiff_t i{}; i < count;)
        {
            reader_.prepare();
            // At the start of a run there is nothing to analyze, and after it a small block may be enough.
            if (is_flat(above + i, line + i))
            {
                i += decode_run(above + i, line + i, count - i);
                after_run = true;
            }
            else
            {
                const std::ptrdiff_t block_count{
                    block_.template analyze<ComponentCount>(above + i, after_run, mode_, bounds_)};
                const std::ptrdiff_t done{
                    decode_block(above + i, line + i, std::min(block_count, count - i), count - i)};
                after_run = done > block_count;
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

    // Continues after the restart marker of this number, 0 to 7, with a new state (T.87 C.2.5).
    void restart(const std::uint32_t number)
    {
        static_cast<void>(reader_.finish());
        reader_.read_restart_marker(number);
        reset();
    }

    // Ends the scan and returns where the bytes after its last code begin.
    [[nodiscard]] const std::uint8_t* finish()
    {
        return reader_.finish();
    }

private:
    using block = above_block<Mode, sizeof(decoder_context)>;
    using gradient_lookup = std::decay_t<decltype(std::declval<const Gradients&>().data())>;
    static_assert(margin >= block::size + ComponentCount);

    // A word with the next bits, after others that have to be skipped. After a short code it is the word that was
    // loaded when it was known where that code begins, but not yet where it ends, so that no load waits for a code. The
    // last bit is set, so that there is one to find.
    struct bit_window
    {
        std::uint64_t word;
        std::uint32_t skip;
        std::uint32_t position; // of the next code in the reader's buffer
    };

    // The loops read codes up to this length from the window. After 7 bits and one of them there is room for another,
    // followed by the bit that was set.
    static constexpr std::uint32_t window_length{28};
    static_assert(7 + 2 * window_length < 64);

    // The lowest position of the first 1 bit in the window at which the code is no longer than that, and no escape
    // code: k is at most qbpp, since A is at most N max(2, RANGE / 2), as at the start. No error is greater
    // (`check_error`).
    [[nodiscard]] static constexpr std::uint32_t lowest_first_one(const Mode& mode) noexcept
    {
        return 64 - std::min(window_length, static_cast<std::uint32_t>(mode.limit - 1)) +
               static_cast<std::uint32_t>(mode.quantized_bits_per_sample);
    }

    [[nodiscard]] static JLS_INLINE bit_window window_at(const std::uint8_t* const bytes,
                                                         const std::size_t position) noexcept
    {
        return {load_big_endian(bytes + (position >> 3U)) | 1U, static_cast<std::uint32_t>(position & 7U),
                static_cast<std::uint32_t>(position)};
    }

    void reset() noexcept
    {
        contexts_.fill(decoder_context{mode_.range});
        runs_ = run_state{mode_.range};
    }

    // Whether all gradients of the pixel are 0 (T.87 A.3.2).
    [[nodiscard]] bool is_flat(const sample* const above, const sample* const line) const noexcept
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

    // Decodes a block; a run at its end may be longer, up to `limit`. Returns the number of samples.
    JLS_NOINLINE std::ptrdiff_t decode_block(const sample* const above, sample* const line, const std::ptrdiff_t count,
                                             const std::ptrdiff_t limit)
    {
        const Mode mode{mode_};
        const gradient_lookup gradients{gradients_};
        std::uint8_t* const contexts{reinterpret_cast<std::uint8_t*>(contexts_.data())};
        const std::uint8_t* const flat_context{contexts + block::flat_offset};
        std::ptrdiff_t i{};
        while (i < count)
        {
            bit_window window{window_at(reader_.bytes(), reader_.position)};
            if constexpr (std::is_same_v<Gradients, computed_gradients>)
            {
                static_assert(ComponentCount == 1);
                std::uint32_t ra{line[i - 1]};
                for (; i < count; ++i)
                {
                    const computed_gradients::entry gradient{gradients[block_.gradient[i] + std::size_t{ra}]};
                    std::uint8_t* const context{contexts + block_.context[i] + gradient.offset};
                    if (JLS_UNLIKELY(context == flat_context))
                        break;
                    auto& statistics{*reinterpret_cast<decoder_context*>(context)};
                    ra = decode_regular(i, ra, statistics, statistics.k, gradient.sign, window, mode);
                    line[i] = static_cast<sample>(ra);
                }
            }
            else if constexpr (ComponentCount == 1)
            {
                std::uint32_t ra{line[i - 1]};
                for (; i < count; ++i)
                {
                    // Each sample waits for the previous one: from Ra two loads lead to k, and k to the next Ra. So the
                    // addresses are computed beforehand, and only a byte is added.
                    const std::uint8_t* gradient{gradients + block_.gradient[i]};
                    std::uint8_t* row{contexts + block_.context[i]};
                    const std::uint8_t* row_of_k{row};
                    JLS_COMPUTED(gradient);
                    JLS_COMPUTED(row);
                    JLS_COMPUTED(row_of_k);
                    static_assert(offsetof(decoder_context, k) == 0);
                    const std::uint32_t k{row_of_k[gradient[ra]]};
                    std::uint8_t* const context{row + gradient[ra]};
                    if (JLS_UNLIKELY(context == flat_context))
                        break;
                    const auto sign{static_cast<std::int8_t>(gradient[ra + gradient_table::sign_offset(mode.maximum)])};
                    ra = decode_regular(i, ra, *reinterpret_cast<decoder_context*>(context), k, sign, window, mode);
                    line[i] = static_cast<sample>(ra);
                }
            }
            else
            {
                std::uint32_t ra[ComponentCount];
                for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    ra[component] = line[i - ComponentCount + component];
                for (; i < count; i += ComponentCount)
                {
                    std::size_t offsets[ComponentCount];
                    std::int32_t signs[ComponentCount];
                    std::size_t any{};
                    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    {
                        const std::uint8_t* const gradient{gradients + block_.gradient[i + component] + ra[component]};
                        offsets[component] = block_.context[i + component] + std::size_t{*gradient};
                        signs[component] =
                            static_cast<std::int8_t>(gradient[gradient_table::sign_offset(mode.maximum)]);
                        any |= offsets[component] ^ block::flat_offset;
                    }
                    if (JLS_UNLIKELY(any == 0))
                        break;
                    JLS_UNROLL
                    for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
                    {
                        auto& context{*reinterpret_cast<decoder_context*>(contexts + offsets[component])};
                        ra[component] = decode_regular(i + component, ra[component], context, context.k,
                                                       signs[component], window, mode);
                        line[i + component] = static_cast<sample>(ra[component]);
                    }
                }
            }
            reader_.position = window.position;
            if (i < count)
                i += decode_run(above + i, line + i, limit - i);
        }
        return i;
    }

    // The regular mode (T.87 A.4 to A.6) for sample `i` of the block. Returns the sample.
    JLS_INLINE std::uint32_t decode_regular(const std::ptrdiff_t i, const std::uint32_t ra, decoder_context& context,
                                            const std::uint32_t k, const std::int32_t sign, bit_window& window,
                                            const Mode& mode)
    {
        assert(k == context.k && k <= largest_k);
        const std::uint8_t* const bytes{reader_.bytes()};

        // Prediction and its correction (code segments A.5 and A.6). Where the sign is negative, prediction and sample
        // are mirrored (-1 - x), so that correction and error are added in either case.
        const std::int32_t median{
            predict_by_slope(static_cast<std::int32_t>(ra), block_.rb[i], block_.lower[i], block_.upper[i])};
        std::int32_t predicted_value{(median ^ sign) + context.c};
        if (JLS_UNLIKELY(static_cast<std::uint32_t>(predicted_value ^ sign) > static_cast<std::uint32_t>(mode.maximum)))
            predicted_value = ((predicted_value ^ sign) < 0 ? 0 : mode.maximum) ^ sign;

        // The code: zero bits, a 1, k bits (T.87 A.5.3). The mapped error is the number of the zeros followed by these
        // k bits; its last bit is the sign.
        const std::uint64_t bits{window.word << (window.skip & 63U)};
        const std::uint32_t first_one{highest_bit(bits)};
        std::int32_t half;
        std::int32_t last_bit;
        if (JLS_LIKELY(first_one >= lowest_first_one(mode)))
        {
            const std::uint32_t zeros{63U ^ first_one};
            // The bits from the 1 on, with the number of the zeros instead of the 1.
            const std::uint64_t value{bits - ((std::uint64_t{first_one} - 62U) << first_one)};
            std::uint64_t half_value{value >> 1U};
            JLS_COMPUTED(half_value);
            half = static_cast<std::int32_t>(half_value >> ((first_one - k) & 63U));
            last_bit = static_cast<std::int32_t>(static_cast<std::int64_t>(value << ((zeros + k) & 63U)) >> 63U);
            window = window_at(bytes, window.position);
            window.skip += zeros + 1 + k;
            window.position += zeros + 1 + k;
        }
        else
        {
            const golomb_code code{read_long_code(bytes, window.position, k, mode)};
            half = static_cast<std::int32_t>(code.mapped_error >> 1U);
            last_bit = -static_cast<std::int32_t>(code.mapped_error & 1U);
            window = window_at(bytes, code.position);
        }

        // Code segment A.11, the other way round.
        if constexpr (Mode::is_lossless)
            half ^= context.inversion();
        const std::int32_t error_value{half ^ last_bit};
        const auto magnitude{static_cast<std::uint32_t>(error_value < 0 ? -error_value : error_value)};
        check_error(error_value, magnitude, mode);
        std::int32_t result;
        if constexpr (Mode::is_lossless)
            result = ((predicted_value + error_value) ^ sign) & mode.maximum;
        else
            result = mode.reconstruct(predicted_value ^ sign, (error_value ^ sign) - sign);
        context.update(magnitude, error_value * mode.error_step,
                       magnitude * static_cast<std::uint32_t>(mode.error_step));
        return static_cast<std::uint32_t>(result);
    }

    static JLS_NOINLINE golomb_code read_long_code(const std::uint8_t* const bytes, const std::size_t bit,
                                                   const std::uint32_t k, const Mode& mode)
    {
        return code_reader::read_golomb(bytes, bit, k, mode.limit, mode.quantized_bits_per_sample);
    }

    // Encoders reduce all errors modulo RANGE (T.87 A.4.5). Those of lossless coding are checked only where the update
    // of the context has to look at them anyway.
    static JLS_INLINE void check_error(const std::int32_t error_value, const std::uint32_t magnitude, const Mode& mode)
    {
        if constexpr (Mode::is_lossless)
            static_assert(Mode::range / 2 > largest_bias_in_row);
        if (!Mode::is_lossless || JLS_UNLIKELY(magnitude > static_cast<std::uint32_t>(largest_bias_in_row)))
        {
            if (JLS_UNLIKELY(static_cast<std::uint32_t>(error_value + mode.range / 2) >=
                             static_cast<std::uint32_t>(mode.range)))
                fail(scan_fault::invalid_encoded_data);
        }
    }

    // Decodes a run and the pixel that interrupts it, if the line does not end first. Returns the number of samples.
    JLS_NOINLINE std::ptrdiff_t decode_run(const sample* const above, sample* const line, const std::ptrdiff_t limit)
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
            const decoded_sample interruption{
                decode_interruption<ComponentCount>(runs_, bytes, bit, line[i - ComponentCount], above[i], mode_)};
            line[i] = static_cast<sample>(interruption.value);
            bit = interruption.position;
        }
        reader_.position = bit;
        runs_.decrement();
        return samples + ComponentCount;
    }

    std::array<decoder_context, gradient_table::largest_q3 + context_count> contexts_; // the first ones are unused
    run_state runs_;
    Mode mode_;
    thresholds bounds_;
    gradient_lookup gradients_;
    block block_;
    code_reader reader_;
};

} // namespace dicom_jpegls::scan
