#pragma once
/// Position-velocity images: the profile along a line or polyline of each channel. Pure functions, any thread.
///
/// The pixels of all boxes are found once. Then each channel is read once, and of it only the pixels that the boxes hold, or the stored blocks
/// that these lie in where pixels can't be read by themselves.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/regions/line_profile.hpp"
#include "imaging/source/image_source.hpp"

#include <functional>
#include <span>

namespace cubelink::imaging {

struct PositionVelocity {
    std::span<const LineBox> boxes; // in pixels of the image, at least one
    ChannelRange channels;          // of the image, at least one
    std::int32_t stokes = 0;        // an index, or a computed polarization where the source has it
    bool reverse = false;           // channels along x, positions along y

    std::int64_t width() const { return reverse ? channels.count() : static_cast<std::int64_t>(boxes.size()); }
    std::int64_t height() const { return reverse ? static_cast<std::int64_t>(boxes.size()) : channels.count(); }
};

/// Fills `out`, width() · height() values by rows from the bottom up: as line_profile(), of each box and channel the mean of the finite pixels in double
/// precision, NaN if there are none. All memory but `out` is taken from `budget`: some MB for each thread, and up to an eighth of it for the
/// boxes' pixels: of very long lines some boxes are made after the others. `progress`, if
/// given, is called by the calling thread with 0 to 1. Throws std::invalid_argument if `out` has another size, and as ImageSource::read.
void position_velocity(const ImageSource& source, const PositionVelocity& what, std::span<float> out, BudgetCache& budget, const ThreadShare& threads,
                       const CancelToken& cancel, const std::function<void(double)>& progress = {});

} // namespace cubelink::imaging
