#pragma once
/// A position in the text of a region file, that only moves forward. Used by the readers of region files.

#include <string_view>

namespace cubelink::imaging {

class RegionScanner {
public:
    explicit RegionScanner(std::string_view text) : text_(text) {}

    std::size_t line() const { return line_; }
    bool at_end() const { return at_ == text_.size(); }
    bool at_line_end() const { return at_end() || text_[at_] == '\n'; }
    /// '\0' at the end.
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    std::string_view rest_of_line() const { return text_.substr(at_, text_.find('\n', at_) - at_); }

    bool take(char c) {
        if (peek() != c || at_end()) return false;
        advance();
        return true;
    }
    void advance() {
        if (at_end()) return;
        if (text_[at_++] != '\n') return;
        ++line_;
        braces_nest_ = true;
        for (bool& m : missing_) m = false;
    }
    /// Spaces, tabs, carriage returns.
    void skip_blanks() {
        while (!at_end() && is_blank(text_[at_])) ++at_;
    }
    void skip_line() {
        while (!at_line_end()) ++at_;
    }
    /// To the next of these characters, or the end of the line.
    std::string_view until(std::string_view ends) {
        const auto from = at_;
        while (!at_line_end() && ends.find(text_[at_]) == std::string_view::npos) ++at_;
        return text_.substr(from, at_ - from);
    }
    /// Letters, digits and underscores; may be empty.
    std::string_view word() {
        const auto from = at_;
        while (!at_end() && is_word(text_[at_])) ++at_;
        return text_.substr(from, at_ - from);
    }
    /// At '"', '\'' or '{': what stands between it and its end in this line, past which it moves. Braces may be nested as long as each is closed in the line.
    /// With `escapes`, a quote after a backslash is no end. False, and nothing moves, if there is no end.
    bool delimited(std::string_view& content, bool escapes = false);

    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
    static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

private:
    std::string_view text_;
    std::size_t at_ = 0, line_ = 1;
    // Of the present line, so that no search is repeated: whether a search for nested braces or for an end has failed.
    bool braces_nest_ = true;
    bool missing_[3] = {};
};

} // namespace cubelink::imaging
