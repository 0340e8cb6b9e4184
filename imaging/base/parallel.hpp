#pragma once
/// Loops over several threads. The thread that calls parallel_for() works through its loop itself; threads of one set, the helpers, join
/// loops as their shares allow and as they are free. So a loop never waits for a thread to start, and needs none: a helper that can't be
/// started, or that is busy elsewhere, costs speed and nothing else.
///
/// One set of helpers for the process, however many threads call parallel_for() at once. (libgomp keeps a team of threads for each calling
/// thread, and ends the process when it can't start one.)

#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cubelink::imaging {

namespace detail {
using LoopBody = void (*)(void* context, std::int64_t index, int thread);
void parallel_for(const ThreadShare& threads, std::int64_t n, const CancelToken& cancel, LoopBody body, void* context);
} // namespace detail

/// Calls fn(index, thread) once for each index in [0, n), on up to `threads` threads at once. Indices are handed out one at a time in ascending
/// order: make each worth some 10 µs. `thread` is in [0, threads.most()), never the same for two calls at the same time, and 0 for the calling
/// thread, which may run all of them. The share is asked for before each index: helpers leave the loop when it
/// shrinks, and join it when it grows.
///
/// Looks at `cancel` before each index and throws Cancelled; throws the first exception that fn threw, after all threads have left the
/// loop. May be called from several threads at once, and from inside of fn.
template <class Fn>
void parallel_for(const ThreadShare& threads, std::int64_t n, const CancelToken& cancel, Fn&& fn) {
    using F = std::remove_reference_t<Fn>;
    detail::parallel_for(
        threads, n, cancel, [](void* context, std::int64_t index, int thread) { (*static_cast<F*>(context))(index, thread); },
        const_cast<void*>(static_cast<const void*>(&fn)));
}

/// Upper bound on helpers in this process: 15 unless set. Those that are there already stay.
void set_max_loop_helpers(std::size_t count);
/// Starts helpers until there are `count`, the upper bound is reached, or the system refuses one. Helpers are started as loops need them in any
/// case; this spares the first loops the time. Returns how many there are.
std::size_t start_loop_helpers(std::size_t count);
std::size_t loop_helpers();

} // namespace cubelink::imaging
