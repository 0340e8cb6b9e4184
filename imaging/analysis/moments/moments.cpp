#include "imaging/analysis/moments/moments.hpp"

#include "imaging/analysis/moments/moment_kernels.hpp"
#include "imaging/analysis/moments/moment_tiles.hpp"
#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr float blank = std::numeric_limits<float>::quiet_NaN();
constexpr std::int32_t group_size = 8;                 // channels that are read and summed at once
constexpr std::int64_t tile_pixels = 16384;            // of tiles whose channels need not be kept
constexpr std::int64_t least_pixels = 1024;            // of a tile that is made small because memory is in use elsewhere
constexpr std::size_t kept_bytes = std::size_t(8) << 20; // of a tile whose channels are kept: with that of another thread about the last cache

/// Which sums the moments need.
struct Needs {
    bool weighted = false, coordinates = false, integral = false, extremes = false, spread = false; // running
    bool deviations = false, medians = false, half_coordinates = false;                             // of all channels of a tile

    Needs(std::span<const Moment> moments, bool even_widths) {
        for (const Moment moment : moments) {
            switch (moment) {
            case Moment::mean: weighted = true; break;
            case Moment::integrated: weighted = true, integral |= !even_widths; break;
            case Moment::weighted_coordinate:
            case Moment::weighted_dispersion: weighted = coordinates = true; break;
            case Moment::median: medians = true; break;
            case Moment::median_coordinate: weighted = half_coordinates = true; break;
            case Moment::standard_deviation:
            case Moment::rms: spread = true; break;
            case Moment::absolute_deviation: weighted = deviations = true; break;
            default: extremes = true;
            }
        }
    }
    bool all_channels() const { return deviations || medians || half_coordinates; }
    std::size_t doubles() const {
        return 2 * std::size_t(weighted) + 2 * std::size_t(coordinates) + std::size_t(integral) + 3 * std::size_t(spread) + 2 * std::size_t(deviations) +
               std::size_t(medians) + std::size_t(half_coordinates);
    }
};

/// The channels that take part, in ranges without a gap, with their coordinates (relative to `origin`, so that squares keep their digits) and widths.
struct Channels {
    std::vector<std::int32_t> numbers;
    std::vector<double> coordinates, widths;
    double origin = 0;
    bool even_widths = true;

    explicit Channels(const MomentInput& input) {
        for (std::int32_t channel = input.channels.from; channel < input.channels.to; ++channel) {
            const auto at = static_cast<std::size_t>(channel - input.channels.from);
            if (!std::isfinite(input.coordinates[at]) || !std::isfinite(input.widths[at])) continue;
            numbers.push_back(channel);
            coordinates.push_back(input.coordinates[at]);
            widths.push_back(std::abs(input.widths[at]));
        }
        if (numbers.empty()) return;
        const auto [low, high] = std::minmax_element(coordinates.begin(), coordinates.end());
        origin = *low + (*high - *low) / 2;
        for (double& coordinate : coordinates) coordinate -= origin;
        const auto [narrow, wide] = std::minmax_element(widths.begin(), widths.end());
        even_widths = *wide - *narrow <= 1e-7 * *wide;
        if (even_widths) std::fill(widths.begin(), widths.end(), std::accumulate(widths.begin(), widths.end(), 0.0) / double(widths.size()));
    }
    std::size_t count() const { return numbers.size(); }
    /// How many of the channels from `at` on, `most` at most, are neighbours.
    std::size_t neighbours(std::size_t at, std::size_t most) const {
        std::size_t n = 1;
        while (n < most && at + n < numbers.size() && numbers[at + n] == numbers[at] + static_cast<std::int32_t>(n)) ++n;
        return n;
    }
};

/// Sums of the pixels of a tile.
template <class T>
class TileSums {
public:
    TileSums(const Needs& needs, std::size_t most_pixels) : needs_(needs), room_(kernels::padded(most_pixels)) {
        doubles_ = make_pixels<double>(std::max<std::size_t>(needs.doubles(), 1) * room_);
        double* next = doubles_.get();
        const auto take = [&](bool wanted) {
            double* const array = wanted ? next : nullptr;
            if (wanted) next += room_;
            return array;
        };
        sum = take(needs.weighted), mean_of_sum = take(needs.weighted);
        by_coordinate = take(needs.coordinates), by_square = take(needs.coordinates);
        integral = take(needs.integral);
        spread = {take(needs.spread), take(needs.spread), take(needs.spread)};
        deviations = take(needs.deviations), medians = take(needs.medians), half_coordinates = take(needs.half_coordinates);
        if (needs.weighted) count = make_pixels<kernels::Index<T>>(room_);
        if (needs.extremes) {
            extreme_values_ = make_pixels<T>(2 * room_);
            extreme_places_ = make_pixels<kernels::Index<T>>(2 * room_);
            extremes = {extreme_values_.get(), extreme_values_.get() + room_, extreme_places_.get(), extreme_places_.get() + room_};
        }
    }
    static std::size_t bytes_of_pixel(const Needs& needs) {
        return needs.doubles() * sizeof(double) + std::size_t(needs.weighted) * sizeof(T) + 4 * std::size_t(needs.extremes) * sizeof(T);
    }

    void clear(std::size_t pixels) {
        const std::size_t n = kernels::padded(pixels);
        if (needs_.weighted) std::fill_n(count.get(), n, 0);
        for (double* array : {sum, by_coordinate, by_square, integral, spread.count, spread.mean, spread.m2, deviations})
            if (array != nullptr) std::fill_n(array, n, 0.0);
        if (!needs_.extremes) return;
        std::fill_n(extremes.min, n, std::numeric_limits<T>::infinity());
        std::fill_n(extremes.max, n, -std::numeric_limits<T>::infinity());
        std::fill_n(extremes.at_min, n, -1);
        std::fill_n(extremes.at_max, n, -1);
    }

    /// Channels that follow those added before; `first` is the number of the first one.
    void add(const kernels::ValueBlock<T>& block, std::size_t first, const Channels& channels) {
        if (needs_.weighted)
            kernels::add_weighted<T>(block, channels.coordinates.data() + first, {count.get(), sum, by_coordinate, by_square});
        if (needs_.integral) kernels::add_integral<T>(block, channels.widths.data() + first, integral);
        if (needs_.extremes) kernels::add_extremes<T>(block, static_cast<kernels::Index<T>>(first), extremes);
        if (needs_.spread && !needs_.deviations) kernels::add_spread<T>(block, spread);
    }

    /// What needs all channels, after add() had them.
    void finish(const kernels::ValueBlock<T>& all, const Channels& channels, kernels::Index<T>* keys, const CancelToken& cancel) {
        if (needs_.deviations) {
            const std::size_t n = kernels::padded(all.pixels);
            for (std::size_t i = 0; i < n; ++i) mean_of_sum[i] = count[i] > 0 ? sum[i] / double(count[i]) : 0.0;
            kernels::add_deviations<T>(all, mean_of_sum, deviations, spread.m2);
            if (needs_.spread) {
                std::copy_n(count.get(), n, spread.count);
                std::copy_n(mean_of_sum, n, spread.mean);
            }
        }
        if (needs_.medians) kernels::find_medians<T>(all, keys, medians, cancel);
        if (needs_.half_coordinates) kernels::find_half_coordinates<T>(all, channels.coordinates.data(), sum, half_coordinates);
    }

    double value(Moment moment, std::size_t i, const Channels& channels) const {
        constexpr double none = std::numeric_limits<double>::quiet_NaN();
        const auto coordinate = [&](kernels::Index<T> at) { return at < 0 ? none : channels.coordinates[static_cast<std::size_t>(at)] + channels.origin; };
        switch (moment) {
        case Moment::mean: return count[i] > 0 ? sum[i] / double(count[i]) : none;
        case Moment::integrated: return count[i] == 0 ? none : integral != nullptr ? integral[i] : sum[i] * channels.widths.front();
        case Moment::weighted_coordinate: return sum[i] != 0 ? channels.origin + by_coordinate[i] / sum[i] : none;
        case Moment::weighted_dispersion: {
            if (sum[i] == 0) return none;
            const double mean = by_coordinate[i] / sum[i], square = by_square[i] / sum[i] - mean * mean;
            // What rounding leaves of a single channel is no dispersion.
            if (std::abs(square) <= 1e-14 * mean * mean) return 0;
            return square > 0 ? std::sqrt(square) : none;
        }
        case Moment::median: return medians[i];
        case Moment::median_coordinate: return half_coordinates[i] + channels.origin;
        case Moment::standard_deviation: return spread.count[i] > 1 ? std::sqrt(spread.m2[i] / (spread.count[i] - 1)) : none;
        case Moment::rms:
            return spread.count[i] > 0 ? std::sqrt(spread.m2[i] / spread.count[i] + spread.mean[i] * spread.mean[i]) : none;
        case Moment::absolute_deviation: return count[i] > 0 ? deviations[i] / double(count[i]) : none;
        case Moment::maximum: return extremes.at_max[i] < 0 ? none : double(extremes.max[i]);
        case Moment::maximum_coordinate: return coordinate(extremes.at_max[i]);
        case Moment::minimum: return extremes.at_min[i] < 0 ? none : double(extremes.min[i]);
        case Moment::minimum_coordinate: return coordinate(extremes.at_min[i]);
        }
        return none;
    }

private:
    Needs needs_;
    std::size_t room_;
    Pixels<double> doubles_;
    Pixels<T> extreme_values_;
    Pixels<kernels::Index<T>> extreme_places_;

    Pixels<kernels::Index<T>> count;
    double *sum, *mean_of_sum, *by_coordinate, *by_square, *integral, *deviations, *medians, *half_coordinates;
    kernels::Spread spread;
    kernels::Extremes<T> extremes;
};

/// Reads the pixels of a tile, `runs`, in neighbouring channels.
template <class T>
void read_tile(const ImageSource& source, const Rect& rect, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<T> out,
               Pixels<T>& plane, std::size_t plane_room, const CancelToken& cancel) {
    const auto read_plane = [&](std::int32_t channel, std::span<T> to) {
        if constexpr (std::is_same_v<T, double>) source.read64(rect, {channel, stokes}, to, 1, cancel);
        else source.read(rect, {channel, stokes}, to, 1, cancel);
    };
    const bool contiguous = runs.size() == static_cast<std::size_t>(rect.height()) && rect.width() == source.shape().width && out.size() == static_cast<std::size_t>(rect.size() * channels.count());
    if (source.capabilities().random_access && !contiguous) {
        if constexpr (std::is_same_v<T, double>) return source.read_pixels64(runs, channels, stokes, out, cancel);
        else return source.read_pixels(runs, channels, stokes, out, cancel);
    }
    const std::size_t pixels = out.size() / static_cast<std::size_t>(channels.count()), all = static_cast<std::size_t>(rect.size());
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel, out = out.subspan(pixels)) {
        if (pixels == all) {
            read_plane(channel, out.first(pixels));
            continue;
        }
        if (!plane) plane = make_pixels<T>(plane_room);
        read_plane(channel, {plane.get(), all});
        T* to = out.data();
        for (const PixelRun& run : runs) to = std::copy_n(plane.get() + (run.y - rect.y0) * rect.width() + (run.x0 - rect.x0), run.length(), to);
    }
}

template <class T>
void keep_values(const MomentInput& input, const Channels& channels, std::size_t first, std::size_t count, std::size_t pixels, T* values) {
    if (input.include) kernels::keep_range<T>(values, pixels * count, T(input.include->low), T(input.include->high), true);
    if (input.exclude) kernels::keep_range<T>(values, pixels * count, T(input.exclude->low), T(input.exclude->high), false);
    for (std::size_t i = 0; i < count && !input.limits.empty(); ++i) {
        const ValueRange& limits = input.limits[static_cast<std::size_t>(channels.numbers[first + i] - input.channels.from)];
        kernels::keep_range<T>(values + i * pixels, pixels, T(limits.low), T(limits.high), true);
    }
}

std::size_t memory_of(const MomentTiles& tiles, const TileCosts& costs) {
    return static_cast<std::size_t>(tiles.threads()) * (tiles.largest() * costs.of_pixel + costs.of_thread);
}

/// Tiles whose memory is there: where much of the budget is in use smaller ones, or fewer threads, and only where these don't fit it is waited for.
MomentTiles tiles_in(BudgetCache* budget, const MomentInput& input, TileCosts costs, int threads, const CancelToken& cancel, Reservation& reservation) {
    const std::size_t least = static_cast<std::size_t>(least_pixels) * costs.of_pixel + costs.of_thread;
    for (;;) {
        const MomentTiles tiles(*input.source, input.rect, input.mask, costs, threads);
        if (budget == nullptr) return tiles;
        const std::size_t needed = memory_of(tiles, costs);
        if (auto there = budget->try_reserve(needed)) {
            reservation = std::move(*there);
            return tiles;
        }
        costs.memory = std::min(costs.memory, needed) / 2;
        if (costs.memory < least) {
            reservation = budget->reserve(needed, cancel);
            return tiles;
        }
    }
}

template <class T>
void compute(const MomentInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes, const ThreadShare& threads,
             const CancelToken& cancel, const MomentOptions& options) {
    const Channels channels(input);
    const Needs needs(moments, channels.even_widths);
    const ImageSource& source = *input.source;
    const std::size_t depth = channels.count(), kept = needs.all_channels() ? depth : std::min<std::size_t>(depth, group_size);
    const bool compacts = !source.capabilities().random_access && input.mask != nullptr;

    TileCosts costs;
    costs.of_pixel = TileSums<T>::bytes_of_pixel(needs) + (kept + std::size_t(compacts)) * sizeof(T);
    costs.of_thread = kernels::moment_padding * (costs.of_pixel + sizeof(T)) + (needs.medians ? depth * kernels::moment_padding * sizeof(T) : 0);
    costs.good_size = needs.all_channels() ? std::clamp<std::int64_t>(static_cast<std::int64_t>(kept_bytes / (sizeof(T) * std::max<std::size_t>(depth, 1))), 256, tile_pixels)
                                           : tile_pixels;
    costs.memory = options.memory;
    Reservation reservation;
    const MomentTiles tiles = tiles_in(options.budget, input, costs, threads.most(), cancel, reservation);
    const ThreadShare share(tiles.threads(), [threads] { return threads.now(); });

    struct Buffers {
        std::vector<PixelRun> runs;
        Pixels<T> values, plane;
        Pixels<kernels::Index<T>> keys;
        std::unique_ptr<TileSums<T>> sums;
    };
    std::vector<Buffers> buffers(share.slots());
    std::atomic<std::int64_t> done{0};
    parallel_for(share, tiles.count(), cancel, [&](std::int64_t index, int thread) {
        Buffers& mine = buffers[static_cast<std::size_t>(thread)];
        if (!mine.sums) {
            mine.sums = std::make_unique<TileSums<T>>(needs, tiles.largest());
            mine.values = make_pixels<T>(tiles.largest() * kept + kernels::moment_padding);
            std::fill_n(mine.values.get() + tiles.largest() * kept, kernels::moment_padding, T(0));
            if (needs.medians) mine.keys = make_pixels<kernels::Index<T>>(depth * kernels::moment_padding);
        }
        const Rect rect = tiles.rect(index);
        tiles.runs(index, mine.runs);
        std::size_t pixels = 0;
        for (const PixelRun& run : mine.runs) pixels += static_cast<std::size_t>(run.length());
        if (pixels > 0) {
            mine.sums->clear(pixels);
            for (std::size_t first = 0; first < depth;) {
                const std::size_t count = channels.neighbours(first, group_size);
                T* const values = mine.values.get() + (needs.all_channels() ? first * pixels : 0);
                const std::int32_t from = channels.numbers[first];
                read_tile<T>(source, rect, mine.runs, {from, from + static_cast<std::int32_t>(count)}, input.stokes, {values, count * pixels}, mine.plane,
                             tiles.largest(), cancel);
                keep_values<T>(input, channels, first, count, pixels, values);
                mine.sums->add({values, pixels, count}, first, channels);
                first += count;
            }
            if (needs.all_channels()) mine.sums->finish({mine.values.get(), pixels, depth}, channels, mine.keys.get(), cancel);
        }
        for (std::size_t k = 0; k < moments.size(); ++k) {
            const auto at = [&](std::int64_t x, std::int64_t y) { return planes[k].data() + (y - input.rect.y0) * input.rect.width() + (x - input.rect.x0); };
            if (pixels < static_cast<std::size_t>(rect.size()))
                for (std::int64_t y = rect.y0; y < rect.y1; ++y) std::fill_n(at(rect.x0, y), rect.width(), blank);
            std::size_t pixel = 0;
            for (const PixelRun& run : mine.runs) {
                float* to = at(run.x0, run.y);
                for (std::int64_t i = 0; i < run.length(); ++i) to[i] = static_cast<float>(mine.sums->value(moments[k], pixel++, channels));
            }
        }
        const auto so_far = done.fetch_add(1, std::memory_order_relaxed) + 1;
        if (thread == 0 && options.progress) options.progress(double(so_far) / double(tiles.count()));
    });
}

void check(const MomentInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes) {
    if (input.source == nullptr) throw std::invalid_argument("moments without an image");
    const ImageShape& shape = input.source->shape();
    if (input.channels.from < 0 || input.channels.from > input.channels.to || input.channels.to > shape.depth)
        throw std::out_of_range("the channels are not within the image");
    const Rect& rect = input.rect;
    if (rect.x0 < 0 || rect.y0 < 0 || rect.x0 > rect.x1 || rect.y0 > rect.y1 || rect.x1 > shape.width || rect.y1 > shape.height)
        throw std::out_of_range("the rectangle is not within the image");
    if (input.mask != nullptr && !input.mask->empty()) {
        const Rect& mask = input.mask->bounds();
        if (mask.x0 < rect.x0 || mask.y0 < rect.y0 || mask.x1 > rect.x1 || mask.y1 > rect.y1) throw std::invalid_argument("the mask is not within the rectangle");
    }
    const auto depth = static_cast<std::size_t>(input.channels.count());
    if (input.coordinates.size() != depth || input.widths.size() != depth || (!input.limits.empty() && input.limits.size() != depth))
        throw std::invalid_argument("not one coordinate for each channel");
    if (planes.size() != moments.size()) throw std::invalid_argument("not one plane for each moment");
    for (const auto& plane : planes)
        if (plane.size() != static_cast<std::size_t>(rect.size())) throw std::invalid_argument("a plane has not the size of the rectangle");
}

} // namespace

void compute_moments(const MomentInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes, const ThreadShare& threads,
                     const CancelToken& cancel, const MomentOptions& options) {
    check(input, moments, planes);
    if (input.source->capabilities().prefers_double) compute<double>(input, moments, planes, threads, cancel, options);
    else compute<float>(input, moments, planes, threads, cancel, options);
}

} // namespace cubelink::imaging
