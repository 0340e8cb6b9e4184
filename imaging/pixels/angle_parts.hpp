#pragma once
/// For sources with planes whose values must not be averaged directly: an angle of ½·atan2(U, Q) is averaged through its parts.

#include "imaging/base/geometry.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <span>

namespace cubelink::imaging {

struct AngleParts {
    PlaneId u, q;
};

/// Implemented in addition to ImageSource by sources with such planes; thread-safe.
class AnglesByParts {
public:
    virtual ~AnglesByParts() = default;
    /// The planes whose block means make the block's angle, in degrees; nothing for planes that are averaged as they are.
    virtual std::optional<AngleParts> angle_parts(PlaneId plane) const = 0;
};

/// In degrees; NaN if either is.
inline double angle_of_parts(double u, double q) { return 0.5 * std::atan2(u, q) * (180.0 / std::numbers::pi); }

/// A pixel that lacks one part has no angle: it counts in the mean of neither, so that a block has an angle where one of its pixels has one.
template <class T> void keep_pairs(std::span<T> u, std::span<T> q) {
    for (std::size_t i = 0; i < u.size(); ++i) {
        if (!std::isfinite(u[i]) || !std::isfinite(q[i])) u[i] = q[i] = std::numeric_limits<T>::quiet_NaN();
    }
}

} // namespace cubelink::imaging
