#pragma once
/// For planes of angles, ½·atan2(U, Q), which are averaged through their parts: see ImageSource::angle_parts.

#include <cmath>
#include <limits>
#include <numbers>
#include <span>

namespace cubelink::imaging {

/// In degrees; NaN if either is.
inline double angle_of_parts(double u, double q) { return 0.5 * std::atan2(u, q) * (180.0 / std::numbers::pi); }

/// A pixel that lacks one part has no angle: it counts in the mean of neither, so that a block has an angle where one of its pixels has one.
template <class T> void keep_pairs(std::span<T> u, std::span<T> q) {
    for (std::size_t i = 0; i < u.size(); ++i) {
        if (!std::isfinite(u[i]) || !std::isfinite(q[i])) u[i] = q[i] = std::numeric_limits<T>::quiet_NaN();
    }
}

} // namespace cubelink::imaging
