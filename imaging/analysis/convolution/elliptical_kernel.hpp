#pragma once
/// Elliptical Gaussians as kernels for convolution: sums of few products of a function of x and one of y, which makes two short passes along
/// rows and columns of each. Immutable; any thread.

#include "imaging/analysis/convolution/common_beam.hpp"

#include <cstddef>
#include <vector>

namespace cubelink::imaging {

class EllipticalKernel {
public:
    /// The largest radius that is made, in pixels.
    static constexpr int most_radius = 512;
    /// The radius, in pixels, that a Gaussian of these squared full widths needs: 4 standard deviations of the longer side.
    static double radius_of(const EllipseMatrix& widths);

    /// No convolution.
    EllipticalKernel() : along_x_{{1.0F}}, along_y_{{1.0F}} {}
    /// `widths`: squared full widths at half maximum, in pixels. What is below 0 by rounding counts as 0; a Gaussian that is much narrower than a pixel
    /// across, but not along, is widened to 0.3 pixels, for its samples would miss it. Sum: 1. Throws std::invalid_argument for a radius above most_radius.
    explicit EllipticalKernel(const EllipseMatrix& widths);

    int radius_x() const { return radius_x_; }
    int radius_y() const { return radius_y_; }
    bool identity() const { return radius_x_ == 0 && radius_y_ == 0; }
    /// kernel(x, y) = Σ along_x[k][x + radius_x] · along_y[k][y + radius_y], to 1e-6 of its peak.
    std::size_t terms() const { return along_x_.size(); }
    const std::vector<float>& along_x(std::size_t term) const { return along_x_[term]; }
    const std::vector<float>& along_y(std::size_t term) const { return along_y_[term]; }
    double value(int x, int y) const;

private:
    int radius_x_ = 0, radius_y_ = 0;
    std::vector<std::vector<float>> along_x_, along_y_;
};

} // namespace cubelink::imaging
