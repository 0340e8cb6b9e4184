#pragma once
/// An expression as it is written: a tree without types. Plain values.

#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class SyntaxKind : std::uint8_t {
    number,    // value, is_double, imaginary
    boolean,   // value 0 or 1
    image,     // text: its name
    unary,     // text: - !
    binary,    // text: || && == != > >= < <= + - * / % ^
    call,      // text: name in lower case
    condition, // operands: image or expression, condition
};

struct SyntaxNode {
    SyntaxKind kind = SyntaxKind::number;
    int column = 1; // of the operator, the function's name, the literal
    std::string text;
    double value = 0;
    bool is_double = false, imaginary = false;
    std::vector<int> operands; // indices, all smaller than the node's own
};

/// Operands stand before what they are operands of; the last node is the whole expression.
using Syntax = std::vector<SyntaxNode>;

} // namespace cubelink::imaging
