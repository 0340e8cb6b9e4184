// Lexer and parser: precedence, names, numbers, and where errors are.

#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/parser.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace cubelink::imaging;

namespace {

/// With all parentheses.
std::string written(const Syntax& syntax, int index) {
    const SyntaxNode& node = syntax[std::size_t(index)];
    const auto operand = [&](std::size_t k) { return written(syntax, node.operands[k]); };
    switch (node.kind) {
    case SyntaxKind::number: {
        std::string text = std::to_string(node.value);
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') text.pop_back();
        return text + (node.is_double ? "d" : "") + (node.imaginary ? "i" : "");
    }
    case SyntaxKind::boolean: return node.value != 0 ? "T" : "F";
    case SyntaxKind::image: return "<" + node.text + ">";
    case SyntaxKind::unary: return "(" + node.text + operand(0) + ")";
    case SyntaxKind::binary: return "(" + operand(0) + node.text + operand(1) + ")";
    case SyntaxKind::condition: return operand(0) + "[" + operand(1) + "]";
    case SyntaxKind::call: {
        std::string text = node.text + "(";
        for (std::size_t k = 0; k < node.operands.size(); ++k) text += (k > 0 ? "," : "") + operand(k);
        return text + ")";
    }
    }
    return "";
}

std::string parsed(const std::string& text) {
    const Syntax syntax = parse_expression(text);
    return written(syntax, int(syntax.size()) - 1);
}

std::string failure(const std::string& text) {
    try {
        return "no error: " + parsed(text);
    } catch (const ExpressionError& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("operators bind as in casacore") {
    CHECK(parsed("1+2*3") == "(1+(2*3))");
    CHECK(parsed("1-2-3") == "((1-2)-3)");
    CHECK(parsed("8/4/2%3") == "(((8/4)/2)%3)");
    CHECK(parsed("2^3^2") == "(2^(3^2))");
    CHECK(parsed("-2^2") == "(-(2^2))");
    CHECK(parsed("2^-2^2") == "(2^(-(2^2)))");
    CHECK(parsed("2^-2*3") == "((2^(-2))*3)");
    CHECK(parsed("-a*b") == "((-<a>)*<b>)");
    CHECK(parsed("- - a") == "(-(-<a>))");
    CHECK(parsed("+a") == "<a>");
    CHECK(parsed("2*-3+1") == "((2*(-3))+1)");
    CHECK(parsed("!a==b") == "((!<a>)==<b>)");
    CHECK(parsed("!a^b") == "(!(<a>^<b>))");
    CHECK(parsed("not a || Not b") == "((!<a>)||(!<b>))");
    CHECK(parsed("a>1 && b<2 || c==3") == "(((<a>>1)&&(<b><2))||(<c>==3))");
    CHECK(parsed("a || b && c") == "(<a>||(<b>&&<c>))");
    CHECK(parsed("a+1 >= b*2") == "((<a>+1)>=(<b>*2))");
    CHECK(parsed("(1+2)*3") == "((1+2)*3)");
    CHECK(parsed("'a'['a'>2]+1") == "(<a>[(<a>>2)]+1)");
    CHECK(parsed("a[a>2][a<5]") == "<a>[(<a>>2)][(<a><5)]");
    CHECK(parsed("(a+b)[T]") == "(<a>+<b>)[T]");
    CHECK(parsed("MAX(a, Sin( b ))") == "max(<a>,sin(<b>))");
    CHECK(parsed("pi()*e()") == "(pi()*e())");
}

TEST_CASE("names of images") {
    CHECK(parsed("m51.image+x_1~b$c") == "(<m51.image>+<x_1~b$c>)");
    CHECK(parsed("a/b") == "(<a>/<b>)");
    CHECK(parsed("a\\/b") == "<a/b>");
    CHECK(parsed("\\3c\\-1") == "<3c-1>");
    CHECK(parsed("\"a/b c.fits\"") == "<a/b c.fits>");
    CHECK(parsed("'say \"x\".fits'") == "<say \"x\".fits>");
    CHECK(parsed("\"a'b\"'c\"d'") == "<a'bc\"d>");
    CHECK(parsed("größe.fits") == "<größe.fits>");
    CHECK(parsed("sin + T1 + Tx.fits") == "((<sin>+<T1>)+<Tx.fits>)");
    CHECK(parsed("T") == "T");
    CHECK(parsed("'T'") == "<T>");
    CHECK(parsed("'a::b'") == "<a::b>");
}

TEST_CASE("numbers") {
    CHECK(parsed("2") == "2");
    CHECK(parsed("2.5") == "2.5d");
    CHECK(parsed("2.5e0") == "2.5");
    CHECK(parsed(".5") == "0.5d");
    CHECK(parsed("2.") == "2d");
    CHECK(parsed("1e2") == "100");
    CHECK(parsed("1E+2") == "100");
    CHECK(parsed("1d2") == "100d");
    CHECK(parsed("15D-1") == "1.5d");
    CHECK(parsed("2e0i") == "2i");
    CHECK(parsed("16777217") == "16777217d"); // no float holds it
    CHECK(parsed("1e40") == "10000000000000000303786028427003666890752d");
    CHECK(parsed("1e-400") == "0");
    CHECK(failure("2 e") == "column 3: expected an operator before \"e\"");
    CHECK(parsed("3i") == "3di");
}

TEST_CASE("errors say where") {
    CHECK(failure("") == "column 1: the expression is empty");
    CHECK(failure("  ") == "column 1: the expression is empty");
    CHECK(failure("a + ") == "column 5: expected an expression after \"+\"");
    CHECK(failure("a + * b") == "column 5: expected an expression after \"+\" before \"*\"");
    CHECK(failure(") + b") == "column 1: expected an expression before \")\"");
    CHECK(failure("a b") == "column 3: expected an operator before \"b\"");
    CHECK(failure("(a + b") == "column 7: expected \")\" for the \"(\" in column 1 before the end");
    CHECK(failure("sin(a") == "column 6: expected \")\" for the \"(\" in column 4 before the end");
    CHECK(failure("a[b>1") == "column 6: expected \"]\" for the \"[\" in column 2 before the end");
    CHECK(failure("a)") == "column 2: expected an operator before \")\"");
    CHECK(failure("1<2<3") == "column 4: comparisons can't be chained; write a < b && b < c, or use parentheses");
    CHECK(failure("\"ä\" + \"b") == "column 7: the quote \" is not closed");
    CHECK(failure("ä + é ? 2") == "column 7: the character \"?\" has no meaning here");
    CHECK(failure("a = b") == "column 3: \"=\" is not an operator; equality is \"==\"");
    CHECK(failure("a & b") == "column 3: \"&\" is not an operator; logical ones are \"&&\" and \"||\"");
    CHECK(failure("3c273.fits") ==
          "column 1: expected an operator after \"3\"; the name of an image that begins with a digit has to stand in quotes");
    CHECK(failure("''") == "column 1: the name of an image is empty");
    CHECK(failure("1e400") == "column 1: the number 1e400 is too large");
    CHECK(failure("'a'(b)") == "column 4: expected an operator before \"(\"; \"a\" is not the name of a function");
    CHECK(failure("im:mask0 + 1").find("column 1: masks and regions given by name") == 0);
    CHECK(failure("$1 + 1").find("column 1: images and regions by number") == 0);
    CHECK(failure("rebin(a,[2,2])") == "column 1: the function rebin() is not supported");
    CHECK(failure("[1,2]").find("column 1: a list of values") == 0);
    CHECK(failure("sin(a,)") == "column 7: expected an expression after \",\" before \")\"");
    CHECK(failure(std::string("a \x01")) == "column 3: unexpected character");
    CHECK(failure(std::string("'a\x01'")) == "column 1: the name of an image holds a control character");
}

TEST_CASE("bounds") {
    const auto nested = [](int n) { return std::string(std::size_t(n), '(') + "a" + std::string(std::size_t(n), ')'); };
    CHECK(parsed(nested(kMaxExpressionDepth - 1)) == "<a>");
    CHECK(failure(nested(kMaxExpressionDepth + 1)).find("levels of brackets") != std::string::npos);
    CHECK(failure(std::string(60000, '-') + "a").find("levels of brackets") != std::string::npos);
    CHECK(failure(std::string(60000, '(')).find("levels of brackets") != std::string::npos);
    std::string powers = "a";
    for (int n = 0; n < 20000; ++n) powers += "^a";
    CHECK(failure(powers).find("levels of brackets") != std::string::npos);
    std::string sum = "a";
    for (int n = 0; n < 20000; ++n) sum += "+a";
    CHECK(failure(sum).find("more than 4000 operators") != std::string::npos);
    CHECK(failure(std::string(kMaxExpressionLength + 1, ' ')).find("bytes, more than") != std::string::npos);
}

TEST_CASE("random text ends in a tree or in an error with a column within it") {
    const unsigned seed = 4711;
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    const std::vector<std::string> pieces{"a",  "'b c'", "1", "2.5", "(",  ")", "[", "]", ",", "+",  "-", "*",  "/", "^",    "%", "!",
                                          "==", ">",     "<", "&&",  "||", " ", "T", "F", ".", "\"", "'", "\\", "ä", "sin(", "e", "3i"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (int n = int(random() % 12); n >= 0; --n) text += pieces[random() % pieces.size()];
        int characters = 0;
        for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        try {
            const Syntax syntax = parse_expression(text);
            for (std::size_t k = 0; k < syntax.size(); ++k)
                for (const int operand : syntax[k].operands) REQUIRE((operand >= 0 && operand < int(k)));
        } catch (const ExpressionError& error) {
            INFO(text);
            REQUIRE(error.column() >= 1);
            REQUIRE(error.column() <= characters + 1);
        }
    }
}
