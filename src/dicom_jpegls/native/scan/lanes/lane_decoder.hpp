// SPDX-License-Identifier: MIT
//
// Decodes sixteen scans at once, each in its lane. Lanes are not in step: each has its own line, column and place in
// its stream. A group of four steps decodes up to four samples of the regular mode in every lane, without branches. A
// lane where something else comes - a run, the end of the line, a long code, more bits than were loaded - stands still
// for the rest of the group. Between groups, scalar code takes such lanes one by one and brings them to their next
// sample of the regular mode. At the end of its scan a lane takes the next one.
//
// What a lane reads and writes is its own: contexts, lines, and a code_reader, which bounds what is read of a stream.
// An error ends the scan of its lane and no other.
#pragma once

#include "lane_group.hpp"
#include "scan_lanes.hpp"

#ifdef JLS_LANES

#include "../code_reader.hpp"
#include "../decode_run.hpp"

#include <optional>

namespace dicom_jpegls::scan::lanes {

// What a lane has besides its state of a group.
struct decoder_lane
{
    lane_lines lines;
    std::optional<code_reader> reader;
    run_state runs{2};
    lane_decoding* scan{};
    std::uint8_t* destination{}; // of the current row
};

// What stands in memory between two groups, for scalar code to look at and to change.
struct decoder_state
{
    alignas(64) std::uint16_t active[lane_count];  // a mask
    std::uint16_t ra[most_components][lane_count]; // of the next pixel
    std::uint16_t rb[most_components][lane_count];
    std::uint16_t rc[most_components][lane_count];
    std::uint16_t rest[lane_count]; // samples to the end of the line
    std::uint16_t done[lane_count]; // samples decoded in the group

    context_indices contexts;

    // From here on in the order of `place32`. Offsets in bytes from the start of the line store.
    alignas(64) std::uint32_t above[lane_count];
    std::uint32_t current[lane_count];
    // Bits and bytes from the start of the decoder_memory.
    std::uint32_t position[lane_count];
    std::uint32_t last_position[lane_count]; // up to which a group may begin without a refill
    std::uint32_t byte[lane_count];
};

struct decoder_memory
{
    alignas(64) context_array contexts;
    decoder_state state;
    std::array<decoder_lane, lane_count> lanes;
    line_store lines;
    std::uint8_t no_bytes[16]{}; // for lanes that have never had a scan

    std::uint8_t* bytes() noexcept
    {
        return reinterpret_cast<std::uint8_t*>(this);
    }
};

JLS_BEGIN_AVX2

// `Model`: lossless_model or near_lossless_model. `ComponentCount`: of a pixel.
template<typename Model, int ComponentCount>
class lane_decoder final
{
public:
    // Decodes `count` scans of one kind, of lines that the line store has room for.
    lane_decoder(decoder_memory& memory, lane_decoding* const* const scans, const std::size_t count) noexcept :
        mode_{scans[0]->bits_per_sample, scans[0]->near_value}, memory_{memory}, next_{scans}, last_{scans + count}
    {
    }

    void run()
    {
        decoder_state& state{memory_.state};
        for (int lane{}; lane != lane_count; ++lane)
        {
            state.active[lane] = 0xFFFF;
            state.rest[lane] = 0xFFFF;
            ++active_count_;
            if (!start_next(lane))
                stop(lane);
            else
                advance(lane, true);
        }
        decode();
    }

private:
    using mode = typename Model::mode;

    static constexpr std::uint32_t window_bits{64};

    // The codes that a step reads: shorter than an escape code, and than what leading_zeros and shifts are exact for.
    std::int32_t longest_code() const noexcept
    {
        return std::min(30, mode_.limit - mode_.quantized_bits_per_sample - 1);
    }

    // A group may begin up to here: after it there is a window in the reader's buffer, or zeros after the last bit.
    static constexpr std::uint32_t last_position{8 * code_reader::fill_size - window_bits};

    // ---- Scalar code: a lane between groups.

    // Has a lane take the next scan. Returns whether there is one.
    bool start_next(const int number)
    {
        if (next_ == last_)
            return false;
        decoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        lane.scan = *next_++;
        lane.destination = lane.scan->destination;
        lane.reader.emplace(lane.scan->source, lane.scan->source + lane.scan->source_size);
        lane.runs = run_state{mode_.range};
        lane.lines.start(memory_.lines, number, ComponentCount * lane.scan->width, lane.scan->height,
                         lane.scan->components_by_line);
        set_edges<ComponentCount>(lane.lines.above, lane.lines.current, lane.lines.width);
        std::fill_n(memory_.contexts[number], context_distance, packed_context::make_first(mode_.range, true));

        decoder_state& state{memory_.state};
        const int place{place32(number)};
        state.current[place] = memory_.lines.offset_of(lane.lines.current);
        state.position[place] = first_position(lane);
        state.last_position[place] = first_position(lane) + last_position;
        return true;
    }

    // In bits from the start of the memory.
    std::uint32_t first_position(const decoder_lane& lane) const noexcept
    {
        return static_cast<std::uint32_t>(8 * (lane.reader->bytes() - memory_.bytes()));
    }

    // Leaves a lane without a scan. It stands still from now on, at a place that can be read and written.
    void stop(const int number)
    {
        decoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        decoder_state& state{memory_.state};
        const int place{place32(number)};
        lane.lines.start(memory_.lines, number, ComponentCount, 1, 1);
        state.active[number] = 0;
        state.above[place] = memory_.lines.offset_of(lane.lines.above);
        state.current[place] = memory_.lines.offset_of(lane.lines.current);
        state.position[place] = static_cast<std::uint32_t>(8 * (memory_.no_bytes - memory_.bytes()));
        std::fill_n(memory_.contexts[number], context_distance, std::uint64_t{});
        --active_count_;
    }

    // Brings a lane to its next sample of the regular mode whose code is not long. `moved` says whether it has decoded
    // any since it was here. A scan with an error ends here, and is not done.
    void advance(const int number, const bool moved)
    {
        try
        {
            if (decode_other(number, moved))
                return;
        }
        catch (const scan_error&)
        {
            abandon(number);
            return;
        }
        stop(number);
    }

    // Leaves the scan of a lane to the codec for one scan, and goes on with the next.
    void abandon(const int number)
    {
        for (;;)
        {
            if (!start_next(number))
                return stop(number);
            try
            {
                if (decode_other(number, true))
                    return;
            }
            catch (const scan_error&)
            {
                continue;
            }
            return stop(number);
        }
    }

    // Decodes all that is no short code of the regular mode. Returns false if no scan is left.
    bool decode_other(const int number, bool moved)
    {
        decoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
        decoder_state& state{memory_.state};
        const int place{place32(number)};
        std::ptrdiff_t column{memory_.lines.sample_at(state.current[place]) - lane.lines.current};
        lane.reader->position = state.position[place] - first_position(lane);
        lane.reader->prepare();
        for (;;)
        {
            if (column == lane.lines.width)
            {
                if (!end_line(number, lane))
                    return false;
                column = 0;
                moved = true;
            }
            // A long code may be that of any component; lanes step on at the next pixel.
            const bool starts_pixel{column % ComponentCount == 0};
            if (starts_pixel && lane.lines.template is_flat<ComponentCount>(column, mode_))
                column += decode_run(lane, column);
            else if (starts_pixel && moved)
                break;
            else
                decode_long_code(lane, memory_.contexts[number], column++);
            moved = true;
            lane.reader->prepare();
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
        state.position[place] = first_position(lane) + static_cast<std::uint32_t>(lane.reader->position);
        return true;
    }

    // Goes on with the next line. A row goes to the destination; at the end of the scan the lane takes the next one.
    // Returns whether there is a line.
    bool end_line(const int number, decoder_lane& lane)
    {
        lane.reader->check_position();
        const bool is_end_of_row{lane.lines.next_line(lane.runs.index)};
        if (is_end_of_row)
            copy_to_caller(lane.lines, lane.destination, mode_.bits_per_sample);
        if (is_end_of_row && --lane.lines.rows_left == 0)
        {
            if (!lane.reader->ends_with_source())
                fail(scan_fault::too_much_encoded_data);
            lane.scan->done = true;
            if (!start_next(number))
                return false;
        }
        else
        {
            if (is_end_of_row)
                lane.destination += lane.scan->stride;
            set_edges<ComponentCount>(lane.lines.above, lane.lines.current, lane.lines.width);
        }
        lane.reader->prepare();
        return true;
    }

    // A run, and the pixel that interrupts it (T.87 A.7). Returns the number of samples.
    std::ptrdiff_t decode_run(decoder_lane& lane, const std::ptrdiff_t column) const
    {
        const std::uint8_t* const bytes{lane.reader->bytes()};
        std::uint16_t* const line{lane.lines.current + column};
        const std::ptrdiff_t limit{lane.lines.width - column};
        const run_length run{decode_run_length(lane.runs, bytes, lane.reader->position, limit / ComponentCount)};
        const std::ptrdiff_t length{run.pixels * ComponentCount};
        repeat_pixel<ComponentCount>(line, length);
        lane.reader->position = run.position;
        if (length == limit)
            return limit;
        for (std::ptrdiff_t i{length}; i != length + ComponentCount; ++i)
        {
            const decoded_sample interruption{
                decode_interruption<ComponentCount>(lane.runs, bytes, lane.reader->position, line[i - ComponentCount],
                                                    lane.lines.above[column + i], mode_)};
            line[i] = static_cast<std::uint16_t>(interruption.value);
            lane.reader->position = interruption.position;
        }
        lane.runs.decrement();
        return length + ComponentCount;
    }

    // A sample of the regular mode whose code may have any length (T.87 A.4 to A.6).
    JLS_NOINLINE void decode_long_code(decoder_lane& lane, std::uint64_t* const contexts,
                                       const std::ptrdiff_t column) const
    {
        std::uint16_t* const line{lane.lines.current + column};
        const std::int32_t ra{line[-ComponentCount]};
        const std::int32_t rb{lane.lines.above[column]};
        const std::int32_t rc{lane.lines.above[column - ComponentCount]};
        const std::int32_t rd{lane.lines.above[column + ComponentCount]};
        const std::int32_t id{81 * quantize_gradient(rd - rb, mode_) + 9 * quantize_gradient(rb - rc, mode_) +
                              quantize_gradient(rc - ra, mode_)};
        const std::int32_t sign{id < 0 ? -1 : 0};
        std::uint64_t& packed{contexts[(id ^ sign) - sign]};
        encoder_context context{packed_context::statistics_of(packed)};
        const std::uint32_t k{packed_context::k_of(packed)};

        const golomb_code code{code_reader::read_golomb(lane.reader->bytes(), lane.reader->position, k, mode_.limit,
                                                        mode_.quantized_bits_per_sample)};
        lane.reader->position = code.position;
        if (code.mapped_error >= static_cast<std::uint32_t>(mode_.range))
            fail(scan_fault::invalid_encoded_data);
        const std::int32_t half{static_cast<std::int32_t>(code.mapped_error >> 1U)};
        std::int32_t error{(code.mapped_error & 1U) != 0 ? -half - 1 : half};
        if (mode::is_lossless && k == 0 && 2 * context.b + context.n - 1 < 0)
            error = -error - 1;
        const std::int32_t median{ra + rb - std::clamp(rc, std::min(ra, rb), std::max(ra, rb))};
        const std::int32_t predicted{std::clamp(median + ((context.c ^ sign) - sign), 0, mode_.maximum)};
        line[0] = static_cast<std::uint16_t>(mode_.reconstruct(predicted, (error ^ sign) - sign));

        context.template update<true>(context.a, context.b, context.c, context.n, error < 0 ? -error : error,
                                      error * mode_.error_step);
        std::uint32_t new_k{};
        while ((context.n << new_k) < context.a)
            ++new_k;
        packed = packed_context::make(context.a, new_k, context.n, context.c, context.b);
    }

    // Brings the lanes of a mask on. Those whose errors went out of range end their scans.
    JLS_NOINLINE void advance_all(std::uint32_t lanes_that_stand, const std::uint32_t damaged_lanes)
    {
        for (std::uint32_t rest{lanes_that_stand | damaged_lanes}; rest != 0; rest &= rest - 1)
        {
            const int number{__builtin_ctz(rest)};
            if (JLS_UNLIKELY((damaged_lanes >> number & 1U) != 0))
                abandon(number);
            else
                advance(number, memory_.state.done[number] != 0);
        }
    }

    JLS_NOINLINE void refill_all(std::uint32_t lanes_at_end)
    {
        decoder_state& state{memory_.state};
        for (; lanes_at_end != 0; lanes_at_end &= lanes_at_end - 1)
        {
            const int number{__builtin_ctz(lanes_at_end)};
            decoder_lane& lane{memory_.lanes[static_cast<std::size_t>(number)]};
            const int place{place32(number)};
            try
            {
                lane.reader->position = state.position[place] - first_position(lane);
                lane.reader->prepare();
                state.position[place] = first_position(lane) + static_cast<std::uint32_t>(lane.reader->position);
            }
            catch (const scan_error&)
            {
                abandon(number);
            }
        }
    }

    // ---- Vectors: all lanes, the steps of a group.

    static constexpr int size{group_size<ComponentCount>};

    struct group
    {
        // Known before the first step.
        group_above<ComponentCount> above;
        vector16 rest;
        vector32 upper_bits; // of the window
        vector32 lower_bits;
        vector16 bits_left;

        vector16 live;                           // lanes that have not come to stand still, as a mask
        vector16 done;                           // steps of each
        vector16 id[size];                       // contexts with their signs
        vector16 samples[size + ComponentCount]; // of the current line from Ra on
        vector16 longest_code;                   // that a step reads
        vector16 damage;                         // bits that no error may have
        context_chain<Model, ComponentCount> contexts;
    };

    JLS_NOINLINE void decode()
    {
        const Model precision{mode_};
        group lanes;
        lanes.longest_code = all16(longest_code());
        lanes.damage = zero16();
        while (active_count_ != 0)
        {
            begin(lanes, precision);
            steps<0>(lanes, precision);
            end(lanes, precision);
        }
    }

    // Loads the bits and the line above.
    JLS_INLINE void begin(group& lanes, const Model& precision)
    {
        decoder_state& state{memory_.state};
        const vector16 active{load16(state.active)};
        vector32 position{load32(state.position)};
        const vector16 at_end{lower_half(greater(position, load32(state.last_position))) & active};
        if (JLS_UNLIKELY(any(at_end)))
        {
            refill_all(bits_of(at_end));
            position = load32(state.position);
        }
        const vector32 skipped{position & all32(7)};
        store32(state.byte, shift_right<3>(position));
        read_back();
        const vector64 window{gather<1>(memory_.bytes(), state.byte)};
        const vector32 upper{reverse_bytes(lower_half(window))};
        const vector32 lower{reverse_bytes(upper_half(window))};
        lanes.upper_bits = shift_pair_left(upper, lower, skipped);
        lanes.lower_bits = shift_left(lower, skipped);
        lanes.bits_left = all16(window_bits) - lower_half(skipped);

        lanes.above.load(memory_.lines, state.above, state.rc, state.rb, precision);
        for (int i{}; i != ComponentCount; ++i)
            lanes.samples[i] = load16(state.ra[i]);
        lanes.rest = load16(state.rest);
        lanes.live = load16(state.active);
        lanes.done = zero16();
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

    // A sample of the regular mode in all lanes that are live (T.87 A.3 to A.6).
    template<int Step>
    JLS_INLINE void step(group& lanes, const Model& precision)
    {
        decoder_state& state{memory_.state};

        // The contexts of the pixel (A.3). Where it has no gradients a run begins.
        if constexpr (Step % ComponentCount == 0)
        {
            const vector16 is_flat{find_contexts<Step>(lanes.above, lanes.samples, lanes.id, precision)};
            lanes.live = except(is_flat | equal(lanes.rest, all16(Step)), lanes.live);
        }
        const vector16 sign{greater(zero16(), lanes.id[Step])};
        const vector16 number{number_where<ComponentCount>(lanes.live, magnitude(lanes.id[Step]))};
        const statistics context{
            lanes.contexts.template load<Step>(memory_.contexts, state.contexts, number, precision)};

        // The code: zero bits, a 1, k bits (A.5.3).
        const vector32 k{shift_right<packed_context::k_position>(context.a)};
        const vector32 zeros{leading_zeros(lanes.upper_bits)};
        const vector32 unary_length{zeros + all32(1)};
        const vector32 length{unary_length + k};
        const vector32 mapped{shift_pair_left(zeros, shift_left(lanes.upper_bits, unary_length), k)};
        const vector16 short_length{lower_half(length)};
        lanes.live = except(greater(short_length, min_signed(lanes.bits_left, lanes.longest_code)), lanes.live);
        lanes.done = lanes.done - lanes.live;
        lanes.upper_bits = shift_pair_left(lanes.upper_bits, lanes.lower_bits, length);
        lanes.lower_bits = shift_left(lanes.lower_bits, length);
        lanes.bits_left = lanes.bits_left - (short_length & lanes.live);
        const vector16 mapped_error{take_mapped_error(lanes, mapped, precision)};

        // Code segment A.11, the other way round.
        vector16 error{shift_right<1>(mapped_error) ^ (zero16() - (mapped_error & all16(1)))};
        if constexpr (Model::is_lossless)
            error = error ^ inverts(lower_half(k), context);
        // Lanes that stand still from now on write to the context that nobody uses.
        lanes.contexts.template keep<Step>(state.contexts, context, number_where<ComponentCount>(lanes.live, number),
                                           error);

        const vector16 predicted{precision.predict(lanes.samples[Step], lanes.above.samples[Step + ComponentCount],
                                                   lanes.above.samples[Step], sign, context.c())};
        lanes.samples[Step + ComponentCount] = precision.reconstruct(predicted, error, sign);
    }

    // A mapped error is less than RANGE (A.4.5), otherwise the stream is damaged.
    static JLS_INLINE vector16 take_mapped_error(group& lanes, const vector32 mapped, const Model& precision) noexcept
    {
        if constexpr (Model::maps_all_numbers)
        {
            lanes.damage = lanes.damage | (lower_half(shift_right<16>(mapped)) & lanes.live);
            return lower_half(mapped);
        }
        else
        {
            const vector16 result{lower_half(min_unsigned(mapped, all32(0xFFFF)))};
            lanes.damage = lanes.damage | (precision.excess(result) & lanes.live);
            return result;
        }
    }

    // Stores the samples, of which those of live steps count, and has scalar code move on the lanes that stand still.
    JLS_INLINE void end(group& lanes, const Model& precision)
    {
        decoder_state& state{memory_.state};
        lanes.contexts.finish(memory_.contexts, state.contexts, precision);
        store_samples<size>(memory_.lines.bytes(), state.current, lanes.samples + ComponentCount);
        const vector32 done_bytes{widen(lanes.done + lanes.done)};
        store32(state.above, load32(state.above) + done_bytes);
        store32(state.current, load32(state.current) + done_bytes);
        const vector32 position{load32(state.position)};
        store32(state.position, except(all32(7), position) + all32(window_bits) - widen(lanes.bits_left));
        store16(state.rest, lanes.rest - lanes.done);
        for (int i{}; i != ComponentCount; ++i)
        {
            store16(state.ra[i], lanes.samples[size + i]);
            store16(state.rc[i], lanes.above.samples[size + i]);
            store16(state.rb[i], lanes.above.samples[size + ComponentCount + i]);
        }
        const vector16 standing{except(lanes.live, load16(state.active))};
        if (any(standing))
        {
            store16(state.done, lanes.done);
            // Errors that went out of range are found at the end of a line at the latest.
            const vector16 damaged{except(equal(lanes.damage, zero16()), load16(state.active))};
            lanes.damage = zero16();
            advance_all(bits_of(standing), bits_of(damaged));
        }
    }

    const mode mode_;
    decoder_memory& memory_;
    lane_decoding* const* next_;
    lane_decoding* const* const last_;
    int active_count_{};
};

JLS_END_AVX2

} // namespace dicom_jpegls::scan::lanes

#endif
