#pragma once
/// Reads expressions of casacore's lattice expression language (LEL; casacore note 223). docs/expressions.md describes what is understood.

#include "imaging/expressions/syntax.hpp"

#include <cstddef>
#include <string_view>

namespace cubelink::imaging {

inline constexpr std::size_t kMaxExpressionLength = 64 * 1024; // bytes
inline constexpr int kMaxExpressionDepth = 200;                // brackets, calls and prefix operators within each other
inline constexpr std::size_t kMaxExpressionNodes = 4000;

/// Throws ExpressionError, which says where. Pure function, any thread.
Syntax parse_expression(std::string_view text);

} // namespace cubelink::imaging
