#include "imaging/analysis/convolution/elliptical_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

const double variance_of_width = 1 / (8 * std::numbers::ln2); // of squared full widths at half maximum

/// Variances along x and y, and their covariance; the narrow direction is at least as wide as the samples need.
EllipseMatrix variances(const EllipseMatrix& widths) {
    constexpr double least = 0.3 * 0.3;
    const double mean = (widths.xx + widths.yy) / 2, half = (widths.xx - widths.yy) / 2, radius = std::hypot(half, widths.xy);
    const double large = std::max((mean + radius) * variance_of_width, 0.0);
    const double small = std::max((mean - radius) * variance_of_width, std::min(least, large));
    const double angle = radius > 0 ? std::atan2(widths.xy, half) / 2 : 0, c = std::cos(angle), s = std::sin(angle);
    return {large * c * c + small * s * s, (large - small) * s * c, large * s * s + small * c * c};
}

} // namespace

double EllipticalKernel::radius_of(const EllipseMatrix& widths) {
    const EllipseMatrix v = variances(widths);
    return 4 * std::sqrt(std::max(v.xx, v.yy));
}

EllipticalKernel::EllipticalKernel(const EllipseMatrix& widths) : EllipticalKernel() {
    constexpr double tolerance = 1e-7; // of the kernel's peak
    constexpr double least_radius = 0.2;
    constexpr std::size_t most_terms = 64;
    const double radius = radius_of(widths);
    if (!std::isfinite(radius) || radius > most_radius) throw std::invalid_argument("the kernel is too large");
    if (radius < least_radius) return;
    const EllipseMatrix v = variances(widths);
    const double det = v.determinant();
    if (!(det > 0)) return;
    radius_x_ = static_cast<int>(std::ceil(4 * std::sqrt(v.xx)));
    radius_y_ = static_cast<int>(std::ceil(4 * std::sqrt(v.yy)));
    const auto width = static_cast<std::size_t>(2 * radius_x_ + 1), height = static_cast<std::size_t>(2 * radius_y_ + 1);

    // What the terms so far leave of the kernel, row by row. Each term removes the row and the column of the largest rest (cross approximation).
    std::vector<double> rest(width * height);
    double sum = 0;
    for (std::size_t j = 0; j < height; ++j) {
        for (std::size_t i = 0; i < width; ++i) {
            const double x = static_cast<double>(i) - radius_x_, y = static_cast<double>(j) - radius_y_;
            rest[j * width + i] = std::exp(-(v.yy * x * x - 2 * v.xy * x * y + v.xx * y * y) / (2 * det));
            sum += rest[j * width + i];
        }
    }
    for (double& value : rest) value /= sum;
    along_x_.clear();
    along_y_.clear();
    double peak = 0;
    while (along_x_.size() < most_terms) {
        const auto at = std::max_element(rest.begin(), rest.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
        const double pivot = *at;
        if (along_x_.empty()) peak = pivot;
        if (std::abs(pivot) <= tolerance * peak) break;
        const auto row = static_cast<std::size_t>(at - rest.begin()) / width, column = static_cast<std::size_t>(at - rest.begin()) % width;
        const double root = std::sqrt(std::abs(pivot));
        std::vector<double> of_x(width), of_y(height);
        for (std::size_t i = 0; i < width; ++i) of_x[i] = rest[row * width + i] / root;
        for (std::size_t j = 0; j < height; ++j) of_y[j] = rest[j * width + column] * root / pivot;
        for (std::size_t j = 0; j < height; ++j)
            for (std::size_t i = 0; i < width; ++i) rest[j * width + i] -= of_x[i] * of_y[j];
        along_x_.emplace_back(of_x.begin(), of_x.end());
        along_y_.emplace_back(of_y.begin(), of_y.end());
    }
}

double EllipticalKernel::value(int x, int y) const {
    double sum = 0;
    for (std::size_t k = 0; k < terms(); ++k)
        sum += double(along_x_[k][static_cast<std::size_t>(x + radius_x_)]) * double(along_y_[k][static_cast<std::size_t>(y + radius_y_)]);
    return sum;
}

} // namespace cubelink::imaging
