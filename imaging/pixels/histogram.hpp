#pragma once
/// Histograms of planes, cubes and regions. Free functions may be called from any thread; a HistogramCounter belongs to one at a time.
///
/// index = clamp(floor((v − min) / bin_width), 0, n − 1) for min ≤ v ≤ max, computed in doubles; values outside and non-finite ones are
/// ignored. Counts do not depend on the number of threads.

#include "imaging/pixels/plane_summary.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace cubelink::imaging {

class PlanePyramid;

inline constexpr std::int32_t kMaxHistogramBins = 1 << 20;

struct HistogramBounds {
    double min = 0, max = 0;
    friend bool operator==(const HistogramBounds&, const HistogramBounds&) = default;
};

struct HistogramSpec {
    std::int32_t num_bins = -1;            // −1: automatic
    std::optional<HistogramBounds> bounds; // nothing: those of the finite pixels
};

struct Histogram {
    HistogramBounds bounds;         // [0, 0] if degenerate: no finite pixel, or min ≥ max
    double bin_width = 0;           // (max − min) / n; 0 if degenerate
    double first_bin_center = 0;    // min + bin_width / 2
    std::vector<std::int32_t> bins; // a single 0 if degenerate
    double mean = 0, std_dev = 0;   // of all finite pixels, whatever the bounds; NaN if undefined
    bool saturated = false;         // a count was beyond int32 and is INT32_MAX
    bool sampled = false;           // from a sample of the pixels, scaled to all (sampled_histogram.hpp)
};

/// max(int(sqrt(width · height)), 2), at most kMaxHistogramBins; width and height of the image, or of a region's bounding box.
std::int32_t automatic_bins(std::int64_t width, std::int64_t height);

/// The number of bins that a specification means for an image, or a region's bounding box, of this size. Throws std::invalid_argument for
/// num_bins that are neither −1 nor 1 … kMaxHistogramBins.
std::int32_t checked_bins(const HistogramSpec& spec, std::int64_t width, std::int64_t height);

/// Counts of one or many parts with the same bounds: the second pass of a cube's histogram, or the pixels of a region.
class HistogramCounter {
public:
    /// Throws std::invalid_argument for bins outside 1 … kMaxHistogramBins or bounds that are infinite. Bounds with min ≥ max or NaN make
    /// it degenerate: it counts nothing.
    HistogramCounter(const HistogramBounds& bounds, std::int32_t bins);

    void add(std::span<const float> values);
    void add(std::span<const double> values);
    void add(std::span<const float> values, const ThreadShare& threads, const CancelToken& cancel);
    /// All of a rectangle of a plane, in bands of bounded memory; native doubles if the source is wide. Throws as ImageSource::read; what
    /// has been counted by then is undefined.
    void add(const ImageSource& source, const Rect& rect, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel);
    void add(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const ThreadShare& threads, const CancelToken& cancel);
    /// The pixels of each mask to the counter of the same index, by one pass over the pixels (several if the bins of all are millions). `in_memory`: the
    /// plane, if it need not be read; used unless the source is wide. Throws std::invalid_argument unless there are as many of both, and as above.
    static void add_masks(const ImageSource& source, MaskList masks, PlaneId plane, std::span<HistogramCounter> counters, const ThreadShare& threads,
                          const CancelToken& cancel, std::span<const float> in_memory = {});
    /// Bytes that add_masks() takes beside masks and counters, of which none has more than `most_bins`.
    static std::size_t pass_bytes(const ImageSource& source, MaskList masks, std::size_t most_bins, const ThreadShare& threads);
    void merge(const HistogramCounter& other); // same bounds and bins, else std::invalid_argument

    /// Puts others in place of what has been counted, as many as there are.
    void replace_counts(std::vector<std::uint64_t> counts);

    bool degenerate() const { return counts_.empty(); }
    const std::vector<std::uint64_t>& counts() const { return counts_; }
    /// `all` gives mean and standard deviation. May be called in between, for partial results.
    Histogram histogram(const PlaneSummary& all) const;

private:
    HistogramBounds bounds_;
    double bin_width_ = 0;
    std::vector<std::uint64_t> counts_;
};

/// A whole plane, whose summary is known. `pyramid`, if given and it kept the pixels, saves the second read.
/// Throws std::invalid_argument for num_bins that are neither −1 nor 1 … kMaxHistogramBins.
Histogram plane_histogram(const ImageSource& source, PlaneId plane, const PlaneSummary& summary, const HistogramSpec& spec, const ThreadShare& threads,
                          const CancelToken& cancel, const PlanePyramid* pyramid = nullptr);

/// An array of pixels (a region's), `width` × `height` its bounding box for automatic bins.
Histogram histogram_of(std::span<const float> values, std::int64_t width, std::int64_t height, const HistogramSpec& spec);
Histogram histogram_of(std::span<const double> values, std::int64_t width, std::int64_t height, const HistogramSpec& spec);

} // namespace cubelink::imaging
