#pragma once
/// Sizes and rectangles of images. Pixels are 0-based; an integer coordinate is a pixel's centre; y grows upwards; rows go from
/// the bottom up, x fastest.

#include <cstdint>

namespace cubelink::imaging {

/// The image as it is shown: width and height are the lengths of the two rendered axes (the first two that are not stokes), depth
/// of the third axis that is not stokes (1 if none), stokes of the stokes axis (1 if none). All ≥ 1.
struct ImageShape {
    std::int64_t width = 1, height = 1, depth = 1, stokes = 1;
    std::int64_t plane_size() const { return width * height; }
    friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

/// Half-open: x0 ≤ x < x1, y0 ≤ y < y1.
struct Rect {
    std::int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    std::int64_t width() const { return x1 - x0; }
    std::int64_t height() const { return y1 - y0; }
    std::int64_t size() const { return width() * height(); }
    friend bool operator==(const Rect&, const Rect&) = default;
};

/// One plane of a cube. `stokes` below the length of the stokes axis is an index on it; 13 to 17 are computed polarizations (ICD PolarizationType).
struct PlaneId {
    std::int32_t channel = 0, stokes = 0;
    friend bool operator==(const PlaneId&, const PlaneId&) = default;
};

} // namespace cubelink::imaging
