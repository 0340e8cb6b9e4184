#include "imaging/regions/conversion.hpp"

namespace cubelink::imaging {

std::optional<Shape> convert(const Shape&, const Wcs&, const Wcs&) { return std::nullopt; }

} // namespace cubelink::imaging
