#pragma once
/// Values in text: cells of TABLEDATA, of text files and of FITS ASCII tables. Pure functions; any thread.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace cubelink::imaging {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

inline std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

namespace detail {
/// What from_chars does not take: D exponents, and numbers beyond the type's range.
template <class T>
bool parse_odd_real(std::string_view text, T& value) {
    if (text.size() > 400) return false;
    std::string copy(text);
    for (char& c : copy)
        if (c == 'd' || c == 'D') c = 'e';
    const char* const end = copy.data() + copy.size();
    const auto [stop, error] = std::from_chars(copy.data(), end, value);
    if (stop != end || error == std::errc::invalid_argument) return false;
    if (error == std::errc::result_out_of_range) {
        // Below the smallest, or beyond the largest: the widest type tells, and if it can't hold it either the exponent does.
        long double wide = 0;
        if (std::from_chars(copy.data(), end, wide).ec == std::errc()) {
            value = static_cast<T>(wide);
            return true;
        }
        const auto exponent = copy.find_first_of("eE");
        const bool small = exponent != std::string::npos && exponent + 1 < copy.size() && copy[exponent + 1] == '-';
        value = small ? T(0) : std::numeric_limits<T>::infinity();
        if (copy.front() == '-') value = -value;
    }
    return true;
}
} // namespace detail

/// "1.5", "-3", "+2e5", "1.5D3", "NaN", "Inf"; blanks around it. Beyond the range: infinity, or 0.
template <class T>
bool parse_real(std::string_view text, T& value) {
    text = without_blanks(text);
    if (text.size() > 1 && text.front() == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end) [[likely]]
        return true;
    return !text.empty() && detail::parse_odd_real(text, value);
}

/// "12", "-3", "+4", "0x1F" (all bits of the type, as VOTable has it), "12.0"; blanks around it. False if the type can't hold it.
template <class T>
bool parse_integer(std::string_view text, T& value) {
    text = without_blanks(text);
    if (text.size() > 1 && text.front() == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end) [[likely]]
        return true;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        std::make_unsigned_t<T> bits = 0;
        const auto hex = std::from_chars(text.data() + 2, end, bits, 16);
        value = static_cast<T>(bits);
        return hex.ec == std::errc() && hex.ptr == end;
    }
    double real = 0;
    // 2^63 and beyond are doubles that no conversion may see.
    if (!parse_real(text, real) || real != std::floor(real) || real < -9.2e18 || real > 9.2e18) return false;
    const auto whole = static_cast<std::int64_t>(real);
    value = static_cast<T>(whole);
    return static_cast<std::int64_t>(value) == whole && (whole >= 0 || std::is_signed_v<T>);
}

/// "T", "true", "1", "F", "false", "0", in any case.
inline bool parse_boolean(std::string_view text, std::uint8_t& value) {
    text = without_blanks(text);
    const auto is = [text](std::string_view word) {
        if (text.size() != word.size()) return false;
        for (std::size_t i = 0; i < word.size(); ++i)
            if ((text[i] | 0x20) != word[i]) return false;
        return true;
    };
    if (text == "1" || is("t") || is("true")) value = 1;
    else if (text == "0" || is("f") || is("false")) value = 0;
    else return false;
    return true;
}

} // namespace cubelink::imaging
