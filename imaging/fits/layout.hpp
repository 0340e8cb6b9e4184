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
    bool wide = false;                                  // see Capabilities::prefers_double
};

PixelType pixel_type_of(int bitpix);

/// Throws ImageError if the axes can't be shown.
Layout layout_of(const Hdu& hdu, const Axes& axes);

/// What an image of this layout is good at, leaving aside how its pixels are stored.
Capabilities capabilities_of(const Layout& layout);

} // namespace cubelink::imaging
