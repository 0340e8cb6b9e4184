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
    std::vector<std::int64_t> lengths;                  // in file order, of all axes that are stored
    std::vector<std::int64_t> origin;                   // where pixel (0, 0) of the first plane is on each of them
    std::int64_t first = 0;                             // the same as a number of pixels from the first one
    int x = 0, y = 1, depth = -1, stokes = -1;          // 0-based axis numbers, -1: none
    std::int64_t step_x = 1, step_y = 1, step_depth = 0, step_stokes = 0; // distance of neighbours, in pixels
    bool wide = false;                                  // see Capabilities::prefers_double
};

PixelType pixel_type_of(int bitpix);

/// Throws ImageError if the axes can't be shown. `part`: the position on the axis of complex numbers, if there is one.
Layout layout_of(const Hdu& hdu, const Axes& axes, std::int64_t part = 0);

/// What an image of this layout is good at, leaving aside how its pixels are stored.
Capabilities capabilities_of(const Layout& layout);

} // namespace cubelink::imaging
