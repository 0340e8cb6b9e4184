#include "imaging/pixels/histogram.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/kernels/histogram_bins.hpp"
#include "imaging/pixels/mask_windows.hpp"
#include "imaging/pixels/pixel_bands.hpp"
#include "imaging/pixels/pyramid.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr std::size_t kBinsAtOnce = std::size_t(1) << 22; // of all masks and threads
constexpr std::size_t kPart = std::size_t(1) << 30; // values counted before 32-bit counts are moved to 64-bit ones

kernels::Binning binning_for(const HistogramBounds& bounds, std::int32_t bins) {
    kernels::Binning b;
    b.min = bounds.min;
    b.max = bounds.max;
    b.bins = bins;
    const double range = bounds.max - bounds.min;
    if (!std::isfinite(range))
        b.scale = 0.5;
    else if (range / bins < 1e-290)
        b.scale = 0x1p600; // then both bounds are tiny, too
    b.width = (bounds.max * b.scale - bounds.min * b.scale) / bins;
    return b;
}

HistogramBounds bounds_of(const HistogramSpec& spec, const PlaneSummary& summary) {
    return spec.bounds ? *spec.bounds : HistogramBounds{summary.min, summary.max};
}

/// Counts of one thread.
struct ThreadCounts {
    std::vector<std::uint32_t> counts;
    std::vector<std::uint64_t> totals;
    std::size_t pending = 0;

    template <class T>
    void add(const T* values, std::size_t n, const kernels::Binning& b) {
        if (counts.empty()) counts.resize(2 * std::size_t(b.bins) + 2);
        while (n > 0) {
            const std::size_t part = std::min(n, kPart);
            if (pending + part > 2 * kPart) flush(b);
            kernels::count_into_bins(values, part, b, counts.data());
            pending += part;
            values += part;
            n -= part;
        }
    }
    void flush(const kernels::Binning& b) {
        totals.resize(std::size_t(b.bins));
        add_to(totals);
        std::fill(counts.begin(), counts.end(), 0);
        pending = 0;
    }
    void add_to(std::vector<std::uint64_t>& sums) const {
        if (counts.empty()) return;
        const std::size_t bins = counts.size() / 2 - 1;
        for (std::size_t i = 0; i < bins; ++i) sums[i] += std::uint64_t(counts[i]) + counts[bins + i];
    }
    void finish(std::vector<std::uint64_t>& sums) const {
        add_to(sums);
        for (std::size_t i = 0; i < totals.size(); ++i) sums[i] += totals[i];
    }
};

template <class T>
void add_array(std::span<const T> values, const HistogramBounds& bounds, std::vector<std::uint64_t>& counts) {
    ThreadCounts thread;
    thread.add(values.data(), values.size(), binning_for(bounds, std::int32_t(counts.size())));
    thread.finish(counts);
}

template <class T>
Histogram histogram_of_array(std::span<const T> values, std::int64_t width, std::int64_t height, const HistogramSpec& spec) {
    const PlaneSummary summary = summarise(values);
    HistogramCounter counter(bounds_of(spec, summary), checked_bins(spec, width, height));
    counter.add(values);
    return counter.histogram(summary);
}

} // namespace

std::int32_t automatic_bins(std::int64_t width, std::int64_t height) {
    const double pixels = double(std::max<std::int64_t>(width, 0)) * double(std::max<std::int64_t>(height, 0));
    return std::int32_t(std::clamp(std::floor(std::sqrt(pixels)), 2.0, double(kMaxHistogramBins)));
}

std::int32_t checked_bins(const HistogramSpec& spec, std::int64_t width, std::int64_t height) {
    if (spec.num_bins == -1) return automatic_bins(width, height);
    if (spec.num_bins < 1 || spec.num_bins > kMaxHistogramBins) {
        throw std::invalid_argument("a histogram of " + std::to_string(spec.num_bins) + " bins (1 to " + std::to_string(kMaxHistogramBins) +
                                    ", or −1, are possible)");
    }
    return spec.num_bins;
}

HistogramCounter::HistogramCounter(const HistogramBounds& bounds, std::int32_t bins) : bounds_(bounds) {
    if (bins < 1 || bins > kMaxHistogramBins) throw std::invalid_argument("a histogram of " + std::to_string(bins) + " bins");
    if (std::isinf(bounds.min) || std::isinf(bounds.max)) throw std::invalid_argument("the bounds of a histogram are infinite");
    if (!(bounds.min < bounds.max)) {
        bounds_ = {};
        return;
    }
    const kernels::Binning b = binning_for(bounds, bins);
    bin_width_ = b.width / b.scale;
    counts_.resize(std::size_t(bins));
}

void HistogramCounter::add(std::span<const float> values) {
    if (!degenerate()) add_array(values, bounds_, counts_);
}

void HistogramCounter::add(std::span<const double> values) {
    if (!degenerate()) add_array(values, bounds_, counts_);
}

void HistogramCounter::add(const ImageSource& source, const Rect& rect, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel) {
    add(source, rect, {plane.channel, plane.channel + 1}, plane.stokes, threads, cancel);
}

void HistogramCounter::add(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const ThreadShare& threads,
                           const CancelToken& cancel) {
    if (degenerate()) return;
    const kernels::Binning binning = binning_for(bounds_, std::int32_t(counts_.size()));
    std::vector<ThreadCounts> partial(threads.slots());
    with_pixel_type(source, [&](auto type) {
        using T = decltype(type);
        visit_bands<T>(source, PixelBands(source, rect, channels, stokes), threads, cancel, [&](std::int64_t, std::span<const T> pixels, int thread) {
            partial[std::size_t(thread)].add(pixels.data(), pixels.size(), binning);
        });
    });
    for (const ThreadCounts& thread : partial) thread.finish(counts_);
}

void HistogramCounter::add(std::span<const float> values, const ThreadShare& threads, const CancelToken& cancel) {
    if (degenerate()) return;
    constexpr std::size_t kPiece = std::size_t(1) << 16;
    const kernels::Binning binning = binning_for(bounds_, std::int32_t(counts_.size()));
    std::vector<ThreadCounts> partial(threads.slots());
    parallel_for(threads, std::int64_t((values.size() + kPiece - 1) / kPiece), cancel, [&](std::int64_t index, int thread) {
        const std::size_t from = std::size_t(index) * kPiece;
        partial[std::size_t(thread)].add(values.data() + from, std::min(kPiece, values.size() - from), binning);
    });
    for (const ThreadCounts& thread : partial) thread.finish(counts_);
}

void HistogramCounter::add_masks(const ImageSource& source, MaskList masks, PlaneId plane, std::span<HistogramCounter> counters, const ThreadShare& threads,
                                 const CancelToken& cancel, std::span<const float> in_memory) {
    if (counters.size() != masks.size()) throw std::invalid_argument("as many counters as masks are needed");
    // As many at once as their bins, of each thread, take little memory.
    for (std::size_t from = 0, to = 0; from < masks.size(); from = to) {
        std::size_t bins = 0;
        std::vector<kernels::Binning> binnings;
        std::vector<const PixelMask*> some;
        const PixelMask nothing;
        for (; to < masks.size() && (to == from || bins + counters[to].counts_.size() <= kBinsAtOnce / threads.slots()); ++to) {
            bins += counters[to].counts_.size();
            some.push_back(counters[to].degenerate() ? &nothing : masks[to]);
            binnings.push_back(counters[to].degenerate() ? kernels::Binning{} : binning_for(counters[to].bounds_, std::int32_t(counters[to].counts_.size())));
        }
        const MaskWindows windows(source, some);
        std::vector<std::vector<ThreadCounts>> partial(threads.slots());
        with_pixel_type(source, [&](auto type) {
            using T = decltype(type);
            visit_masks<T>(source, windows, plane, in_memory, threads, cancel, [&](std::size_t part, std::span<const T> pixels, int thread) {
                auto& of_thread = partial[std::size_t(thread)];
                if (of_thread.empty()) of_thread.resize(some.size());
                const std::size_t mask = windows.parts()[part].mask;
                of_thread[mask].add(pixels.data(), pixels.size(), binnings[mask]);
            });
        });
        for (const auto& of_thread : partial)
            for (std::size_t i = 0; i < of_thread.size(); ++i) of_thread[i].finish(counters[from + i].counts_);
    }
}

std::size_t HistogramCounter::pass_bytes(const ImageSource& source, MaskList masks, std::size_t most_bins, const ThreadShare& threads) {
    return MaskWindows::bytes_needed(source, masks, threads.slots(), 0) + 2 * sizeof(std::uint32_t) * std::max(kBinsAtOnce, most_bins * threads.slots()) +
           masks.size() * threads.slots() * sizeof(ThreadCounts);
}

void HistogramCounter::merge(const HistogramCounter& other) {
    if (!(bounds_ == other.bounds_) || counts_.size() != other.counts_.size())
        throw std::invalid_argument("histograms with different bins can't be merged");
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void HistogramCounter::replace_counts(std::vector<std::uint64_t> counts) {
    if (counts.size() != counts_.size()) throw std::invalid_argument("as many counts as bins are needed");
    counts_ = std::move(counts);
}

Histogram HistogramCounter::histogram(const PlaneSummary& all) const {
    Histogram h;
    h.mean = all.mean();
    h.std_dev = all.std_dev();
    if (degenerate()) {
        h.bins.assign(1, 0);
        return h;
    }
    h.bounds = bounds_;
    h.bin_width = bin_width_;
    h.first_bin_center = bounds_.min + bin_width_ / 2;
    h.bins.reserve(counts_.size());
    for (std::uint64_t count : counts_) {
        h.saturated = h.saturated || count > std::uint64_t(INT32_MAX);
        h.bins.push_back(std::int32_t(std::min(count, std::uint64_t(INT32_MAX))));
    }
    return h;
}

Histogram plane_histogram(const ImageSource& source, PlaneId plane, const PlaneSummary& summary, const HistogramSpec& spec, const ThreadShare& threads,
                          const CancelToken& cancel, const PlanePyramid* pyramid) {
    const ImageShape& shape = source.shape();
    HistogramCounter counter(bounds_of(spec, summary), checked_bins(spec, shape.width, shape.height));
    if (pyramid != nullptr && !pyramid->pixels().empty() && !source.capabilities().prefers_double) {
        counter.add(pyramid->pixels(), threads, cancel);
    } else {
        counter.add(source, {0, 0, shape.width, shape.height}, plane, threads, cancel);
    }
    return counter.histogram(summary);
}

Histogram histogram_of(std::span<const float> values, std::int64_t width, std::int64_t height, const HistogramSpec& spec) {
    return histogram_of_array(values, width, height, spec);
}

Histogram histogram_of(std::span<const double> values, std::int64_t width, std::int64_t height, const HistogramSpec& spec) {
    return histogram_of_array(values, width, height, spec);
}

} // namespace cubelink::imaging
