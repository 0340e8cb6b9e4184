#pragma once
/// Pyramids and histograms of planes through the cache. May be called from any thread; one key is computed once.

#include "imaging/budget_cache.hpp"
#include "imaging/histogram.hpp"
#include "imaging/pyramid.hpp"

namespace cubelink::imaging {

/// Asks source.check_unchanged() first. Kept levels take at most a quarter of the budget. `progress` as in PyramidOptions, only called if
/// this call is the one that builds. Throws as PlanePyramid::build, OverBudget, ImageChanged.
std::shared_ptr<const PlanePyramid> cached_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                   int threads, const CancelToken& cancel, std::function<void(double)> progress = {});

/// The default histogram (automatic bins and bounds), the one that comes with every channel.
std::shared_ptr<const Histogram> cached_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                  int threads, const CancelToken& cancel);

} // namespace cubelink::imaging
