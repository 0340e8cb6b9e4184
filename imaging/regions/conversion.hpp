#pragma once
/// A region of one image on another one that shows the same sky. Pure functions, any thread.

#include "imaging/regions/shape.hpp"

#include <optional>

namespace cubelink::imaging {

/// The shape of `shape`, which belongs to an image with the coordinates `from`, on an image with the coordinates `to`: vertices through the sky; rectangles and
/// ellipses stay what they are where the projection keeps them (turned and scaled), and become polygons of their outline where it does not.
/// Nothing if one of the images has no celestial plane or a point has no position on the other.
std::optional<Shape> convert(const Shape& shape, const Wcs& from, const Wcs& to);

} // namespace cubelink::imaging
