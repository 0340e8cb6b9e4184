#include "imaging/pyramid_cache.hpp"

#include <utility>

namespace cubelink::imaging {

std::shared_ptr<const PlanePyramid> cached_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                   int threads, const CancelToken& cancel, std::function<void(double)> progress) {
    source.check_unchanged();
    PyramidOptions options;
    options.threads = threads;
    options.max_bytes = cache.limit() / 4;
    options.progress = std::move(progress);
    const CacheKey key{source.identity(), hdu, plane, CacheKind::pyramid, 0};
    return cache.get<PlanePyramid>(key, PlanePyramid::bytes_needed(source, plane, options), cancel,
                                   [&] { return PlanePyramid::build(source, plane, options, cancel); });
}

std::shared_ptr<const Histogram> cached_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                  int threads, const CancelToken& cancel) {
    const std::size_t bytes =
        sizeof(Histogram) + sizeof(std::int32_t) * std::size_t(automatic_bins(source.shape().width, source.shape().height));
    const CacheKey key{source.identity(), hdu, plane, CacheKind::histogram, 0};
    // The pyramid first, outside: making one value must not wait for the computation of another while it holds its own place.
    const auto pyramid = cached_pyramid(cache, source, hdu, plane, threads, cancel);
    return cache.get<Histogram>(key, bytes, cancel, [&] {
        return std::make_shared<const Histogram>(
            plane_histogram(source, plane, pyramid->summary(), HistogramSpec{}, threads, cancel, pyramid.get()));
    });
}

} // namespace cubelink::imaging
