#pragma once
/// For sources with planes whose values must not be averaged directly: an angle of ½·atan2(U, Q) is averaged through its parts.

#include "imaging/geometry.hpp"

#include <optional>

namespace cubelink::imaging {

struct AngleParts {
    PlaneId u, q;
};

/// Implemented beside ImageSource by those who have such planes; thread-safe.
class AnglesByParts {
public:
    virtual ~AnglesByParts() = default;
    /// The planes whose block means make the block's angle, in degrees; nothing for planes that are averaged as they are.
    virtual std::optional<AngleParts> angle_parts(PlaneId plane) const = 0;
};

} // namespace cubelink::imaging
