// SPDX-License-Identifier: MIT
//
// Codes the lines of a scan (T.87 A.8, B): lossless, where all samples are known in advance, and near-lossless, where
// the neighbours are the samples that a decoder will have.
#pragma once

#include "block_analysis.hpp"
#include "code_writer.hpp"
#include "encode_run.hpp"
#include "regular_mode.hpp"

namespace dicom_jpegls::scan {

// What both encoders have: the state of a scan, and its codes on their way to the destination.
template<typename Mode>
class encoder_base
{
public:
    using sample = typename Mode::sample;

    // Samples that a line needs room for on its left and on its right.
    static constexpr std::ptrdiff_t margin{192};

    encoder_base(const Mode& mode, const thresholds& bounds, std::uint8_t* const destination, const std::size_t size) :
        runs_{mode.range}, mode_{mode}, bounds_{bounds}, writer_{destination, size}
    {
        contexts_.fill({initial_a(mode.range), 0, 0, 1});
    }

    // Ends the scan and returns its size in bytes.
    [[nodiscard]] std::size_t finish()
    {
        flush();
        return writer_.finish();
    }

    // The index of the run mode: with line interleave each component has its own.
    std::uint32_t& run_index() noexcept
    {
        return runs_.index;
    }

protected:
    void flush_if_full()
    {
        if (codes_.count >= pending_codes::flush_count)
            flush();
    }

    void flush()
    {
        codes_.make_codes(mode_);
        writer_.write(codes_, mode_);
        codes_.clear();
    }

    std::array<encoder_context, context_count> contexts_;
    run_state runs_;
    Mode mode_;
    thresholds bounds_;
    logarithm_table logarithms_;
    pending_codes codes_;
    code_writer writer_;
};

template<int BitsPerSample, int ComponentCount>
class lossless_encoder final : public encoder_base<lossless<BitsPerSample>>
{
public:
    using base = encoder_base<lossless<BitsPerSample>>;
    using base::base;
    using typename base::sample;

    // `above` and `line` point at the first sample of lines of `count`.
    void encode_line(const sample* const above, sample* const line, const std::ptrdiff_t count)
    {
        std::ptrdiff_t block_size{largest_block};
        for (std::ptrdiff_t i{}; i < count;)
        {
            // At the start of a run there is nothing to analyze, and after it a small block may be enough.
            if (is_flat(above + i, line + i))
            {
                i += encode_run(above + i, line + i, count - i);
                block_size = smallest_block;
            }
            else
            {
                const std::ptrdiff_t block_count{std::min(block_size, count - i)};
                block_.template analyze<ComponentCount>(above + i, line + i, block_count, bounds_);
                const std::ptrdiff_t done{encode_block(above + i, line + i, block_count, count - i)};
                block_size = done > block_count ? smallest_block : std::min(2 * block_size, largest_block);
                i += done;
            }
            flush_if_full();
        }
    }

private:
    using base::bounds_;
    using base::codes_;
    using base::contexts_;
    using base::flush_if_full;
    using base::logarithms_;
    using base::mode_;
    using base::runs_;

    using mode_type = lossless<BitsPerSample>;
    using block = sample_block<BitsPerSample>;
    static constexpr std::ptrdiff_t largest_block{block::size / ComponentCount * ComponentCount};
    static constexpr std::ptrdiff_t smallest_block{32 / ComponentCount * ComponentCount};
    static_assert(base::margin >= block::size + block::lanes + ComponentCount);

    // Whether all gradients of the pixel are 0 (T.87 A.3.2).
    [[nodiscard]] static bool is_flat(const sample* const above, const sample* const line) noexcept
    {
        for (std::ptrdiff_t i{}; i != ComponentCount; ++i)
        {
            const sample ra{line[i - ComponentCount]};
            if (above[i - ComponentCount] != ra || above[i] != ra || above[i + ComponentCount] != ra)
                return false;
        }
        return true;
    }

    // Codes a block; a run at its end may be longer, up to `limit`. Returns the number of samples.
    JLS_NOINLINE std::ptrdiff_t encode_block(const sample* const above, const sample* const line,
                                             const std::ptrdiff_t count, const std::ptrdiff_t limit)
    {
        std::ptrdiff_t i{};
        while (i < count)
        {
            std::size_t slot{codes_.count};
            if constexpr (ComponentCount == 1)
            {
                for (; i < count && block_.context[i] != 0; ++i, ++slot)
                    encode_regular(i, slot);
            }
            else
            {
                for (; i < count && is_regular(i); i += ComponentCount)
                {
                    for (std::ptrdiff_t component{}; component != ComponentCount; ++component, ++slot)
                        encode_regular(i + component, slot);
                }
            }
            codes_.count = slot;
            if (i < count)
                i += encode_run(above + i, line + i, limit - i);
        }
        return i;
    }

    [[nodiscard]] bool is_regular(const std::ptrdiff_t i) const noexcept
    {
        std::uint32_t any{};
        for (std::ptrdiff_t component{}; component != ComponentCount; ++component)
            any |= block_.context[i + component];
        return any != 0;
    }

    // The regular mode (T.87 A.4 to A.6) up to the error; the code follows in pending_codes.
    JLS_INLINE void encode_regular(const std::ptrdiff_t i, const std::size_t slot) noexcept
    {
        encoder_context& context{contexts_[block_.context[i]]};
        const std::int32_t a{context.a};
        const std::int32_t b{context.b};
        const std::int32_t c{context.c};
        const std::int32_t n{context.n};
        codes_.a[slot] = a;
        codes_.n_offset[slot] = logarithms_[static_cast<std::size_t>(n)];
        codes_.balance[slot] = static_cast<std::int16_t>(2 * b + n - 1);

        // Correction of the prediction (code segment A.6).
        std::int32_t predicted_value{block_.predicted_value[i] + c};
        if (JLS_UNLIKELY(static_cast<std::uint32_t>(predicted_value) > static_cast<std::uint32_t>(mode_type::maximum)))
            predicted_value = predicted_value < 0 ? 0 : mode_type::maximum;

        const std::int32_t error_value{mode_type::quantize(block_.value[i] - predicted_value)};
        codes_.error_value[slot] = static_cast<std::int16_t>(error_value);
        context.template update<(BitsPerSample > 8)>(a, b, c, n, error_value < 0 ? -error_value : error_value,
                                                     error_value);
    }

    // Codes a run and the pixel that interrupts it, if the line does not end first. Returns the number of samples.
    JLS_NOINLINE std::ptrdiff_t encode_run(const sample* const above, const sample* const line,
                                           const std::ptrdiff_t limit) noexcept
    {
        const std::ptrdiff_t length{find_run_length<ComponentCount>(line, limit / ComponentCount)};
        const std::ptrdiff_t samples{length * ComponentCount};
        encode_run_length(runs_, codes_, length, samples == limit);
        if (samples == limit)
            return samples;
        for (std::ptrdiff_t i{samples}; i != samples + ComponentCount; ++i)
            encode_interruption<ComponentCount>(runs_, codes_, line[i], line[i - ComponentCount], above[i], mode_);
        runs_.decrement();
        return samples + ComponentCount;
    }

    block block_;
};

// The tables of a near-lossless encoder.
class near_lossless_tables final
{
public:
    // A difference of sample and prediction when it is quantized: the error, and what a decoder adds instead of the
    // difference. Differences whose errors may need to be reduced modulo RANGE are not in the table.
    struct quantized_difference
    {
        std::int16_t error_value;
        std::int16_t change;
    };

    template<typename Mode>
    near_lossless_tables(const Mode& mode, const thresholds& bounds) :
        gradients_{mode.maximum, mode.near_value, bounds, sizeof(encoder_context)},
        limit_{std::min(largest_limit, (mode.range / 2 - 1) * mode.error_step + mode.near_value)}
    {
        for (std::int32_t difference{-limit_}; difference <= limit_; ++difference)
        {
            const std::int32_t error_value{mode.quantize(difference)};
            differences_[static_cast<std::size_t>(difference + limit_)] = {
                static_cast<std::int16_t>(error_value), static_cast<std::int16_t>(error_value * mode.error_step)};
        }
    }

    [[nodiscard]] const std::uint8_t* gradients() const noexcept
    {
        return gradients_.data();
    }

    // For -limit to limit.
    [[nodiscard]] const quantized_difference* differences() const noexcept
    {
        return differences_.data();
    }

    [[nodiscard]] std::int32_t limit() const noexcept
    {
        return limit_;
    }

private:
    static constexpr std::int32_t largest_limit{511};

    gradient_table gradients_;
    std::int32_t limit_;
    std::array<quantized_difference, 2 * largest_limit + 1> differences_;
};

template<typename Sample>
class near_lossless_encoder final : public encoder_base<near_lossless<Sample>>
{
public:
    using mode_type = near_lossless<Sample>;
    using base = encoder_base<mode_type>;
    using typename base::sample;

    // `tables` must outlive the encoder.
    near_lossless_encoder(const mode_type& mode, const thresholds& bounds, const near_lossless_tables& tables,
                          std::uint8_t* const destination, const std::size_t size) :
        base{mode, bounds, destination, size},
        gradients_{tables.gradients()},
        quantization_{tables.differences()},
        table_limit_{tables.limit()}
    {
    }

    // `above` and `line` point at the first sample of lines of `count`. The samples of `line` are replaced by those
    // that a decoder will have.
    void encode_line(const sample* const above, sample* const line, const std::ptrdiff_t count)
    {
        bool after_run{};
        for (std::ptrdiff_t i{}; i < count;)
        {
            if (is_flat(above + i, line + i))
            {
                i += encode_run(above + i, line + i, count - i);
                after_run = true;
            }
            else
            {
                const std::ptrdiff_t block_count{block_.template analyze<1>(above + i, after_run, mode_, bounds_)};
                const std::ptrdiff_t done{
                    encode_block(above + i, line + i, std::min(block_count, count - i), count - i)};
                after_run = done > block_count;
                i += done;
            }
            flush_if_full();
        }
    }

private:
    using base::bounds_;
    using base::codes_;
    using base::contexts_;
    using base::flush_if_full;
    using base::logarithms_;
    using base::mode_;
    using base::runs_;

    using block = above_block<mode_type, sizeof(encoder_context)>;

    [[nodiscard]] bool is_flat(const sample* const above, const sample* const line) const noexcept
    {
        return mode_.is_near(above[1], above[0]) && mode_.is_near(above[0], above[-1]) &&
               mode_.is_near(above[-1], line[-1]);
    }

    JLS_NOINLINE std::ptrdiff_t encode_block(const sample* const above, sample* const line, const std::ptrdiff_t count,
                                             const std::ptrdiff_t limit)
    {
        const mode_type parameters{mode_};
        const std::uint8_t* const gradients{gradients_};
        std::ptrdiff_t i{};
        while (i < count)
        {
            std::size_t slot{codes_.count};
            std::int32_t ra{line[i - 1]};
            for (; i < count; ++i, ++slot)
            {
                const std::uint8_t* const gradient{gradients + block_.gradient[i] + static_cast<std::uint32_t>(ra)};
                const auto sign{static_cast<std::int8_t>(gradient[gradient_table::sign_offset(parameters.maximum)])};
                const std::size_t id{block_.context[i] + std::size_t{*gradient} - block::flat_offset};
                if (JLS_UNLIKELY(id == 0))
                    break;
                ra = encode_regular(i, line[i], ra, contexts_[id / sizeof(encoder_context)], sign, slot, parameters);
                line[i] = static_cast<sample>(ra);
            }
            codes_.count = slot;
            if (i < count)
                i += encode_run(above + i, line + i, limit - i);
        }
        return i;
    }

    // The regular mode (T.87 A.4 to A.6) up to the error; the code follows in pending_codes. Returns the decoder's
    // sample.
    JLS_INLINE std::int32_t encode_regular(const std::ptrdiff_t i, const std::int32_t x, const std::int32_t ra,
                                           encoder_context& context, const std::int32_t sign, const std::size_t slot,
                                           const mode_type& parameters) noexcept
    {
        const std::int32_t a{context.a};
        const std::int32_t b{context.b};
        const std::int32_t c{context.c};
        const std::int32_t n{context.n};
        codes_.a[slot] = a;
        codes_.n_offset[slot] = logarithms_[static_cast<std::size_t>(n)];

        // Prediction and its correction (code segments A.5 and A.6).
        std::int32_t predicted_value{predict_by_slope(ra, block_.rb[i], block_.lower[i], block_.upper[i]) +
                                     ((c ^ sign) - sign)};
        if (JLS_UNLIKELY(static_cast<std::uint32_t>(predicted_value) > static_cast<std::uint32_t>(parameters.maximum)))
            predicted_value = predicted_value < 0 ? 0 : parameters.maximum;

        // The error, and the sample that a decoder will have.
        const std::int32_t difference{x - predicted_value};
        const auto table_index{static_cast<std::uint32_t>(difference + table_limit_)};
        std::int32_t error_value;
        std::int32_t value;
        if (JLS_LIKELY(table_index <= 2 * static_cast<std::uint32_t>(table_limit_)))
        {
            const near_lossless_tables::quantized_difference quantized{quantization_[table_index]};
            error_value = (quantized.error_value ^ sign) - sign;
            value = predicted_value + quantized.change;
            if (JLS_UNLIKELY(static_cast<std::uint32_t>(value) > static_cast<std::uint32_t>(parameters.maximum)))
                value = value < 0 ? 0 : parameters.maximum;
        }
        else
        {
            error_value = parameters.quantize((difference ^ sign) - sign);
            value = parameters.reconstruct(predicted_value, (error_value ^ sign) - sign);
        }
        codes_.error_value[slot] = static_cast<std::int16_t>(error_value);
        context.template update<false>(a, b, c, n, error_value < 0 ? -error_value : error_value,
                                       error_value * parameters.error_step);
        return value;
    }

    // Codes a run, whose samples become equal, and the sample that interrupts it. Returns the number of samples.
    JLS_NOINLINE std::ptrdiff_t encode_run(const sample* const above, sample* const line,
                                           const std::ptrdiff_t limit) noexcept
    {
        const std::int32_t ra{line[-1]};
        const std::ptrdiff_t length{flatten_run(line, limit, mode_)};
        encode_run_length(runs_, codes_, length, length == limit);
        if (length == limit)
            return length;
        line[length] =
            static_cast<sample>(encode_interruption<1>(runs_, codes_, line[length], ra, above[length], mode_));
        runs_.decrement();
        return length + 1;
    }

    const std::uint8_t* gradients_;
    const near_lossless_tables::quantized_difference* quantization_;
    std::int32_t table_limit_;
    block block_;
};

} // namespace dicom_jpegls::scan
