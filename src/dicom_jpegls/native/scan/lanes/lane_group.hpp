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

// The samples of the line above from Rc of the first step on, and what Q1 and Q2 make of each step.
struct group_above
{
    vector16 samples[group_size + 2];
    vector16 weighed[group_size];

    // `offsets` are those of Rb in the line store.
    template<typename Model>
    JLS_INLINE void load(line_store& lines, const std::uint32_t* const offsets, const std::uint16_t* const rc,
                         const std::uint16_t* const rb, const Model& precision) noexcept
    {
        const vector64 loaded{gather<1>(lines.bytes() + sizeof(std::uint16_t), offsets)};
        samples[0] = load16(rc);
        samples[1] = load16(rb);
        samples[2] = lower_half(lower_half(loaded));
        samples[3] = upper_half(lower_half(loaded));
        samples[4] = lower_half(upper_half(loaded));
        samples[5] = upper_half(upper_half(loaded));
        // Q(Rb - Rc) of a sample is Q(Rd - Rb) of the one before.
        vector16 q2{precision.quantize_difference(samples[1], samples[0])};
        weigh<0>(q2, precision);
        weigh<1>(q2, precision);
        weigh<2>(q2, precision);
        weigh<3>(q2, precision);
    }

private:
    template<int Step, typename Model>
    JLS_INLINE void weigh(vector16& q2, const Model& precision) noexcept
    {
        const vector16 q1{precision.quantize_difference(samples[Step + 2], samples[Step + 1])};
        weighed[Step] = precision.weigh_above(q1, q2);
        q2 = q1;
    }
};

// The context of the sample before, which is updated while that of the next is loaded. k is kept with A.
template<typename Model>
class context_chain final
{
public:
    // The context of each lane's step. `number`: without the sign of the gradients, 0 in lanes that stand still.
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

    // The context of a step, its number where it is to be updated and otherwise 0, and the error of the sample.
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
        store_last<group_size - 1>(reinterpret_cast<std::uint8_t*>(contexts), indices);
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
