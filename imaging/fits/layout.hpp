#pragma once
/// Where the pixels of a FITS image are: its axes by role, and the scaling. Plain values; any thread.

#include "imaging/world/axes.hpp"
#include "imaging/fits/hdu.hpp"
#include "imaging/kernels/byteswap.hpp"

namespace cubelink::imaging {

struct Layout {
    PixelType type = PixelType::float32;
    Scaling scaling;
    ImageShape shape;
    std::vector<std::int64_t> lengths;                  // in file order
    int x = 0, y = 1, depth = -1, stokes = -1;          // 0-based axis numbers, -1: none
    std::int64_t step_x = 1, step_y = 1, step_depth = 0, step_stokes = 0; // distance of neighbours, in pixels
    bool wide = false;                                  // see ImageSource::wide
};

PixelType pixel_type_of(int bitpix);

/// Throws ImageError if the axes can't be shown.
Layout layout_of(const Hdu& hdu, const Axes& axes);

/// Throws std::out_of_range unless the rectangle is within the plane and the plane within the image, and `size` the rectangle's.
void check_request(const ImageShape& shape, const Rect& rect, PlaneId plane, std::size_t size);
void check_spectrum_request(const ImageShape& shape, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::size_t size);

} // namespace cubelink::imaging
