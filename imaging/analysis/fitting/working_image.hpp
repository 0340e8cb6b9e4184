#pragma once
/// The image in which initial values are looked for: means over blocks, at all scales. For the .cpp files of this folder.

#include "imaging/analysis/fitting/fit_pixels.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Pixels in memory, NaN where there is none.
struct Grid {
    std::int64_t width = 0, height = 0;
    std::vector<float> values;
    std::vector<float> filled; // which part of a pixel is made of values; empty: all of those that are not NaN
    float at(std::int64_t x, std::int64_t y) const { return values[std::size_t(y * width + x)]; }
    Rect rect() const { return {0, 0, width, height}; }
};

/// Means over blocks of `factor` × `factor` of what is finite; NaN where that is less than a quarter of a block.
Grid block_means(const FitPixels& pixels, std::int64_t factor, const ThreadShare& threads, const CancelToken& cancel);
/// The same of 2 × 2, weighted with how far they are filled; NaN where that is less than a quarter.
Grid half_of(const Grid& grid);
/// Grids of half the size each, the first one being the grid itself, until the longer side is less than 8.
std::vector<Grid> pyramid_of(Grid grid);

/// A component of a grid in the pixels of one whose pixels are `scale` times as large (< 1: smaller), with a common corner.
GaussianComponent scaled(const GaussianComponent& component, double scale);

/// grid − offset − model.
Grid residuals_of(const Grid& grid, std::span<const GaussianComponent> components, double offset, const ThreadShare& threads, const CancelToken& cancel);

/// Median, and 1.4826 times the median absolute deviation, of the finite values, of a sample of some 200,000 if there are more; NaN if there are none.
struct Spread {
    double median = 0, deviation = 0;
};
Spread spread_of(std::span<const float> values);
/// The same without what is further than three deviations from the median, until nothing changes: the background around sources.
Spread background_of(std::span<const float> values);

} // namespace cubelink::imaging
