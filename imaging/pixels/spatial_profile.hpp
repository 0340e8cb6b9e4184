#pragma once
/// Rows and columns through a pixel, decimated for the screen. May be called from any thread.

#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

class PlanePyramid;

enum class ProfileAxis { x, y };

/// Pixels [start, end) along the axis, cut at the image's edges; end 0 is the length of the axis. mip ≤ 1: every pixel. mip ≥ 2: with
/// s' = 2 ceil(start / (2 mip)) and e' = 2 ceil(end / (2 mip)), pixels [s' mip, min(e' mip, N)) in groups of 2 mip, of each the minimum and
/// maximum in the order in which they occur: e' − s' values.
struct SpatialProfileSpec {
    ProfileAxis axis = ProfileAxis::x;
    std::int64_t start = 0, end = 0, mip = 1;
};

/// Non-finite pixels are NaN; a group without a finite pixel is NaN, NaN. `pyramid` may be null; one that kept its pixels saves the read.
/// Throws std::out_of_range if (x, y) is outside the image, and as ImageSource::read.
std::vector<float> spatial_profile(const ImageSource& source, PlaneId plane, std::int64_t x, std::int64_t y, const SpatialProfileSpec& spec,
                                   const CancelToken& cancel, const PlanePyramid* pyramid = nullptr);

/// The decimation alone, of a whole axis in memory.
std::vector<float> decimate_profile(std::span<const float> axis, std::int64_t start, std::int64_t end, std::int64_t mip);

} // namespace cubelink::imaging
