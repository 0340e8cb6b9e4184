#pragma once
/// Moments of a cube along its channels, any of them by one pass over its pixels.
///
/// The plane is cut into tiles; threads take one tile after the other and go through its channels, so that all sums of a tile stay in the processor's
/// cache. For moments that need more than running sums (median, median coordinate, absolute deviation) all channels of a tile are kept, and
/// tiles are as small as memory wants. So each pixel is read once, except of compressed images whose stored blocks exceed the memory.
/// Results don't depend on the number of threads nor on how the plane was cut.

#include "imaging/analysis/moments/moment.hpp"
#include "imaging/base/budget_cache.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Values low ≤ value ≤ high.
struct ValueRange {
    double low = 0, high = 0;
};

struct MomentInput {
    const ImageSource* source = nullptr;
    std::int32_t stokes = 0; // an index, or a computed polarization
    ChannelRange channels;
    Rect rect;                       // of the plane: what results show
    const PixelMask* mask = nullptr; // within rect; null: all of it

    /// One for each channel. Channels without a finite coordinate and width are left out.
    std::vector<double> coordinates, widths;

    std::optional<ValueRange> include, exclude;
    /// Empty, or one for each channel: values outside of it are left out, besides those of `include` and `exclude`.
    std::vector<ValueRange> limits;
};

struct MomentOptions {
    /// Upper bound on what all threads together take; at least what one needs is taken.
    std::size_t memory = std::size_t(256) << 20;
    /// Where that is reserved. May be null.
    BudgetCache* budget = nullptr;
    /// 0 to 1, called on the calling thread, often; what it throws ends the work.
    std::function<void(double)> progress;
};

/// `planes[i]`: rect.size() pixels that receive moments[i]; NaN outside of the mask and where there is no value. Throws std::invalid_argument for input
/// that contradicts itself, std::out_of_range, Cancelled (soon), OverBudget, and as ImageSource::read.
void compute_moments(const MomentInput& input, std::span<const Moment> moments, std::span<const std::span<float>> planes, const ThreadShare& threads,
                     const CancelToken& cancel, const MomentOptions& options = {});

} // namespace cubelink::imaging
