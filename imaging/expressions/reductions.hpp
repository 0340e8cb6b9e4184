#pragma once
/// Numbers from all pixels: mean(), median(), any() … and what is computed from them.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/expressions/program.hpp"

#include <functional>

namespace cubelink::imaging::expressions {

/// All numbers that the graph's root needs, each kind of pass over an image's pixels once. Sums are of doubles; results don't depend on the
/// number of threads. `progress`, if given: 0 to 1, on the calling thread; it may throw. Throws as ImageSource::read.
Scalars compute_scalars(const Graph& graph, BudgetCache* budget, const ThreadShare& threads, const CancelToken& cancel,
                        const std::function<void(double)>& progress = {});

} // namespace cubelink::imaging::expressions
