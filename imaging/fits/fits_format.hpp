#pragma once
/// FITS as one of the formats of a registry.

#include "imaging/source/format.hpp"

#include <memory>

namespace cubelink::imaging {

std::shared_ptr<const ImageFormat> fits_format();

} // namespace cubelink::imaging
