#pragma once
/// Gives an expression types, shapes and images.

#include "imaging/expressions/graph.hpp"
#include "imaging/expressions/syntax.hpp"

#include <cstddef>
#include <functional>
#include <string>

namespace cubelink::imaging::expressions {

/// Opens an image by the name that stands in an expression. Throws ImageError with a message fit for a user.
using ImageResolver = std::function<OpenedImage(const std::string& name)>;

inline constexpr std::size_t kMaxExpressionImages = 64;

/// Calls `resolve` once for each name. The root is made a number for each pixel: booleans become 0 and 1, complex numbers their amplitudes.
/// Throws ExpressionError, and what `resolve` throws; an ImageError of it is given the column of the name.
Graph compile(const Syntax& syntax, const ImageResolver& resolve);

} // namespace cubelink::imaging::expressions
