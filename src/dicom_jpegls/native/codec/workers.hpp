// SPDX-License-Identifier: MIT
//
// Threads for the C API. In Python, whose threads notice interruptions, parallel.py has them.
#pragma once

#include "encode.hpp"
#include "many.hpp"

#include <atomic>
#include <exception>
#include <numeric>
#include <thread>

namespace dicom_jpegls {

constexpr std::size_t maximum_workers{DICOM_JPEGLS_MAXIMUM_WORKERS};

// The number of workers for `count` items with so many samples together. 0 stands for one per core, but only for as
// many as have enough to do.
[[nodiscard]] inline std::size_t worker_count(const std::size_t wanted, const std::size_t count,
                                              const std::uint64_t samples) noexcept
{
    const std::uint64_t cores{wanted == 0 ? std::thread::hardware_concurrency() : wanted};
    const std::uint64_t useful{wanted == 0 ? samples / samples_per_task : wanted};
    return static_cast<std::size_t>(
        std::max<std::uint64_t>(std::min<std::uint64_t>({cores, useful, count, maximum_workers}), 1));
}

// Returns whether a thread that calls `work` could be started.
template<typename Work>
[[nodiscard]] bool start_thread(std::vector<std::thread>& threads, const Work& work) noexcept
{
    try
    {
        threads.emplace_back(work);
        return true;
    }
    catch (const std::exception&)
    {
        return false;
    }
}

// Calls `code(coder, first, last)`, which must not throw, for batches of `count` items in the threads of the workers,
// of which the calling thread is one. Throws std::bad_alloc, before the first call.
template<typename Code>
void code_in_batches(const std::size_t count, const std::size_t workers, const Code& code)
{
    std::vector<std::size_t> ends{batch_sizes(count, workers)};
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    std::atomic<std::size_t> next{};
    const auto work = [&]() noexcept {
        many_coder coder;
        for (std::size_t batch{next++}; batch < ends.size(); batch = next++)
            code(coder, batch == 0 ? 0 : ends[batch - 1], ends[batch]);
    };
    std::vector<std::thread> threads;
    threads.reserve(workers - 1);
    // If the system allows no more threads, those that have been started do it all.
    while (threads.size() + 1 < std::min(workers, ends.size()) && start_thread(threads, work))
        continue;
    work();
    for (std::thread& thread : threads)
        thread.join();
}

} // namespace dicom_jpegls
