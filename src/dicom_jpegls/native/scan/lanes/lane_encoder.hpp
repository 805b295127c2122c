// SPDX-License-Identifier: MIT
//
// Encodes sixteen scans at once, each in its lane: the counterpart of lane_decoder.hpp, with the same groups of four
// steps. Lanes stand still only at runs and at ends of lines. In lossless coding all samples are known in advance, so
// gradients come first for the whole group; in near-lossless coding they wait for the samples that a decoder will have,
// which replace those of the line. The codes of a group are packed into 64 bits of each lane; the stuffed bits are
// added later, lane by lane.
//
// What a lane reads and writes is its own: contexts, lines - a copy of the caller's - and a buffer of packed bytes of
// fixed size. A bit_stuffer bounds what is written to the destination.
#pragma once

#include "lane_group.hpp"
#include "scan_lanes.hpp"

#ifdef JLS_LANES

#include "../bit_writer.hpp"
#include "../encode_run.hpp"

namespace dicom_jpegls::scan::lanes {

// What a lane has besides its state of a group.
struct encoder_lane
{
    lane_lines lines;
    run_state runs{2};
    lane_encoding* scan{};
    const std::uint8_t* source{}; // of the current row
    bit_stuffer stuffer{nullptr, 0};
};

// Packed bytes of a lane are written out when there are more than `enough`. Until then come at most a run before each
// sample of a group, the codes of the group, and the store of a whole word.
struct packed_bytes
{
    static constexpr std::size_t enough{2048};
    static constexpr std::size_t longest_run{(33 + 16 + most_components * 64) / 8 + 1};
    static constexpr std::size_t size{enough + longest_run + largest_group_size * 8 + 24};

    alignas(64) std::uint8_t bytes[(size + 63) / 64 * 64];
};

// What stands in memory between two groups, for scalar code to look at and to change.
struct encoder_state
{
    alignas(64) std::uint16_t active[lane_count];  // a mask
    std::uint16_t ra[most_components][lane_count]; // of the next pixel
    std::uint16_t rb[most_components][lane_count];
    std::uint16_t rc[most_components][lane_count];
    std::uint16_t rest[lane_count]; // samples to the end of the line

    context_indices contexts;

    // The codes of a group that has long ones. `bit_count` and `bits` are those of a bit_packer.
    std::uint16_t code[largest_group_size][lane_count];
    std::uint16_t code_length[largest_group_size][lane_count];
    std::uint16_t bit_count[lane_count];
    alignas(64) std::uint64_t bits[lane_count]; // in the order of `place64`

    // From here on in the order of `place32`. Offsets in bytes from the start of the line store.
    std::uint32_t above[lane_count];
    std::uint32_t current[lane_count];
    // From the start of the packed bytes of all lanes.
    std::uint32_t packed[lane_count];
    std::uint32_t packed_enough[lane_count];
};

struct encoder_memory
{
    alignas(64) context_array contexts;
    packed_bytes packed[lane_count];
    encoder_state state;
    std::array<encoder_lane, lane_count> lanes;
    line_store lines;

    std::uint8_t* all_packed() noexcept
    {
        return reinterpret_cast<std::uint8_t*>(packed);
    }
};

JLS_BEGIN_AVX2

// `Model`: lossless_model or near_lossless_model. `ComponentCount`: of a pixel.
template<typename Model, int ComponentCount>
class lane_encoder final
{
public:
    // Encodes `count` scans of one kind, of lines that the line store has room for.
    lane_encoder(encoder_memory& memory, lane_encoding* const* const scans, const std::size_t count) noexcept :
        mode_{scans[0]->bits_per_sample, scans[0]->near_value}, memory_{memory}, next_{scans}, last_{scans + count}
    {
    }

    void run()
    {
        encoder_state& state{memory_.state};
        for (int lane{}; lane != lane_count; ++lane)
        {
            state.active[lane] = 0xFFFF;
            ++active_count_;
            start_packing(lane);
            if (!start_next(lane))
                stop(lane);
            else
                advance(lane);
        }
        encode();
    }

private:
    using mode = typename Model::mode;

    // Stands for the length of an escape code (T.87 A.5.3). No code is so long.
    static constexpr std::int32_t escape{255};
    static_assert(code_length_limit(16) < escape);

    // ---- Scalar code: a lane between groups.

    // The packer of a lane, taken out of the state. Codes of the run mode go there at once.
    struct lane_packer : bit_packer
    {
        void add(const std::uint32_t value, const std::uint32_t length) noexcept
        {
            put_code(value, length);
        }
    };

    lane_packer packer_of(const int number) noexcept
    {
        const encoder_state& state{memory_.state};
        return {{state.bits[place64(number)], state.bit_count[number],
                 memory_.all_packed() + state.packed[place32(number)]}};
    }

    void keep(const int number, const bit_packer& packer) noexcept
    {
        encoder_state& state{memory_.state};
        state.bits[place64(number)] = packer.bits;
        state.bit_count[number] = static_cast<std::uint16_t>(packer.count);
        state.packed[place32(number)] = static_cast<std::uint32_t>(packer.position - memory_.all_packed());
    }

    void start_packing(const int number) noexcept
    {
        keep(number, {0, 0, memory_.packed[number].bytes});
        memory_.state.packed_enough[place32(number)] =
            static_cast<std::uint32_t>(memory_.packed[number].bytes + packed_bytes::enough - memory_.all_packed());
    }

    // Has a lane take the next scan. Returns whether there is one.
    bool start_next(const int number) noexcept
    {
        if (next_ == last_)
            return false;
        encoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        lane.scan = *next_++;
        lane.source = lane.scan->source;
        lane.stuffer = bit_stuffer{lane.scan->destination, lane.scan->destination_size};
        lane.runs = run_state{mode_.range};
        lane.lines.start(memory_.lines, number, ComponentCount * lane.scan->width, lane.scan->height,
                         lane.scan->components_by_line);
        copy_from_caller(lane.source, lane.lines, mode_.bits_per_sample);
        set_edges<ComponentCount>(lane.lines.above, lane.lines.current, lane.lines.width);
        std::fill_n(memory_.contexts[number], context_distance,
                    packed_context::make_first(mode_.range, !Model::is_lossless));
        memory_.state.current[place32(number)] = memory_.lines.offset_of(lane.lines.current);
        return true;
    }

    // Leaves a lane without a scan. It stands still from now on, at a place that can be read and written.
    void stop(const int number) noexcept
    {
        encoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        encoder_state& state{memory_.state};
        lane.lines.start(memory_.lines, number, ComponentCount, 1, 1);
        state.active[number] = 0;
        state.above[place32(number)] = memory_.lines.offset_of(lane.lines.above);
        state.current[place32(number)] = memory_.lines.offset_of(lane.lines.current);
        start_packing(number);
        std::fill_n(memory_.contexts[number], context_distance, std::uint64_t{});
        --active_count_;
    }

    // Brings a lane to its next sample of the regular mode. A scan that finds no room ends here, and is not done.
    void advance(const int number)
    {
        for (;;)
        {
            try
            {
                if (encode_other(number))
                    return;
                break;
            }
            catch (const scan_error&)
            {
                start_packing(number);
                if (!start_next(number))
                    break;
            }
        }
        stop(number);
    }

    // Encodes runs, and ends lines and scans. Returns false if no scan is left.
    bool encode_other(const int number)
    {
        encoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        encoder_state& state{memory_.state};
        const int place{place32(number)};
        lane_packer packer{packer_of(number)};
        std::ptrdiff_t column{memory_.lines.sample_at(state.current[place]) - lane.lines.current};
        for (;;)
        {
            if (packer.position > memory_.packed[number].bytes + packed_bytes::enough)
                write_out(number, packer);
            if (column == lane.lines.width)
            {
                if (!end_line(number, lane, packer))
                    return false;
                column = 0;
            }
            if (!lane.lines.template is_flat<ComponentCount>(column, mode_))
                break;
            column += encode_run(lane, packer, column);
        }
        const std::uint16_t* const above{lane.lines.above + column};
        const std::uint16_t* const current{lane.lines.current + column};
        for (std::ptrdiff_t i{}; i != ComponentCount; ++i)
        {
            state.ra[i][number] = current[i - ComponentCount];
            state.rb[i][number] = above[i];
            state.rc[i][number] = above[i - ComponentCount];
        }
        state.rest[number] = static_cast<std::uint16_t>(lane.lines.width - column);
        state.above[place] = memory_.lines.offset_of(above);
        state.current[place] = memory_.lines.offset_of(current);
        keep(number, packer);
        return true;
    }

    // Goes on with the next line; at the end of the scan with the next scan. Returns whether there is a line.
    bool end_line(const int number, encoder_lane& lane, lane_packer& packer)
    {
        const bool is_end_of_row{lane.lines.next_line(lane.runs.index)};
        if (!is_end_of_row || --lane.lines.rows_left != 0)
        {
            if (is_end_of_row)
            {
                lane.source += lane.scan->stride;
                copy_from_caller(lane.source, lane.lines, mode_.bits_per_sample);
            }
            set_edges<ComponentCount>(lane.lines.above, lane.lines.current, lane.lines.width);
            return true;
        }
        write_out(number, packer);
        lane.scan->written = lane.stuffer.finish(packer);
        lane.scan->done = true;
        packer = {{0, 0, memory_.packed[number].bytes}};
        return start_next(number);
    }

    void write_out(const int number, bit_packer& packer)
    {
        std::uint8_t* const first{memory_.packed[number].bytes};
        memory_.lanes[static_cast<std::size_t>(number)].stuffer.write(
            first, static_cast<std::size_t>(packer.position - first));
        packer.position = first;
    }

    // A run, and the pixel that interrupts it (T.87 A.7). Returns the number of samples.
    std::ptrdiff_t encode_run(encoder_lane& lane, lane_packer& packer, const std::ptrdiff_t column) const noexcept
    {
        std::uint16_t* const line{lane.lines.current + column};
        const std::ptrdiff_t limit{lane.lines.width - column};
        const std::ptrdiff_t pixels{take_run(line, limit / ComponentCount)};
        const std::ptrdiff_t length{pixels * ComponentCount};
        encode_run_length(lane.runs, packer, pixels, length == limit);
        if (length == limit)
            return limit;
        for (std::ptrdiff_t i{length}; i != length + ComponentCount; ++i)
            line[i] = static_cast<std::uint16_t>(encode_interruption<ComponentCount>(
                lane.runs, packer, line[i], line[i - ComponentCount], lane.lines.above[column + i], mode_));
        lane.runs.decrement();
        return length + ComponentCount;
    }

    // The number of pixels of a run, which become what a decoder will have.
    std::ptrdiff_t take_run(std::uint16_t* const line, const std::ptrdiff_t limit) const noexcept
    {
        if constexpr (Model::is_lossless)
            return find_run_length<ComponentCount>(line, limit);
        else
            return flatten_run(line, limit, mode_);
    }

    JLS_NOINLINE void advance_all(std::uint32_t standing_lanes)
    {
        for (; standing_lanes != 0; standing_lanes &= standing_lanes - 1)
            advance(__builtin_ctz(standing_lanes));
    }

    // Packs the codes from `first` to before `last` code by code, and leaves none.
    JLS_NOINLINE void put_long_codes(std::uint32_t lanes_with_long_codes, const int first, const int last) noexcept
    {
        encoder_state& state{memory_.state};
        for (; lanes_with_long_codes != 0; lanes_with_long_codes &= lanes_with_long_codes - 1)
        {
            const int number{__builtin_ctz(lanes_with_long_codes)};
            lane_packer packer{packer_of(number)};
            for (int i{first}; i != last; ++i)
            {
                if (state.code_length[i][number] == escape)
                    packer.put_escape(state.code[i][number], mode_);
                else
                    packer.put_code(state.code[i][number], state.code_length[i][number]);
                state.code[i][number] = 0;
                state.code_length[i][number] = 0;
            }
            keep(number, packer);
        }
    }

    JLS_NOINLINE void write_out_all(std::uint32_t full_lanes)
    {
        for (; full_lanes != 0; full_lanes &= full_lanes - 1)
        {
            const int number{__builtin_ctz(full_lanes)};
            lane_packer packer{packer_of(number)};
            try
            {
                write_out(number, packer);
                keep(number, packer);
            }
            catch (const scan_error&)
            {
                start_packing(number);
                if (start_next(number))
                    advance(number);
                else
                    stop(number);
            }
        }
    }

    // ---- Vectors: all lanes, the steps of a group.

    static constexpr int size{group_size<ComponentCount>};

    struct group
    {
        group_above<ComponentCount> above;
        vector16 samples[size + ComponentCount]; // of the current line from Ra on
        vector16 rest;
        vector16 id[size];   // contexts with their signs
        vector16 live[size]; // masks
        vector16 done;       // steps of each lane
        vector16 code[size];
        vector16 code_length[size];
        vector16 last_zeros;                           // the most zeros of a code that is no escape code
        context_chain<Model, ComponentCount> contexts; // of near-lossless coding
    };

    JLS_NOINLINE void encode()
    {
        const Model precision{mode_};
        group lanes;
        lanes.last_zeros = all16(mode_.limit - mode_.quantized_bits_per_sample - 2);
        while (active_count_ != 0)
        {
            begin(lanes, precision);
            steps<0>(lanes, precision);
            end(lanes, precision);
        }
    }

    // Loads the samples. In lossless coding also finds the contexts, and moves the lanes on.
    JLS_INLINE void begin(group& lanes, const Model& precision)
    {
        encoder_state& state{memory_.state};
        lanes.above.load(memory_.lines, state.above, state.rc, state.rb, precision);
        for (int i{}; i != ComponentCount; ++i)
            lanes.samples[i] = load16(state.ra[i]);
        load_samples<size>(memory_.lines.bytes(), state.current, lanes.samples + ComponentCount);
        lanes.rest = load16(state.rest);
        lanes.done = zero16();
        if constexpr (Model::is_lossless)
        {
            find_all_contexts<0>(lanes, precision);
            move_on(lanes);
        }
    }

    template<int Step>
    JLS_INLINE void find_all_contexts(group& lanes, const Model& precision) noexcept
    {
        if constexpr (Step != size)
        {
            find_pixel<Step>(lanes, precision);
            find_all_contexts<Step + ComponentCount>(lanes, precision);
        }
    }

    // The contexts of the pixel that begins at a step, once Ra is what a decoder will have (T.87 A.3).
    template<int Step>
    JLS_INLINE void find_pixel(group& lanes, const Model& precision) noexcept
    {
        const vector16 is_flat{find_contexts<Step>(lanes.above, lanes.samples, lanes.id, precision)};
        vector16 live;
        if constexpr (Step == 0)
            live = load16(memory_.state.active);
        else
            live = lanes.live[Step - 1];
        live = except(is_flat | equal(lanes.rest, all16(Step)), live);
        for (int i{Step}; i != Step + ComponentCount; ++i)
        {
            lanes.live[i] = live;
            lanes.done = lanes.done - live;
        }
    }

    JLS_INLINE void move_on(const group& lanes) noexcept
    {
        encoder_state& state{memory_.state};
        const vector32 done_bytes{widen(lanes.done + lanes.done)};
        store32(state.above, load32(state.above) + done_bytes);
        store32(state.current, load32(state.current) + done_bytes);
        store16(state.rest, lanes.rest - lanes.done);
        for (int i{}; i != ComponentCount; ++i)
        {
            store16(state.ra[i], lanes.samples[size + i]);
            store16(state.rc[i], lanes.above.samples[size + i]);
            store16(state.rb[i], lanes.above.samples[size + ComponentCount + i]);
        }
    }

    template<int Step>
    JLS_INLINE void steps(group& lanes, const Model& precision)
    {
        if constexpr (Step != size)
        {
            step<Step>(lanes, precision);
            steps<Step + 1>(lanes, precision);
        }
    }

    // A sample of the regular mode in all lanes that are live (T.87 A.4 to A.6).
    template<int Step>
    JLS_INLINE void step(group& lanes, const Model& precision)
    {
        encoder_state& state{memory_.state};
        if constexpr (!Model::is_lossless && Step % ComponentCount == 0)
            find_pixel<Step>(lanes, precision);
        const vector16 id{lanes.id[Step]};
        const vector16 live{lanes.live[Step]};
        const vector16 number{number_where<ComponentCount>(live, magnitude(id))};
        statistics context;
        if constexpr (Model::is_lossless)
            context = load_context(number);
        else
            context = lanes.contexts.template load<Step>(memory_.contexts, state.contexts, number, precision);

        const vector16 sign{greater(zero16(), id)};
        const vector16 predicted{precision.predict(lanes.samples[Step], lanes.above.samples[Step + ComponentCount],
                                                   lanes.above.samples[Step], sign, context.c())};
        const coded_sample coded{precision.code(lanes.samples[Step + ComponentCount], predicted, sign)};
        if constexpr (Model::is_lossless)
        {
            make_code<Step>(lanes, context, golomb_parameter(context.a, context.n()), coded.error);
            const statistics updated{update(context, coded.error, coded.error)};
            scatter<sizeof(std::uint64_t)>(reinterpret_cast<std::uint8_t*>(memory_.contexts), state.contexts.read,
                                           join(updated.a, join(updated.n_and_c, updated.b)));
        }
        else
        {
            lanes.samples[Step + ComponentCount] =
                select(live, coded.reconstructed, lanes.samples[Step + ComponentCount]);
            lanes.contexts.template keep<Step>(state.contexts, context, number, coded.error);
            make_code<Step>(lanes, context, context.a, coded.error);
        }
    }

    // In lossless coding contexts are updated in the step that loads them, and k is not kept: no sample waits for it.
    JLS_INLINE statistics load_context(const vector16 number) noexcept
    {
        std::uint16_t* const indices{memory_.state.contexts.read};
        store16(indices, number + multiples16(context_distance));
        read_back();
        const vector64 loaded{
            gather<sizeof(std::uint64_t)>(reinterpret_cast<const std::uint8_t*>(memory_.contexts), indices)};
        return {lower_half(loaded), lower_half(upper_half(loaded)), upper_half(upper_half(loaded))};
    }

    // The code: zero bits, a 1, k bits (T.87 A.5). `parameter`: k from bit k_position on.
    template<int Step>
    static JLS_INLINE void make_code(group& lanes, const statistics& context, const vector32 parameter,
                                     const vector16 error) noexcept
    {
        const vector32 k{shift_right<packed_context::k_position>(parameter)};
        const vector16 short_k{lower_half(k)};
        // Code segment A.11: 2 e, or -2 e - 1 for e < 0; in lossless coding the other way round if the error is to be
        // inverted.
        vector16 mapped{shift_right_signed<15>(error) ^ (error + error)};
        if constexpr (Model::is_lossless)
            mapped = mapped ^ (inverts(short_k, context) & all16(1));
        const vector32 wide_mapped{widen(mapped)};
        const vector32 wide_zeros{shift_right(wide_mapped, k)};
        const vector16 zeros{lower_half(wide_zeros)};
        // The 1 and the k bits.
        const vector16 code{lower_half(wide_mapped - shift_left(wide_zeros - all32(1), k))};
        const vector16 length{zeros + short_k + all16(1)};
        const vector16 escapes{greater(zeros, lanes.last_zeros) | shift_right_signed<15>(zeros)};
        const vector16 live{lanes.live[Step]};
        lanes.code[Step] = select(escapes, mapped - all16(1), code) & live;
        lanes.code_length[Step] = select(escapes, all16(escape), length) & live;
    }

    // Packs `Count` codes from `First` on.
    template<int First, int Count>
    JLS_INLINE void pack(group& lanes, const vector16 active)
    {
        static_assert(Count == 2 || Count == 4);
        encoder_state& state{memory_.state};
        // Pairs are put together in 32 bits, and all four with up to 7 bits from before in 64.
        vector16 first_length{lanes.code_length[First] + lanes.code_length[First + 1]};
        vector16 second_length{zero16()};
        if constexpr (Count == 4)
            second_length = lanes.code_length[First + 2] + lanes.code_length[First + 3];
        const vector16 is_long{(greater(first_length + second_length, all16(56)) | greater(first_length, all16(32)) |
                                greater(second_length, all16(32))) &
                               active};
        if (JLS_UNLIKELY(any(is_long)))
        {
            for (int i{First}; i != First + Count; ++i)
            {
                store16(state.code[i], lanes.code[i]);
                store16(state.code_length[i], lanes.code_length[i]);
            }
            put_long_codes(bits_of(is_long), First, First + Count);
            for (int i{First}; i != First + Count; ++i)
            {
                lanes.code[i] = load16(state.code[i]);
                lanes.code_length[i] = load16(state.code_length[i]);
            }
            first_length = except(is_long, first_length);
            second_length = except(is_long, second_length);
        }

        vector64 codes{widen(pair_of<First>(lanes))};
        if constexpr (Count == 4)
            codes = shift_left(codes, widen(widen(second_length))) | widen(pair_of<First + 2>(lanes));
        const vector16 bit_count{load16(state.bit_count) + first_length + second_length};
        const vector64 bits{load64(state.bits) | shift_left(codes, widen(widen(all16(64) - bit_count)))};
        scatter<1>(memory_.all_packed(), state.packed, reverse_bytes(bits));
        store64(state.bits, shift_left(bits, widen(widen(bit_count & all16(56)))));
        store16(state.bit_count, bit_count & all16(7));
        store32(state.packed, load32(state.packed) + widen(shift_right<3>(bit_count)));
    }

    template<int First>
    static JLS_INLINE vector32 pair_of(const group& lanes) noexcept
    {
        return shift_left(widen(lanes.code[First]), widen(lanes.code_length[First + 1])) | widen(lanes.code[First + 1]);
    }

    // Packs the codes of the group, and has scalar code move on the lanes that stand still.
    JLS_INLINE void end(group& lanes, const Model& precision)
    {
        encoder_state& state{memory_.state};
        if constexpr (!Model::is_lossless)
        {
            lanes.contexts.finish(memory_.contexts, state.contexts, precision);
            store_samples<size>(memory_.lines.bytes(), state.current, lanes.samples + ComponentCount);
            move_on(lanes);
        }
        const vector16 active{load16(state.active)};
        pack<0, 4>(lanes, active);
        if constexpr (size == 6)
            pack<4, 2>(lanes, active);
        const vector32 packed{load32(state.packed)};
        const vector16 full{lower_half(greater(packed, load32(state.packed_enough))) & active};
        if (JLS_UNLIKELY(any(full)))
            write_out_all(bits_of(full));
        // A lane whose scan found no room may have stopped since.
        const vector16 standing{except(lanes.live[size - 1], load16(state.active))};
        if (any(standing))
            advance_all(bits_of(standing));
    }

    const mode mode_;
    encoder_memory& memory_;
    lane_encoding* const* next_;
    lane_encoding* const* const last_;
    int active_count_{};
};

JLS_END_AVX2

} // namespace dicom_jpegls::scan::lanes

#endif
