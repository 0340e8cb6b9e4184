#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include <omp.h>

namespace cubelink::imaging::detail {

void parallel_for(int threads, std::int64_t n, const CancelToken& cancel, LoopBody body, void* context) {
    if (n <= 0) return;
    const int team = int(std::clamp<std::int64_t>(threads, 1, n));
    if (team == 1) {
        for (std::int64_t i = 0; i < n; ++i) {
            cancel.throw_if_cancelled();
            body(context, i, 0);
        }
        return;
    }

    std::atomic<std::int64_t> next{0};
    std::atomic<bool> stop{false};
    std::exception_ptr failure;
    std::mutex failure_mutex;
    // A counter of our own instead of OpenMP's work sharing: indices are handed out one at a time in ascending order, and the loop can be
    // left early.
#pragma omp parallel num_threads(team)
    {
        const int thread = omp_get_thread_num();
        while (!stop.load(std::memory_order_relaxed)) {
            const std::int64_t i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= n) break;
            try {
                cancel.throw_if_cancelled();
                body(context, i, thread);
            } catch (...) {
                const std::lock_guard lock(failure_mutex);
                if (!failure) failure = std::current_exception();
                stop.store(true, std::memory_order_relaxed);
            }
        }
    }
    if (failure) std::rethrow_exception(failure);
}

} // namespace cubelink::imaging::detail
