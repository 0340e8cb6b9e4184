#pragma once
/// One plane of a demo image while it is painted.

#include "tools/demo/noise.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace cubelink::demo {

struct Plane {
    long width, height;
    std::vector<float> pixels;

    Plane(long w, long h) : width(w), height(h), pixels(static_cast<std::size_t>(w * h)) {}
    float& at(long x, long y) { return pixels[static_cast<std::size_t>(y * width + x)]; }

    /// Noise of that standard deviation, correlated over some pixels as a synthesised beam does it.
    void add_noise(double sigma, std::uint64_t seed) {
        // Rows of white noise pass through 1 4 6 4 1 both ways; 0.2734375² is what that leaves of the variance.
        static constexpr double weight[5] = {1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16};
        const double scale = sigma / 0.2734375;
#pragma omp parallel
        {
            std::vector<double> sum(static_cast<std::size_t>(width) + 4);
#pragma omp for schedule(static)
            for (long y = 0; y < height; ++y) {
                for (long x = 0; x < width + 4; ++x) {
                    double s = 0;
                    for (long k = 0; k < 5; ++k) s += weight[k] * noise(seed, static_cast<std::uint64_t>((y + k) * (width + 4) + x));
                    sum[static_cast<std::size_t>(x)] = s;
                }
                for (long x = 0; x < width; ++x) {
                    double s = 0;
                    for (long k = 0; k < 5; ++k) s += weight[k] * sum[static_cast<std::size_t>(x + k)];
                    at(x, y) += static_cast<float>(scale * s);
                }
            }
        }
    }

    /// An elliptical Gaussian: `major` and `minor` are standard deviations in pixels; (c, s) is the direction of the major axis.
    void add_gaussian(double cx, double cy, double peak, double major, double minor, double c, double s) {
        const double reach = 6 * std::max(major, minor);
        const long x0 = std::max(0L, static_cast<long>(cx - reach)), x1 = std::min(width - 1, static_cast<long>(cx + reach));
        const long y0 = std::max(0L, static_cast<long>(cy - reach)), y1 = std::min(height - 1, static_cast<long>(cy + reach));
        for (long y = y0; y <= y1; ++y) {
            for (long x = x0; x <= x1; ++x) {
                const double dx = static_cast<double>(x) - cx, dy = static_cast<double>(y) - cy;
                const double u = (dx * c + dy * s) / major, v = (dy * c - dx * s) / minor;
                at(x, y) += static_cast<float>(peak * exp_minus(0.5 * (u * u + v * v)));
            }
        }
    }
};

} // namespace cubelink::demo
