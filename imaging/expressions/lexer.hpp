#pragma once
/// Tokens of an expression. Pure functions, any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

enum class TokenKind : std::uint8_t {
    end,
    number,
    boolean,    // T or F
    identifier, // letters, digits and _: the name of a function or of an image
    image_name, // one that can only be an image's: quoted, or with other characters in it
    symbol,     // operators, brackets, comma: `text`
};

struct Token {
    TokenKind kind = TokenKind::end;
    int column = 1;         // of its first character
    std::string text;       // as it is written; of image names without quotes and escapes
    double value = 0;       // of numbers; 0 or 1 of booleans
    bool is_double = false; // a number that is not of type float
    bool imaginary = false; // 3i
};

/// All tokens, the last of kind `end`. Throws ExpressionError.
std::vector<Token> tokens_of(std::string_view expression);

} // namespace cubelink::imaging
