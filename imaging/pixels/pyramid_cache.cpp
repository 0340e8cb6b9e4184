#include "imaging/pixels/pyramid_cache.hpp"

#include "imaging/pixels/sampled_histogram.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace cubelink::imaging {

namespace {

/// CacheKey::level of the two kinds of histograms.
constexpr std::int64_t exact_histogram = 0, histogram_of_sample = 1;

CacheKey histogram_key(const ImageSource& source, std::int32_t hdu, PlaneId plane, std::int64_t level) {
    return {source.identity(), hdu, plane, CacheKind::histogram, level};
}

std::size_t histogram_bytes(const ImageSource& source) {
    return sizeof(std::optional<Histogram>) + sizeof(std::int32_t) * std::size_t(automatic_bins(source.shape().width, source.shape().height));
}

} // namespace

std::shared_ptr<const PlanePyramid> cached_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                   const ThreadShare& threads, const CancelToken& cancel, std::function<void(double)> progress) {
    source.check_unchanged();
    PyramidOptions options;
    options.threads = threads;
    options.max_bytes = cache.limit() / 4;
    options.progress = std::move(progress);
    const std::size_t bytes = PlanePyramid::bytes_needed(source, plane, options);
    // A pyramid that takes no longer to make than memory for it to allocate replaces an older one, and reuses its memory.
    const std::size_t share = std::min(cache.limit() / 8, std::max(std::size_t(32) << 20, 2 * bytes));
    const bool quick = source.capabilities().random_access && bytes <= share && pyramid_keeps_pixels(cache, source);
    const CacheKey key{source.identity(), hdu, plane, quick ? CacheKind::quick_pyramid : CacheKind::pyramid, 0};
    if (quick) {
        if (auto found = cache.find<PlanePyramid>(key)) return found;
        cache.trim(key.kind, share - bytes, bytes);
    }
    return cache.get<PlanePyramid>(key, bytes, cancel, [&] { return PlanePyramid::build(source, plane, options, cancel); });
}

std::shared_ptr<const PlanePyramid> find_pyramid(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane) {
    for (const auto kind : {CacheKind::quick_pyramid, CacheKind::pyramid})
        if (auto found = cache.find<PlanePyramid>({source.identity(), hdu, plane, kind, 0})) return found;
    return nullptr;
}

std::shared_ptr<const Histogram> cached_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                  const ThreadShare& threads, const CancelToken& cancel) {
    const auto key = histogram_key(source, hdu, plane, exact_histogram);
    // The pyramid first, outside: making one value must not wait for the computation of another while it holds its own place.
    const auto pyramid = cached_pyramid(cache, source, hdu, plane, threads, cancel);
    return cache.get<Histogram>(key, histogram_bytes(source), cancel, [&] {
        return std::make_shared<const Histogram>(
            plane_histogram(source, plane, pyramid->summary(), HistogramSpec{}, threads, cancel, pyramid.get()));
    });
}

std::shared_ptr<const Histogram> find_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane) {
    return cache.find<Histogram>(histogram_key(source, hdu, plane, exact_histogram));
}

std::shared_ptr<const std::optional<Histogram>> cached_sampled_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                                                         const ThreadShare& threads, const CancelToken& cancel) {
    source.check_unchanged();
    return cache.get<std::optional<Histogram>>(histogram_key(source, hdu, plane, histogram_of_sample), histogram_bytes(source), cancel, [&] {
        auto histogram = sampled_histogram(source, plane, {}, threads, cancel);
        if (!histogram) histogram = sampled_histogram(source, plane, {}, threads, cancel, 8 * kSamplePixels);
        return std::make_shared<const std::optional<Histogram>>(std::move(histogram));
    });
}

std::shared_ptr<const std::optional<Histogram>> find_sampled_histogram(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane) {
    return cache.find<std::optional<Histogram>>(histogram_key(source, hdu, plane, histogram_of_sample));
}

bool pyramid_keeps_pixels(const BudgetCache& cache, const ImageSource& source) {
    const std::size_t pixels = std::size_t(source.shape().plane_size()) * sizeof(float);
    // The levels take a third of the pixels' size and a little more.
    return pixels <= PyramidOptions{}.keep_below && pixels / 2 * 3 <= cache.limit() / 4;
}

std::shared_ptr<const TilePixels> cached_tile(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane,
                                              const TileGeometry& tile, const CancelToken& cancel) {
    const std::size_t count = std::size_t(tile.width) * std::size_t(tile.height);
    const auto read = [&] {
        auto made = std::make_shared<TilePixels>();
        made->count = count;
        made->memory = make_pixels<float>(count);
        read_downsampled(source, plane, tile.rect, tile.mip, {made->memory.get(), count}, 1, cancel);
        return std::shared_ptr<const TilePixels>(std::move(made));
    };
    const std::size_t bytes = sizeof(TilePixels) + count * sizeof(float);
    const std::size_t share = std::min(cache.limit() / 8, std::size_t(64) << 20);
    if (bytes > share || !cache.trim(CacheKind::tile, share - bytes, bytes)) return read();
    source.check_unchanged();
    // Which tile: where it begins says it, as all of a mip begin at multiples of one size.
    const std::int64_t size = kTileSize * tile.mip, mip = std::countr_zero(std::uint64_t(tile.mip));
    const CacheKey key{source.identity(), hdu, plane, CacheKind::tile, mip << 56 | tile.rect.y0 / size << 28 | tile.rect.x0 / size};
    return cache.get<TilePixels>(key, bytes, cancel, read);
}

} // namespace cubelink::imaging
