#pragma once
/// The pixels of a region. Pure functions, any thread.

#include "imaging/regions/shape.hpp"
#include "imaging/source/pixel_mask.hpp"

namespace cubelink::imaging {

/// The pixels of the image whose centres lie inside the shape or on its outline, by scan lines; of a polygon that crosses itself, by the even-odd rule.
/// A point selects the pixel that it lies in (half away from zero). Empty if there are none: outside the image, or narrower than a pixel. Throws
/// std::invalid_argument for lines and for shapes that are not valid.
///
/// Memory and time go with the rows and vertices, not with the pixels.
PixelMask mask_of(const Shape& shape, const ImageShape& image);

} // namespace cubelink::imaging
