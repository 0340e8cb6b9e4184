#include "imaging/expressions/lexer.hpp"

#include "imaging/expressions/expression_error.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
bool starts_name(char c) { return is_letter(c) || c == '_' || c == '~' || c == '$' || c == '\\' || is_beyond_ascii(c); }
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '.'; }
/// The bytes of UTF-8 that begin no character.
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    std::vector<Token> all() {
        std::vector<Token> tokens;
        do {
            tokens.push_back(next());
        } while (tokens.back().kind != TokenKind::end);
        return tokens;
    }

private:
    bool at_end() const { return at_ >= text_.size(); }
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    void advance() {
        ++at_;
        if (at_end() || !continues_character(text_[at_])) ++column_;
    }
    void advance(std::size_t bytes) {
        for (; bytes > 0; --bytes) advance();
    }

    Token next() {
        while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) advance();
        Token token;
        token.column = column_;
        if (at_end()) return token;
        const char c = peek();
        if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(token);
        if (c == '"' || c == '\'') return quoted(token);
        if (starts_name(c)) return name(token);
        return symbol(token);
    }

    Token number(Token& token) {
        token.kind = TokenKind::number;
        const std::size_t from = at_;
        bool integer = true;
        while (is_digit(peek())) advance();
        if (peek() == '.') {
            integer = false;
            advance();
            while (is_digit(peek())) advance();
        }
        std::string digits(text_.substr(from, at_ - from));
        bool single = integer;
        const char e = peek();
        if (e == 'e' || e == 'E' || e == 'd' || e == 'D') {
            const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
            if (is_digit(peek(1 + sign))) {
                single = e == 'e' || e == 'E';
                digits += 'e';
                if (peek(1) == '-') digits += '-';
                advance(1 + sign);
                while (is_digit(peek())) {
                    digits += peek();
                    advance();
                }
            }
        }
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token.value);
        // from_chars says the same of numbers that are too large and of those that are too small.
        const std::size_t exponent = digits.find('e');
        const bool tiny = error == std::errc::result_out_of_range && exponent != std::string::npos && digits[exponent + 1] == '-';
        if (tiny) token.value = 0;
        else if (error != std::errc() || !std::isfinite(token.value))
            throw ExpressionError(token.column, "the number " + shortened(text_.substr(from, at_ - from)) + " is too large");
        token.is_double = !single || std::abs(token.value) > double(std::numeric_limits<float>::max());
        if (integer && single && double(float(token.value)) != token.value) token.is_double = true;
        if (peek() == 'i' && !continues_name(peek(1))) {
            token.imaginary = true;
            token.is_double = token.is_double || digits.find('e') == std::string::npos;
            advance();
        }
        if (continues_name(peek()))
            throw ExpressionError(token.column, "expected an operator after " + quote(shortened(text_.substr(from, at_ - from))) +
                                                    "; the name of an image that begins with a digit has to stand in quotes");
        token.text = text_.substr(from, at_ - from);
        return token;
    }

    Token quoted(Token& token) {
        token.kind = TokenKind::image_name;
        // "a'b"'c"d' is one name.
        while (peek() == '"' || peek() == '\'') {
            const char mark = peek();
            const int column = column_;
            advance();
            while (!at_end() && peek() != mark) {
                token.text += peek();
                advance();
            }
            if (at_end()) throw ExpressionError(column, std::string("the quote ") + mark + " is not closed");
            advance();
        }
        if (token.text.empty()) throw ExpressionError(token.column, "the name of an image is empty");
        check(token);
        return token;
    }

    Token name(Token& token) {
        bool plain = true;
        const std::size_t from = at_;
        while (!at_end() && continues_name(peek())) {
            const char c = peek();
            if (!is_letter(c) && !is_digit(c) && c != '_') plain = false;
            if (c == '\\') {
                advance();
                if (at_end()) throw ExpressionError(column_ - 1, "expected a character after \"\\\"");
            }
            do {
                token.text += peek();
                advance();
            } while (!at_end() && continues_character(peek()));
        }
        if (peek() == ':')
            throw ExpressionError(token.column, "masks and regions given by name (image:mask, image::region) are not supported");
        const std::string_view written = text_.substr(from, at_ - from);
        if (written == "T" || written == "F") {
            token.kind = TokenKind::boolean;
            token.value = written == "T" ? 1 : 0;
        } else if (plain) {
            token.kind = TokenKind::identifier;
        } else {
            token.kind = TokenKind::image_name;
            const bool numbered =
                written.size() > 1 && written[0] == '$' && written.find_first_not_of("0123456789rR", 1) == std::string_view::npos;
            if (numbered)
                throw ExpressionError(token.column, "images and regions by number (" + quote(shortened(written)) + ") are not supported");
            check(token);
        }
        return token;
    }

    Token symbol(Token& token) {
        token.kind = TokenKind::symbol;
        for (const std::string_view two : {"==", "!=", ">=", "<=", "&&", "||"}) {
            if (text_.substr(at_, 2) != two) continue;
            token.text = two;
            advance(2);
            return token;
        }
        constexpr std::string_view ones = "+-*/%^()[],<>!";
        if (ones.find(peek()) == std::string_view::npos) {
            if (peek() == ':')
                throw ExpressionError(column_, "masks and regions given by name (image:mask, image::region) are not supported");
            if (peek() == '=') throw ExpressionError(column_, "\"=\" is not an operator; equality is \"==\"");
            if (peek() == '&' || peek() == '|')
                throw ExpressionError(column_, std::string("\"") + peek() + "\" is not an operator; logical ones are \"&&\" and \"||\"");
            const bool printable = peek() >= ' ' && peek() < 0x7f;
            throw ExpressionError(column_,
                                  printable ? std::string("the character \"") + peek() + "\" has no meaning here" : "unexpected character");
        }
        token.text = peek();
        advance();
        return token;
    }

    static void check(const Token& token) {
        for (const char c : token.text)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                throw ExpressionError(token.column, "the name of an image holds a control character");
    }
    static std::string quote(std::string_view text) { return '"' + std::string(text) + '"'; }
    static std::string shortened(std::string_view text) {
        return text.size() <= 40 ? std::string(text) : std::string(text.substr(0, 37)) + "...";
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int column_ = 1;
};

} // namespace

std::vector<Token> tokens_of(std::string_view expression) { return Lexer(expression).all(); }

} // namespace cubelink::imaging
