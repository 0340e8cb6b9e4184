#pragma once
/// A region of one image on another one that shows the same sky. Pure functions, any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/regions/shape.hpp"

#include <optional>

namespace cubelink::imaging {

/// The shape of `shape`, which belongs to an image with the coordinates `from`, on an image with the coordinates `to`; of the same type, but:
///
///     point, line, polyline       each vertex through the sky
///     rectangle, ellipse          turned and scaled where that keeps their outline to within 0.05 pixels; else the polygon of their outline, with some
///                                 1000 vertices
///     polygon                     vertices are inserted where the projections bend an edge by more than 0.05 pixels
///     annotations                 as these; ann_text and ann_compass are turned and scaled as at their centre
///
/// An ellipse's first semi-axis stays the first. Nothing if one of the images has no celestial plane, their frames cannot be converted, a part of the
/// outline has no position on the other image, or if it is torn there (it crosses the border of an all-sky projection). Throws
/// std::invalid_argument for shapes that are not valid, Cancelled.
std::optional<Shape> convert(const Shape& shape, const Wcs& from, const Wcs& to, const CancelToken& cancel = {});

} // namespace cubelink::imaging
