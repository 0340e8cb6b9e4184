#pragma once
/// Loops over several threads, with the thread count from the caller. The one place that uses OpenMP's parallel regions, because nothing
/// may be thrown out of one: here the first exception ends the loop and is thrown again on the calling thread.

#include "imaging/base/cancel.hpp"

#include <cstdint>
#include <type_traits>

namespace cubelink::imaging {

namespace detail {
using LoopBody = void (*)(void* context, std::int64_t index, int thread);
void parallel_for(int threads, std::int64_t n, const CancelToken& cancel, LoopBody body, void* context);
} // namespace detail

/// Calls fn(index, thread) once for each index in [0, n), in any order, on up to `threads` threads (numbered from 0; 1 runs inline).
/// Indices are handed out one at a time: make each worth some 10 µs. Looks at `cancel` before each and throws Cancelled; throws the first
/// exception that fn threw, after all threads have left the loop. May be called from several threads at once.
template <class Fn>
void parallel_for(int threads, std::int64_t n, const CancelToken& cancel, Fn&& fn) {
    using F = std::remove_reference_t<Fn>;
    detail::parallel_for(
        threads, n, cancel, [](void* context, std::int64_t index, int thread) { (*static_cast<F*>(context))(index, thread); },
        const_cast<void*>(static_cast<const void*>(&fn)));
}

} // namespace cubelink::imaging
