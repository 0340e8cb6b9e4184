#pragma once
/// The pixels of a region. Pure functions, any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/regions/shape.hpp"
#include "imaging/source/pixel_mask.hpp"

namespace cubelink::imaging {

/// The pixels of the image whose centres lie inside the shape or on its outline, by scan lines; of a polygon that crosses itself, by the even-odd rule.
/// On the outline is what is within 1e-5 pixels of it, and within what 32-bit floats round of coordinates: see outline_tolerance.
/// A point selects the pixel that it lies in (half away from zero). Empty if there are none: outside the image, or narrower than a pixel. Throws
/// std::invalid_argument for lines, annotations and shapes that are not valid, Cancelled, and ImageError for outlines that cross too many rows
/// (max_crossings, max_mask_runs).
///
/// Memory and time go with the rows and vertices, not with the pixels: 24 bytes for each run.
PixelMask mask_of(const Shape& shape, const ImageShape& image, const CancelToken& cancel = {});

} // namespace cubelink::imaging
