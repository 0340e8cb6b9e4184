#pragma once
/// Profiles along lines and polylines: means of small boxes, one after the other. Pure functions, any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/regions/shape.hpp"
#include "imaging/source/pixel_mask.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// Pixels across a line, and values of a profile (56 bytes each while it is made).
inline constexpr int default_line_width = 3, max_line_width = 20;
inline constexpr std::size_t max_line_boxes = std::size_t{1} << 19;

/// Pixels that are blocks of an image's: block (0, 0) begins at the corner of the image's pixel (x, y), and is `size` of its pixels wide and high.
struct PixelGrid {
    double x = 0, y = 0, size = 1;

    PixelPoint to_image(PixelPoint block) const { return {x + (block.x + 0.5) * size - 0.5, y + (block.y + 0.5) * size - 0.5}; }
    PixelPoint from_image(PixelPoint pixel) const { return {(pixel.x + 0.5 - x) / size - 0.5, (pixel.y + 0.5 - y) / size - 0.5}; }
    friend bool operator==(const PixelGrid&, const PixelGrid&) = default;
};

/// The parallelogram centre ± along ± across, in pixels.
struct LineBox {
    PixelPoint centre, along, across;
};

/// Where a profile is taken. The axis of its values is that of a FITS header, but 0-based: value i lies at crval + (i - crpix) · cdelt.
struct LineSampling {
    std::vector<LineBox> boxes; // of a line from its second control point to its first, of a polyline from its first one on
    bool equal_angles = false;  // steps of equal angles on the sky, instead of one pixel
    double crpix = 0, crval = 0, cdelt = 1;
    std::string unit;           // "milliarcsec", "arcsec", "arcmin", "deg" by the length of the line; "pixel" without a sky
};

/// Boxes along a line or polyline of an image with the coordinates `wcs`, which may be null; all pixels are those of `grid`; `width` pixels across, three along it (one, if it is
/// horizontal or vertical).
///
/// A line has them at each whole pixel from its middle outwards, 2 round((length - 1) / 2) + 1 of them, and its axis is 0 in the middle, negative towards its
/// second control point. Segments of a polyline have them at each whole pixel from their start, but for a first one that is nearer than half a pixel
/// to the one before; the axis is the distance from the first vertex.
///
/// If angular steps between neighbours vary by more than 1 % of a pixel's height, the boxes stand at equal angular steps of that height along the whole of
/// the line, and are as wide and long on the sky as so many of these steps.
///
/// Throws std::invalid_argument for other shapes, invalid ones, or a width outside of 1 … max_line_width, ImageError for a line that needs more than
/// max_line_boxes, Cancelled.
LineSampling sample_line(const Shape& line, int width, const Wcs* wcs, const CancelToken& cancel = {}, const PixelGrid& grid = {});

/// Reads the selected pixels of a plane, in the order of mask.runs(): out.size() == mask.count().
using MaskedRead = std::function<void(const PixelMask& mask, std::span<float> out)>;

/// Of each box the mean of the finite pixels whose centres it holds or has on its outline; NaN if there are none. What neighbouring boxes
/// share is read once, a million pixels at a time. Throws what `read` throws, Cancelled.
std::vector<float> line_profile(std::span<const LineBox> boxes, const ImageShape& image, const MaskedRead& read, const CancelToken& cancel = {});

} // namespace cubelink::imaging
