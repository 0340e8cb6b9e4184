#include "server/files/natural_order.hpp"

#include <algorithm>
#include <cstddef>

namespace cubelink::server {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
unsigned char folded(char c) { return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

/// The digits that begin at `at`, which is moved behind them, without leading zeros.
std::string_view number_at(std::string_view text, std::size_t& at) {
    const auto begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    auto digits = text.substr(begin, at - begin);
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    return digits;
}

} // namespace

bool natural_less(std::string_view a, std::string_view b) {
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (is_digit(a[i]) && is_digit(b[j])) {
            const auto left = number_at(a, i), right = number_at(b, j);
            if (left.size() != right.size()) return left.size() < right.size();
            if (left != right) return left < right;
        } else {
            const auto left = folded(a[i++]), right = folded(b[j++]);
            if (left != right) return left < right;
        }
    }
    if (i < a.size() || j < b.size()) return j < b.size();
    return a < b;
}

} // namespace cubelink::server
