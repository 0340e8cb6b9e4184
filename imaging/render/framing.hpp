#pragma once
/// Which part of a plane a picture shows. Image points are pixels, the centre of the first one at 0, y upwards; picture pixels are counted from the top left
/// corner. Pure functions, any thread.

#include "imaging/base/geometry.hpp"

#include <cstdint>
#include <vector>

namespace cubelink::imaging {

/// Sides of a picture, and pixels of all of it, at most.
inline constexpr int max_picture_side = 16383; // what WebP can hold
inline constexpr std::int64_t max_picture_pixels = std::int64_t{1} << 25;

struct PictureSize {
    int width = 0, height = 0;
    std::int64_t pixels() const { return std::int64_t{width} * height; }
    friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

struct Framing {
    double x = 0, y = 0;  // the image point in the middle of the picture
    double scale = 1;     // picture pixels per image pixel
    friend bool operator==(const Framing&, const Framing&) = default;

    double image_x(double picture_x, const PictureSize& size) const { return x + (picture_x - size.width / 2.0) / scale; }
    double image_y(double picture_y, const PictureSize& size) const { return y - (picture_y - size.height / 2.0) / scale; }
    double picture_x(double image_x, const PictureSize& size) const { return size.width / 2.0 + (image_x - x) * scale; }
    double picture_y(double image_y, const PictureSize& size) const { return size.height / 2.0 - (image_y - y) * scale; }
};

/// Scales that a framing may have, and how far from the first pixel its centre may be.
inline constexpr double min_framing_scale = 1e-9, max_framing_scale = 1e6, max_framing_distance = 1e12;
/// Whether all of it is finite and within these limits.
bool is_usable(const Framing& framing);

/// The rectangle as large as it fits, in the middle of the picture. Its sides are positive.
Framing fitting(double x0, double y0, double x1, double y1, const PictureSize& size);
/// The whole image.
Framing fitting(const ImageShape& shape, const PictureSize& size);

/// Along one axis of a picture: the blocks of `mip` pixels that each picture pixel shows. One at least, those whose centres lie in it if there are several;
/// none (from = to) where the picture pixel's centre is outside of the image.
struct BlockRange {
    std::int64_t from = 0, to = 0;
};
/// The power of two by which pixels are averaged for such a scale: image pixels per picture pixel, rounded down.
std::int64_t mip_of_scale(double scale, const ImageShape& shape);
/// Of the picture's columns, from left to right.
std::vector<BlockRange> columns_of(const Framing& framing, const PictureSize& size, std::int64_t image_width, std::int64_t mip);
/// Of its rows, from the top down.
std::vector<BlockRange> rows_of(const Framing& framing, const PictureSize& size, std::int64_t image_height, std::int64_t mip);

} // namespace cubelink::imaging
