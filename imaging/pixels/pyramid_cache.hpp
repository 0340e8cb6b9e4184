#pragma once
/// Pyramids, histograms and tiles of planes through the cache. May be called from any thread; one key is computed once.

#include "imaging/base/budget_cache.hpp"
#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/pyramid.hpp"

#include <optional>

namespace cubelink::imaging {

/// Asks source.check_unchanged() first. Kept levels take at most a quarter of the budget. `progress` as in PyramidOptions, only called if
/// this call is the one that builds. Throws as PlanePyramid::build, OverBudget, ImageChanged.
std::shared_ptr<const PlanePyramid> cached_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                   const ThreadShare& threads, const CancelToken& cancel, std::function<void(double)> progress = {});

/// The same, if it is in the cache already; nullptr otherwise. Does not look at the file.
std::shared_ptr<const PlanePyramid> find_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane);

/// The default histogram (automatic bins and bounds), the one that comes with every channel.
std::shared_ptr<const Histogram> cached_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                  const ThreadShare& threads, const CancelToken& cancel);

/// The same, if it is in the cache already; nullptr otherwise. Does not look at the file.
std::shared_ptr<const Histogram> find_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane);

/// sampled_histogram() with automatic bins and bounds, of a larger sample if the plane is nearly blank; it holds nothing if neither stands for the plane. Asks
/// source.check_unchanged() first.
std::shared_ptr<const std::optional<Histogram>> cached_sampled_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                                         const ThreadShare& threads, const CancelToken& cancel);
/// The same, if it is in the cache already; nullptr otherwise. Does not look at the file.
std::shared_ptr<const std::optional<Histogram>> find_sampled_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane);

/// Whether cached_pyramid() keeps the pixels of a plane too, so that full-resolution tiles are cut from memory.
bool pyramid_keeps_pixels(const BudgetCache& cache, const ImageSource& source);

/// Pixels of one tile, row by row.
struct TilePixels {
    Pixels<float> memory;
    std::size_t count = 0;
    std::span<const float> pixels() const { return {memory.get(), count}; }
};

/// A tile straight from the source, for mips that the pyramid does not hold, cached: other clients request it again, in other
/// qualities, or by panning back, and making it takes many small reads. Such tiles take at most an eighth of
/// the budget and 64 MiB, and nothing else is evicted for them. Asks source.check_unchanged() first. Throws as ImageSource::read.
std::shared_ptr<const TilePixels> cached_tile(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                              const TileGeometry& tile, const CancelToken& cancel);

} // namespace cubelink::imaging
