#pragma once
/// Planes smoothed on the way from their source: what contours are traced on. Bands of rows, as many at once as the caller has memory for.

#include "imaging/base/pixel_memory.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <vector>

namespace cubelink::imaging {

enum class Smoothing { none, block_average, gaussian };

/// The largest factors. A Gaussian's time goes with its factor; its memory, and that of block averages, with factor × width.
inline constexpr int max_gaussian_factor = 256, max_block_factor = 4096;

/// A plane, smoothed by an integer factor; a factor ≤ 1 means not at all. Immutable: all members may be called from several threads at once.
///
/// block_average: the mean of the finite pixels of each block of factor × factor, aligned to pixel (0, 0) and cut at the image's edge.
/// gaussian: convolution with a Gaussian of standard deviation (factor − 1) / 2, cut off at a radius of factor − 1 pixels; along y, then along x,
/// each time over the pixels that are finite, by their weights. It has no values nearer to the edge than the radius, and a pixel that
/// is blank in the image stays blank.
class SmoothedPlane {
public:
    /// `source`, and `pyramid` (of that plane; may be null), from which pixels are read that it holds, outlive this object. Throws
    /// std::invalid_argument for a factor above the largest.
    SmoothedPlane(const ImageSource& source, PlaneId plane, Smoothing smoothing, int factor, const PlanePyramid* pyramid = nullptr);

    /// Of the smoothed grid: fewer than 1 if the image is too small for a Gaussian.
    std::int64_t width() const { return width_; }
    std::int64_t height() const { return height_; }
    /// Where its value (i, j) lies in the image, as contours say it (the first pixel covers 0 to 1): scale() · (i + 0.5) + offset().
    double scale() const { return scale_; }
    double offset() const { return offset_; }

    /// Bytes that read() takes for `rows` rows besides its result.
    std::size_t scratch_bytes(std::int64_t rows) const;

    /// Rows [y0, y1) of the grid, blanks (all that is not finite) as −FLT_MAX. Reads on this thread. Throws as ImageSource::read.
    void read(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const;

private:
    void read_pixels(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const;
    void read_blocks(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const;
    void read_gaussian(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const;

    const ImageSource& source_;
    const PlaneId plane_;
    const PlanePyramid* const pyramid_;
    Smoothing smoothing_ = Smoothing::none;
    std::int64_t factor_ = 1;
    std::int64_t width_ = 0, height_ = 0;
    double scale_ = 1, offset_ = 0;
    std::vector<float> weights_; // of a Gaussian
    float total_weight_ = 0;
};

} // namespace cubelink::imaging
