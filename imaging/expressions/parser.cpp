#include "imaging/expressions/parser.hpp"

#include "imaging/expressions/expression_error.hpp"
#include "imaging/expressions/lexer.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace cubelink::imaging {

namespace {

// How tightly operators bind; those of one number from left to right, ^ from right to left.
constexpr int kSums = 1, kProducts = 2, kSign = 3, kNot = 4, kPower = 5;

std::optional<int> strength(const Token& token) {
    if (token.kind != TokenKind::symbol || token.text.size() != 1) return std::nullopt;
    switch (token.text[0]) {
    case '+':
    case '-': return kSums;
    case '*':
    case '/':
    case '%': return kProducts;
    case '^': return kPower;
    default: return std::nullopt;
    }
}

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

std::string shown(const Token& token) {
    if (token.kind == TokenKind::end) return "the end";
    std::string text = token.text;
    if (text.size() > 40) {
        std::size_t end = 37;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
        text = text.substr(0, end) + "...";
    }
    return '"' + (token.kind == TokenKind::boolean ? std::string(token.value != 0 ? "T" : "F") : text) + '"';
}

class Parser {
public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    Syntax parse() {
        if (now().kind == TokenKind::end) throw ExpressionError(1, "the expression is empty");
        disjunction();
        if (now().kind != TokenKind::end) unexpected("expected an operator before " + shown(now()));
        return std::move(nodes_);
    }

private:
    /// Counts how deep the parser is within itself.
    class Level {
    public:
        explicit Level(Parser& parser) : parser_(parser) {
            if (++parser_.depth_ > kMaxExpressionDepth)
                throw ExpressionError(parser_.now().column,
                                      "more than " + std::to_string(kMaxExpressionDepth) + " levels of brackets and signs");
        }
        ~Level() { --parser_.depth_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

    private:
        Parser& parser_;
    };

    const Token& now() const { return tokens_[at_]; }
    Token take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    bool is(std::string_view symbol) const { return now().kind == TokenKind::symbol && now().text == symbol; }
    bool is_not_word() const { return now().kind == TokenKind::identifier && lower(now().text) == "not"; }
    [[noreturn]] void unexpected(const std::string& sentence) const { throw ExpressionError(now().column, sentence); }
    void expect(std::string_view symbol, const Token& opened) {
        if (!is(symbol))
            unexpected("expected \"" + std::string(symbol) + "\" for the \"" + opened.text + "\" in column " +
                       std::to_string(opened.column) + " before " + shown(now()));
        take();
    }

    int add(SyntaxNode node) {
        if (nodes_.size() >= kMaxExpressionNodes)
            throw ExpressionError(node.column,
                                  "the expression has more than " + std::to_string(kMaxExpressionNodes) + " operators, names and numbers");
        nodes_.push_back(std::move(node));
        return static_cast<int>(nodes_.size()) - 1;
    }
    int add_binary(const Token& op, int left, int right) {
        SyntaxNode node;
        node.kind = SyntaxKind::binary;
        node.column = op.column;
        node.text = op.text;
        node.operands = {left, right};
        return add(std::move(node));
    }

    int disjunction() {
        const Level level(*this);
        int left = conjunction();
        while (is("||")) {
            const Token op = take();
            left = add_binary(op, left, conjunction());
        }
        return left;
    }
    int conjunction() {
        int left = comparison();
        while (is("&&")) {
            const Token op = take();
            left = add_binary(op, left, comparison());
        }
        return left;
    }
    bool at_comparison() const {
        constexpr std::string_view operators[] = {"==", "!=", ">", ">=", "<", "<="};
        return now().kind == TokenKind::symbol && std::find(std::begin(operators), std::end(operators), now().text) != std::end(operators);
    }
    int comparison() {
        const int left = arithmetic(kSums);
        if (!at_comparison()) return left;
        const Token op = take();
        const int whole = add_binary(op, left, arithmetic(kSums));
        if (at_comparison()) unexpected("comparisons can't be chained; write a < b && b < c, or use parentheses");
        return whole;
    }

    /// Operators that bind at least as tightly as `least`.
    int arithmetic(int least) {
        int left = prefixed();
        while (true) {
            const auto tight = strength(now());
            if (!tight || *tight < least) return left;
            const Token op = take();
            left = add_binary(op, left, operand_of(op, *tight == kPower ? kPower : *tight + 1));
        }
    }
    int operand_of(const Token&, int least) {
        const Level level(*this);
        return arithmetic(least);
    }
    int prefixed() {
        if (is("+") || is("-") || is("!") || is_not_word()) {
            Token op = take();
            const Level level(*this);
            const bool negates = op.text != "+" && op.text != "-";
            const int operand = arithmetic(negates ? kNot : kSign);
            if (op.text == "+") return operand;
            SyntaxNode node;
            node.kind = SyntaxKind::unary;
            node.column = op.column;
            node.text = negates ? "!" : "-";
            node.operands = {operand};
            return add(std::move(node));
        }
        int value = primary();
        while (is("[")) {
            const Token opened = take();
            const int condition = disjunction();
            expect("]", opened);
            SyntaxNode node;
            node.kind = SyntaxKind::condition;
            node.column = opened.column;
            node.operands = {value, condition};
            value = add(std::move(node));
        }
        return value;
    }

    int primary() {
        const Token token = now();
        SyntaxNode node;
        node.column = token.column;
        switch (token.kind) {
        case TokenKind::number:
            node.kind = SyntaxKind::number;
            node.value = token.value;
            node.is_double = token.is_double;
            node.imaginary = token.imaginary;
            take();
            return add(std::move(node));
        case TokenKind::boolean:
            node.kind = SyntaxKind::boolean;
            node.value = token.value;
            take();
            return add(std::move(node));
        case TokenKind::image_name: return image(take());
        case TokenKind::identifier: take(); return is("(") ? call(token) : image(token);
        case TokenKind::symbol:
            if (token.text == "(") {
                take();
                const int inner = disjunction();
                expect(")", token);
                return inner;
            }
            if (token.text == "[") unexpected("a list of values stands only in rebin() and indexin(), which are not supported");
            break;
        case TokenKind::end: break;
        }
        if (at_ == 0) unexpected("expected an expression before " + shown(token));
        const Token& before = tokens_[at_ - 1];
        unexpected("expected an expression after " + shown(before) +
                   (token.kind == TokenKind::end ? std::string() : " before " + shown(token)));
    }

    int image(const Token& token) {
        if (is("(")) unexpected("expected an operator before \"(\"; " + shown(token) + " is not the name of a function");
        SyntaxNode node;
        node.kind = SyntaxKind::image;
        node.column = token.column;
        node.text = token.text;
        return add(std::move(node));
    }

    int call(const Token& name) {
        SyntaxNode node;
        node.kind = SyntaxKind::call;
        node.column = name.column;
        node.text = lower(name.text);
        if (node.text == "indexin" || node.text == "indexnotin" || node.text == "rebin")
            throw ExpressionError(name.column, "the function " + node.text + "() is not supported");
        const Token opened = take();
        if (!is(")")) {
            node.operands.push_back(disjunction());
            while (is(",")) {
                take();
                node.operands.push_back(disjunction());
            }
        }
        expect(")", opened);
        return add(std::move(node));
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int depth_ = 0;
    Syntax nodes_;
};

} // namespace

Syntax parse_expression(std::string_view text) {
    if (text.size() > kMaxExpressionLength)
        throw ExpressionError(1, "the expression has " + std::to_string(text.size()) + " bytes, more than " +
                                     std::to_string(kMaxExpressionLength));
    return Parser(tokens_of(text)).parse();
}

} // namespace cubelink::imaging
