#pragma once
/// An expression becomes an image: docs/expressions.md describes the language.

#include "imaging/expressions/compile.hpp"
#include "imaging/source/format.hpp"

#include <string>

namespace cubelink::imaging {

/// Header, beams and world coordinates are those of the first image in the expression that has the shape of the result; the unit (BUNIT)
/// follows from the operations, and is removed where it doesn't. Uses `threads` and `budget` of the options, which outlives the image;
/// name: the expression, unless the options give one. Opens images and reads no pixels. Throws ExpressionError, and what `resolve` throws.
OpenedImage open_expression(const std::string& expression, const expressions::ImageResolver& resolve, const OpenOptions& options);

} // namespace cubelink::imaging
