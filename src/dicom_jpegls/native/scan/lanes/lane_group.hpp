// SPDX-License-Identifier: MIT
//
// What a group of steps has in both directions: the line above, and the contexts that its samples take one after
// another.
#pragma once

#include "lane_lines.hpp"
#include "lane_model.hpp"

#ifdef JLS_LANES

namespace dicom_jpegls::scan::lanes {

// Of the contexts that are read, and of those that are written after the steps with even and with odd numbers.
struct context_indices
{
    alignas(32) std::uint16_t read[lane_count];
    alignas(32) std::uint16_t written[2][lane_count];
};

JLS_BEGIN_AVX2

// The next samples of each lane, at an offset in bytes from `first`.
template<int Count>
JLS_INLINE void load_samples(const std::uint8_t* const first, const std::uint32_t* const offsets,
                             vector16* const samples) noexcept
{
    static_assert(Count == 4 || Count == 6);
    const vector64 four{gather<1>(first, offsets)};
    samples[0] = lower_half(lower_half(four));
    samples[1] = upper_half(lower_half(four));
    samples[2] = lower_half(upper_half(four));
    samples[3] = upper_half(upper_half(four));
    if constexpr (Count == 6)
    {
        const vector32 two{lower_half(gather<1>(first + 4 * sizeof(std::uint16_t), offsets))};
        samples[4] = lower_half(two);
        samples[5] = upper_half(two);
    }
}

// Stores them; of six, two more samples are overwritten.
template<int Count>
JLS_INLINE void store_samples(std::uint8_t* const first, const std::uint32_t* const offsets,
                              const vector16* const samples) noexcept
{
    static_assert(Count == 4 || Count == 6);
    scatter<1>(first, offsets, join(join(samples[0], samples[1]), join(samples[2], samples[3])));
    if constexpr (Count == 6)
        scatter<1>(first + 4 * sizeof(std::uint16_t), offsets, widen(join(samples[4], samples[5])));
}

// The samples of the line above from Rc of the first step on, and what Q1 and Q2 make of each step.
template<int ComponentCount>
struct group_above
{
    static constexpr int size{group_size<ComponentCount>};

    vector16 samples[size + 2 * ComponentCount];
    vector16 weighed[size];

    // `offsets` are those of Rb in the line store.
    template<typename Model>
    JLS_INLINE void load(line_store& lines, const std::uint32_t* const offsets,
                         const std::uint16_t (*const rc)[lane_count], const std::uint16_t (*const rb)[lane_count],
                         const Model& precision) noexcept
    {
        for (int i{}; i != ComponentCount; ++i)
        {
            samples[i] = load16(rc[i]);
            samples[ComponentCount + i] = load16(rb[i]);
        }
        vector16* const next{samples + 2 * ComponentCount};
        const std::uint8_t* const first{lines.bytes() + ComponentCount * sizeof(std::uint16_t)};
        load_samples<size>(first, offsets, next);
        // Q(Rb - Rc) of a pixel is Q(Rd - Rb) of the one before.
        vector16 horizontal[size + ComponentCount];
        JLS_UNROLL
        for (int i{}; i != size + ComponentCount; ++i)
            horizontal[i] = precision.quantize_difference(samples[i + ComponentCount], samples[i]);
        JLS_UNROLL
        for (int i{}; i != size; ++i)
            weighed[i] = precision.weigh_above(horizontal[i + ComponentCount], horizontal[i]);
    }
};

// The number of the context of a step, and of the one that lanes that stand still use: 0, which belongs to no
// gradients, or, where a component of a pixel may have none, one that is not used otherwise.
template<int ComponentCount>
JLS_INLINE vector16 number_where(const vector16 live, const vector16 number) noexcept
{
    if constexpr (ComponentCount == 1)
        return number & live;
    else
        return select(live, number, all16(static_cast<std::int32_t>(context_count)));
}

// Finds the contexts of the pixel that begins at a step (T.87 A.3). `samples`: of the current line from the first Ra
// on. Returns where there are no gradients, so that a run begins.
template<int Step, int ComponentCount, typename Model>
JLS_INLINE vector16 find_contexts(const group_above<ComponentCount>& above, const vector16* const samples,
                                  vector16* const id, const Model& precision) noexcept
{
    vector16 gradients{zero16()};
    JLS_UNROLL
    for (int i{Step}; i != Step + ComponentCount; ++i)
    {
        id[i] = above.weighed[i] + precision.quantize_difference(above.samples[i], samples[i]);
        gradients = gradients | id[i];
    }
    return equal(gradients, zero16());
}

// The context of the sample before, which is updated while that of the next is loaded. k is kept with A.
template<typename Model, int ComponentCount>
class context_chain final
{
public:
    // The context of each lane's step, of a `number_where`.
    template<int Step>
    JLS_INLINE statistics load(context_array& contexts, context_indices& indices, const vector16 number,
                               const Model& precision) noexcept
    {
        auto* const bytes{reinterpret_cast<std::uint8_t*>(contexts)};
        const vector16 index{number + multiples16(context_distance)};
        store16(indices.read, index);
        read_back();
        const vector64 loaded{gather<sizeof(std::uint64_t)>(bytes, indices.read)};
        statistics result{lower_half(loaded), lower_half(upper_half(loaded)), upper_half(upper_half(loaded))};
        if constexpr (Step != 0)
        {
            update_last(precision);
            const vector16 again{equal(index, index_)};
            result.a = select(widen_mask(again), last_.a, result.a);
            result.n_and_c = select(again, last_.n_and_c, result.n_and_c);
            result.b = select(again, last_.b, result.b);
            store_last<Step - 1>(bytes, indices);
            read_back();
        }
        return result;
    }

    // The context of a step, the number of that which is to be updated, and the error of the sample.
    template<int Step>
    JLS_INLINE void keep(context_indices& indices, const statistics& context, const vector16 number,
                         const vector16 error) noexcept
    {
        index_ = number + multiples16(context_distance);
        store16(indices.written[Step & 1], index_);
        last_ = context;
        error_ = error;
    }

    // After the last step.
    JLS_INLINE void finish(context_array& contexts, const context_indices& indices, const Model& precision) noexcept
    {
        update_last(precision);
        store_last<group_size<ComponentCount> - 1>(reinterpret_cast<std::uint8_t*>(contexts), indices);
    }

private:
    JLS_INLINE void update_last(const Model& precision) noexcept
    {
        last_.a = last_.a & all32(packed_context::a_mask);
        last_ = update(last_, error_, precision.bias_of(error_));
        last_.a = last_.a | (golomb_parameter(last_.a, last_.n()) & all32(packed_context::k_mask));
    }

    template<int Step>
    JLS_INLINE void store_last(std::uint8_t* const contexts, const context_indices& indices) const noexcept
    {
        scatter<sizeof(std::uint64_t)>(contexts, indices.written[Step & 1],
                                       join(last_.a, join(last_.n_and_c, last_.b)));
    }

    statistics last_;
    vector16 index_;
    vector16 error_;
};

JLS_END_AVX2

} // namespace dicom_jpegls::scan::lanes

#endif
