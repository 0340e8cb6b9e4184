#pragma once
/// Regions as geometry, by the ICD's conventions (RegionInfo). Plain values; any thread.
///
/// Coordinates are pixels of the image to which a shape belongs: 0-based, an integer is a pixel's centre, y grows upwards.
///
///     point, ann_point                            (x, y)
///     line, ann_line, ann_vector, ann_ruler       both ends
///     polyline, polygon, ann_…                    at least three vertices (two for ann_polyline); polygons are closed without repeating the first
///     rectangle, ann_rectangle                    centre, (width, height): full sizes > 0
///     ellipse, ann_ellipse                        centre, semi-axes > 0: without rotation the first lies along y, the second along x
///     ann_text                                    centre, (width, height), which may be 0
///     ann_compass                                 origin, (length, length)
///
/// `rotation` is in degrees, counter-clockwise; it counts for rectangles, ellipses and texts, and is kept for the others.

#include "imaging/world/wcs.hpp"

#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class RegionType { // numbers as in ICD RegionType; 5, annulus, has no shape
    point = 0,
    line = 1,
    polyline = 2,
    rectangle = 3,
    ellipse = 4,
    polygon = 6,
    ann_point = 7,
    ann_line = 8,
    ann_polyline = 9,
    ann_rectangle = 10,
    ann_ellipse = 11,
    ann_polygon = 12,
    ann_vector = 13,
    ann_ruler = 14,
    ann_text = 15,
    ann_compass = 16
};

struct Shape {
    RegionType type = RegionType::point;
    std::vector<PixelPoint> points; // ICD control_points
    double rotation = 0;            // degrees
    friend bool operator==(const Shape&, const Shape&) = default;
};

/// Vertices of one shape: 2 MiB of them.
inline constexpr std::size_t max_shape_points = 131'072;

/// Why it is no valid shape ("an ellipse has 2 control points, not 1", "control_points[1]: the sizes must be positive"); empty if it is one.
std::string why_invalid(const Shape& shape);

/// "rectangle", "polygon annotation", … for messages.
std::string_view name_of(RegionType type);
/// For drawing only: never analysed.
bool is_annotation(RegionType type);
/// Rectangle, ellipse, polygon: has an inside.
bool is_closed(RegionType type);
/// Line, polyline: has profiles along it.
bool is_line(RegionType type);
/// The type whose control points mean the same: rectangle for ann_rectangle and ann_text, line for ann_vector and ann_ruler, point for
/// ann_compass; itself for what is no annotation.
RegionType geometry_of(RegionType type);

/// Corners of a rectangle (or a text), counter-clockwise from the lower left one of the unrotated rectangle.
std::vector<PixelPoint> rectangle_corners(const Shape& shape);

} // namespace cubelink::imaging
