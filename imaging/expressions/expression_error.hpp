#pragma once
/// What is wrong with an expression, and where.

#include "imaging/base/image_error.hpp"

#include <string>

namespace cubelink::imaging {

/// what() is `column 7: expected an expression after "+"`.
class ExpressionError : public ImageError {
public:
    /// `column`: characters (not bytes) from the start of the expression, from 1 on.
    ExpressionError(int column, const std::string& sentence)
        : ImageError("column " + std::to_string(column) + ": " + sentence), column_(column) {}
    int column() const { return column_; }

private:
    int column_;
};

} // namespace cubelink::imaging
