#pragma once
/// Count, extremes, sum and spread of pixels. Plain data; summaries of parts merge into the summary of the whole.
/// Results do not depend on the number of threads: parts are cut at fixed places and merged in their order.

#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace cubelink::imaging {

struct PlaneSummary {
    std::int64_t total = 0;                                // pixels seen
    std::int64_t count = 0;                                // of these finite; all that follows is about them
    double min = std::numeric_limits<double>::quiet_NaN(); // NaN while count is 0
    double max = std::numeric_limits<double>::quiet_NaN();
    double sum = 0, sum_sq = 0;
    double m2 = 0; // sum of (x − mean)², by two passes over short parts and Chan's merge: no cancellation
    // What rounding has taken from the sums when parts were merged: it grows neither with their number nor with what cancels.
    double sum_rest = 0, sum_sq_rest = 0;

    double mean() const;    // NaN if count is 0
    double rms() const;     // NaN if count is 0
    double std_dev() const; // sample standard deviation (n − 1); NaN if count < 2

    /// Adds another part. Not commutative in the last bits: merge in a fixed order.
    void merge(const PlaneSummary& other);
};

/// Any array of pixels, e.g. those inside a region.
PlaneSummary summarise(std::span<const float> values);
PlaneSummary summarise(std::span<const double> values);

/// A rectangle of a plane, or of several channels, read in bands of bounded memory; through doubles if the source is wide. Throws as ImageSource::read.
PlaneSummary summarise(const ImageSource& source, const Rect& rect, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel);
PlaneSummary summarise(const ImageSource& source, const Rect& rect, ChannelRange channels, std::int32_t stokes, const ThreadShare& threads,
                       const CancelToken& cancel);

/// One summary for each mask, by one pass: what several masks share is read once. `in_memory`: the plane, if it need not be read; used unless the source
/// is wide. Takes memory in proportion to the runs of the masks, at most mask_pass_bytes(). A summary does not depend on the other masks. Throws as
/// ImageSource::read.
std::vector<PlaneSummary> summarise(const ImageSource& source, MaskList masks, PlaneId plane, const ThreadShare& threads, const CancelToken& cancel,
                                    std::span<const float> in_memory = {});
/// Bytes that a pass over these masks takes beside them.
std::size_t mask_pass_bytes(const ImageSource& source, MaskList masks, const ThreadShare& threads);

} // namespace cubelink::imaging
