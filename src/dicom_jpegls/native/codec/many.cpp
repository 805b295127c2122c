// SPDX-License-Identifier: MIT
#include "many.hpp"

#include "../scan/scan_codecs.hpp"

#include <atomic>
#include <numeric>

namespace dicom_jpegls {

namespace {

std::atomic<bool> lanes_wanted{true};

// Batches hold at most so many lanes' loads, which bounds the time until an interruption is noticed.
constexpr std::size_t loads_per_batch{4};

// So many tasks for each worker that all of them end at about the same time.
constexpr std::uint64_t tasks_per_worker{16};

// Setting up a lane takes as long as coding some hundred samples.
constexpr std::uint64_t fewest_samples_of_scan{256};

bool can_use_lanes() noexcept
{
    return lanes_wanted.load(std::memory_order_relaxed) && has_lanes();
}

// Components of a scan: those of a pixel, or one.
std::int32_t components_of_scan(const std::int32_t component_count, const std::int32_t interleave_mode) noexcept
{
    return interleave_mode == interleave_none ? 1 : component_count;
}

// Whether the lanes cover scans of this kind. Their presets remain to be checked.
bool is_covered(const frame_info& frame, const std::int32_t interleave_mode, const std::int32_t near_lossless,
                const std::int32_t color_transformation) noexcept
{
    constexpr std::uint32_t most_samples_of_line{0xFFFF};
    if (color_transformation != 0)
        return false;
    if (interleave_mode == interleave_sample)
        return frame.bits_per_sample == 8 && frame.component_count == 3 && near_lossless == 0 &&
               frame.width <= most_samples_of_line / 3;
    return frame.bits_per_sample >= 8 && frame.width <= most_samples_of_line;
}

bool are_defaults(const preset_coding_parameters& presets, const std::int32_t bits_per_sample,
                  const std::int32_t near_lossless) noexcept
{
    const preset_coding_parameters defaults{
        default_preset_coding_parameters(maximum_sample_value(bits_per_sample), near_lossless)};
    return std::all_of(std::begin(preset_fields), std::end(preset_fields),
                       [&](const auto field) { return presets.*field == defaults.*field; });
}

std::uint64_t interval_count(const stream_info& info) noexcept
{
    const bool has_intervals = info.restart_interval != 0 && info.restart_interval < info.height;
    return has_intervals ? (info.height - 1) / info.restart_interval + 1 : 1;
}

std::uint64_t scan_count(const stream_info& info) noexcept
{
    return interval_count(info) * plane_count(info.component_count, info.interleave_mode);
}

// Whether the scans of a stream may be covered; their presets and sizes remain to be checked.
bool may_be_covered(const stream_info& info) noexcept
{
    return is_covered(frame_of(info), info.interleave_mode, info.near_lossless, info.color_transformation);
}

// Whether it pays to look for the pieces of a stream, which are coded one after another if they do not fit into lanes.
bool has_scans_for_lanes(const stream_info& info) noexcept
{
    constexpr std::uint64_t fewest_samples_of_piece{2048};
    return may_be_covered(info) && are_defaults(info.presets, info.bits_per_sample, info.near_lossless) &&
           sample_count(frame_of(info)) / scan_count(info) >= fewest_samples_of_piece &&
           info.size >= sample_count(frame_of(info)) / 8;
}

bool is_covered(const stream_info& info, const piece& part) noexcept
{
    return part.component_count == components_of_scan(info.component_count, info.interleave_mode) &&
           part.restart_interval >= part.line_count &&
           are_defaults(part.presets, info.bits_per_sample, part.near_lossless);
}

// The scan of a stream that has only one, without restart markers.
piece only_piece(const stream_info& info) noexcept
{
    return {info.data_begin,
            info.data_end,
            0,
            info.height,
            info.height,
            0,
            components_of_scan(info.component_count, info.interleave_mode),
            info.near_lossless,
            info.presets,
            true};
}

// Sets the components of a scan in a lane: those of a pixel, or those whose lines take turns.
template<typename Lane>
void set_components(Lane& lane, const std::int32_t component_count, const std::int32_t interleave_mode) noexcept
{
    const bool is_by_line{interleave_mode == interleave_line};
    lane.component_count = is_by_line ? 1 : component_count;
    lane.components_by_line = is_by_line ? component_count : 1;
}

// A scan that may be coded in a lane, and whose it is.
template<typename Lane>
struct lane_task
{
    Lane lane;
    std::size_t owner;        // index of the stream or image
    std::size_t part;         // index of its piece or strip
    std::size_t fewest_lanes; // that pay for scans like it

    [[nodiscard]] std::uint64_t samples() const noexcept
    {
        return scan::sample_count(lane);
    }
};

// Adds a scan unless lanes never pay for it.
template<typename Lane>
void add_task(std::vector<lane_task<Lane>>& tasks, const lane_task<Lane>& task)
{
    if (task.samples() >= fewest_samples_of_scan && task.fewest_lanes <= scan::lanes_in_flight)
        tasks.push_back(task);
}

// Leaves the scans that are faster in lanes than one after another, by kind. None of them is so much larger than
// the others that it is alone in the end.
template<typename Lane>
void keep_what_pays(std::vector<lane_task<Lane>>& tasks)
{
    std::sort(tasks.begin(), tasks.end(),
              [](const auto& a, const auto& b) { return scan::comes_before(a.lane, b.lane); });
    auto kept = tasks.begin();
    for (auto first = tasks.begin(); first != tasks.end();)
    {
        const auto last = std::find_if(first, tasks.end(), [&kind = first->lane](const auto& task) {
            return !scan::is_of_one_kind(task.lane, kind);
        });
        auto samples = std::accumulate(first, last, std::uint64_t{},
                                       [](const std::uint64_t sum, const auto& task) { return sum + task.samples(); });
        while (first != last && first->samples() * scan::fewest_lanes_that_pay > samples)
            samples -= (first++)->samples();
        if (first == last)
            continue;
        const auto count = static_cast<std::size_t>(last - first);
        const std::size_t fewest{
            std::accumulate(first, last, std::size_t{},
                            [](const std::size_t sum, const auto& task) { return sum + task.fewest_lanes; }) /
            count};
        const std::size_t share{scan::lane_share(count, fewest)};
        kept = std::move(first, first + static_cast<std::ptrdiff_t>(share), kept);
        first = last;
    }
    tasks.erase(kept, tasks.end());
}

template<typename Lane>
std::vector<Lane> lanes_of(const std::vector<lane_task<Lane>>& tasks)
{
    std::vector<Lane> lanes;
    lanes.reserve(tasks.size());
    for (const auto& task : tasks)
        lanes.push_back(task.lane);
    return lanes;
}

using decoding_tasks = std::vector<lane_task<scan::lane_decoding>>;
using encoding_tasks = std::vector<lane_task<scan::lane_encoding>>;

void add_piece(decoding_tasks& tasks, const inspected_stream& source, const piece& part, std::uint8_t* const samples,
               const image_layout& layout, const std::size_t owner, const std::size_t index)
{
    if (!is_covered(source.info, part))
        return;
    scan::lane_decoding lane{};
    lane.source = source.bytes.data + part.begin;
    lane.source_size = part.end - part.begin;
    lane.destination = samples + line_number(source.info, part) * layout.stride;
    lane.destination_size = static_cast<std::size_t>(layout.with_lines(part.line_count).size);
    lane.stride = static_cast<std::size_t>(layout.stride);
    lane.width = source.info.width;
    lane.height = part.line_count;
    lane.bits_per_sample = source.info.bits_per_sample;
    lane.near_value = part.near_lossless;
    set_components(lane, part.component_count, source.info.interleave_mode);
    add_task(tasks, {lane, owner, index, scan::fewest_lanes_for_decoding(lane.source_size, scan::sample_count(lane))});
}

// The room for a strip in a lane: few images grow by more than an eighth, and the codec for one scan encodes these.
std::uint64_t lane_room(const image_source& strip) noexcept
{
    constexpr std::uint64_t least{4096};
    const std::uint64_t samples_size{strip.layout.line_size * strip.layout.line_count};
    return samples_size + samples_size / 8 + least;
}

bool is_covered(const image_source& image) noexcept
{
    const dicom_jpegls_preset_coding_parameters& chosen{image.parameters.preset_coding_parameters};
    const auto complete = complete_presets(
        {chosen.maximum_sample_value, chosen.threshold1, chosen.threshold2, chosen.threshold3, chosen.reset_value},
        image.frame.bits_per_sample, image.parameters.near_lossless,
        image.parameters.interleave_mode == interleave_sample);
    return is_covered(image.frame, image.parameters.interleave_mode, image.parameters.near_lossless,
                      image.parameters.color_transformation) &&
           complete.error == fault::none &&
           are_defaults(complete.presets, image.frame.bits_per_sample, image.parameters.near_lossless);
}

void add_strip(encoding_tasks& tasks, const strip_encoder& strips, const std::size_t owner, const std::size_t index)
{
    const image_source strip{strips.strip(index)};
    scan::lane_encoding lane{};
    lane.source = strip.samples;
    lane.source_size = static_cast<std::size_t>(strip.layout.size);
    lane.stride = static_cast<std::size_t>(strip.layout.stride);
    lane.width = strip.frame.width;
    lane.height = strip.frame.height;
    lane.bits_per_sample = strip.frame.bits_per_sample;
    lane.near_value = strip.parameters.near_lossless;
    set_components(lane, strip.frame.component_count, strip.parameters.interleave_mode);
    lane.destination_size = static_cast<std::size_t>(lane_room(strip));
    add_task(tasks, {lane, owner, index, scan::fewest_lanes_for_encoding(lane)});
}

// Encodes in lanes what pays. Returns the tasks, with what became of them.
encoding_tasks encode_in_lanes(scan::scan_lanes& lanes, heap_bytes& memory, encoding_tasks tasks)
{
    keep_what_pays(tasks);
    std::uint64_t room{};
    for (const auto& task : tasks)
        room += task.lane.destination_size;
    if (memory.size() < room)
        memory = heap_bytes{room};
    std::uint8_t* destination{memory.data()};
    for (auto& task : tasks)
    {
        task.lane.destination = destination;
        destination += task.lane.destination_size;
    }
    std::vector<scan::lane_encoding> encoded{lanes_of(tasks)};
    lanes.encode(encoded.data(), encoded.size());
    for (std::size_t i{}; i != tasks.size(); ++i)
        tasks[i].lane = encoded[i];
    return tasks;
}

} // namespace

bool has_lanes() noexcept
{
    return has_scan_codecs && scan::scan_lanes::available();
}

bool use_lanes(const bool use) noexcept
{
    return lanes_wanted.exchange(use);
}

std::vector<std::size_t> batch_sizes(const std::size_t count, const std::size_t workers)
{
    assert(workers != 0);
    std::vector<std::size_t> sizes;
    std::size_t left{count};
    if (can_use_lanes())
    {
        for (std::size_t loads{count / (workers * scan::lanes_in_flight)}; loads != 0;)
        {
            const std::size_t taken{std::min(loads, loads_per_batch)};
            sizes.insert(sizes.end(), workers, taken * scan::lanes_in_flight);
            left -= workers * taken * scan::lanes_in_flight;
            loads -= taken;
        }
        if (left / workers >= scan::fewest_lanes_that_pay)
        {
            for (std::size_t worker{}; worker != workers; ++worker)
                sizes.push_back(left / workers + (worker < left % workers ? 1 : 0));
            left = 0;
        }
    }
    const std::size_t most{static_cast<std::size_t>(left / (tasks_per_worker * workers)) + 1};
    for (; left != 0; left -= sizes.back())
        sizes.push_back(std::min(left, most));
    return sizes;
}

std::size_t items_at_once(const std::size_t count, const std::size_t workers, const std::size_t most) noexcept
{
    assert(workers != 0);
    const std::size_t share{std::min(scan::lanes_in_flight, count / workers)};
    if (!can_use_lanes() || std::min(share, most) < scan::fewest_lanes_that_pay)
        return 1;
    return std::min({scan::lanes_in_flight, (count - 1) / workers + 1, most});
}

void encoding::write(std::uint8_t* const destination) noexcept
{
    assert(error_ == status::success);
    if (strips_.count() != 0)
        strips_.write(destination);
    else
        stream_.move_to(destination);
}

void many_coder::decode(decoding* const decodings, const std::size_t count) noexcept
{
    // For each stream, the pieces that remain to be decoded, if that is not the whole stream.
    struct progress
    {
        std::vector<piece> pieces;
        std::vector<bool> done;
    };
    std::vector<progress> streams;
    const status error = guarded([&] {
        streams.resize(count);
        decoding_tasks tasks;
        for (std::size_t i{}; can_use_lanes() && i != count; ++i)
        {
            const decoding& one{decodings[i]};
            const stream_info& info{one.source->info};
            assert(!one.source->is_damaged);
            if (!may_be_covered(info))
                continue;
            if (scan_count(info) == 1)
                streams[i].pieces.push_back(only_piece(info));
            else if (has_scans_for_lanes(info) && (count > 1 || fills_lanes(*one.source)))
                streams[i].pieces = find_pieces(*one.source, 1).pieces;
            streams[i].done.resize(streams[i].pieces.size());
            for (std::size_t part{}; part != streams[i].pieces.size(); ++part)
                add_piece(tasks, *one.source, streams[i].pieces[part], one.samples, one.layout, i, part);
        }
        keep_what_pays(tasks);
        std::vector<scan::lane_decoding> decoded{lanes_of(tasks)};
        lanes_.decode(decoded.data(), decoded.size());
        for (std::size_t i{}; i != tasks.size(); ++i)
            streams[tasks[i].owner].done[tasks[i].part] = decoded[i].done;
        return status::success;
    });
    for (std::size_t i{}; i != count; ++i)
    {
        decoding& one{decodings[i]};
        const auto finish = [&] {
            const progress& found{streams[i]};
            if (std::find(found.done.begin(), found.done.end(), true) == found.done.end())
                return false;
            for (std::size_t part{}; part != found.pieces.size(); ++part)
                if (!found.done[part] &&
                    decode_piece(*one.source, found.pieces[part], one.samples, one.layout) != status::success)
                    return false;
            return true;
        };
        one.error =
            error == status::success && finish() ? status::success : decode_image(*one.source, one.samples, one.layout);
    }
}

status many_coder::decode_pieces(const inspected_stream& source, const piece* const pieces, const std::size_t count,
                                 std::uint8_t* const samples, const image_layout& layout) noexcept
{
    return guarded([&] {
        std::vector<bool> done(count);
        decoding_tasks tasks;
        if (can_use_lanes() && may_be_covered(source.info))
            for (std::size_t i{}; i != count; ++i)
                add_piece(tasks, source, pieces[i], samples, layout, 0, i);
        keep_what_pays(tasks);
        std::vector<scan::lane_decoding> decoded{lanes_of(tasks)};
        lanes_.decode(decoded.data(), decoded.size());
        for (std::size_t i{}; i != tasks.size(); ++i)
            done[tasks[i].part] = decoded[i].done;
        for (std::size_t i{}; i != count; ++i)
        {
            if (done[i])
                continue;
            if (const status error = decode_piece(source, pieces[i], samples, layout); error != status::success)
                return error;
        }
        return status::success;
    });
}

void many_coder::encode(encoding* const encodings, const std::size_t count) noexcept
{
    encoding_tasks tasks;
    const status error = guarded([&] {
        for (std::size_t i{}; can_use_lanes() && i != count; ++i)
        {
            encoding& one{encodings[i]};
            if (!is_covered(*one.image_))
                continue;
            one.strips_ = strip_encoder{*one.image_};
            for (std::size_t strip{}; strip != one.strips_.count(); ++strip)
                add_strip(tasks, one.strips_, i, strip);
        }
        tasks = encode_in_lanes(lanes_, encoded_, std::move(tasks));
        return status::success;
    });
    if (error != status::success)
        tasks.clear();
    std::sort(tasks.begin(), tasks.end(),
              [](const auto& a, const auto& b) { return a.owner != b.owner ? a.owner < b.owner : a.part < b.part; });
    auto task = tasks.begin();
    for (std::size_t i{}; i != count; ++i)
    {
        encoding& one{encodings[i]};
        const bool takes_strips = task != tasks.end() && task->owner == i;
        one.error_ = guarded([&] {
            if (!takes_strips && !strip_encoder::is_needed(*one.image_))
            {
                one.strips_ = {};
                encoded_stream encoded{encode_image(*one.image_)};
                one.stream_ = std::move(encoded.bytes);
                one.size_ = one.stream_.size();
                return encoded.error;
            }
            if (one.strips_.count() == 0)
                one.strips_ = strip_encoder{*one.image_};
            for (std::size_t strip{}; strip != one.strips_.count(); ++strip)
            {
                const bool is_task = task != tasks.end() && task->owner == i && task->part == strip;
                const scan::lane_encoding* const lane{is_task ? &(task++)->lane : nullptr};
                if (lane && lane->done)
                    one.strips_.set_data(strip, {lane->destination, lane->written});
                else if (const status code = one.strips_.encode(strip, strip + 1); code != status::success)
                    return code;
            }
            const encoded_size joined{one.strips_.join()};
            one.size_ = joined.size;
            return joined.error;
        });
        while (task != tasks.end() && task->owner == i)
            ++task;
    }
}

status many_coder::encode_strips(strip_encoder& strips, const std::size_t first, const std::size_t last) noexcept
{
    assert(first <= last && last <= strips.count());
    return guarded([&] {
        encoding_tasks tasks;
        if (can_use_lanes() && is_covered(strips.image()))
            for (std::size_t i{first}; i != last; ++i)
                add_strip(tasks, strips, 0, i);
        tasks = encode_in_lanes(lanes_, encoded_, std::move(tasks));
        std::vector<bool> done(last - first);
        for (const auto& [lane, owner, index, fewest_lanes] : tasks)
        {
            if (!lane.done)
                continue;
            strips.copy_data(index, {lane.destination, lane.written});
            done[index - first] = true;
        }
        for (std::size_t i{first}; i != last; ++i)
        {
            if (done[i - first])
                continue;
            if (const status error = strips.encode(i, i + 1); error != status::success)
                return error;
        }
        return status::success;
    });
}

std::uint32_t piece_height(const inspected_stream& source, const std::size_t workers) noexcept
{
    if (fills_lanes(source))
        return 1;
    const stream_info& info{source.info};
    const std::uint64_t lines{std::uint64_t{info.height} * plane_count(info.component_count, info.interleave_mode) /
                              (tasks_per_worker * workers)};
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(lines, 1, info.height));
}

bool fills_lanes(const inspected_stream& source) noexcept
{
    return can_use_lanes() && has_scans_for_lanes(source.info) &&
           scan_count(source.info) >= scan::fewest_lanes_that_pay;
}

} // namespace dicom_jpegls
