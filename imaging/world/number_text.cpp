#include "imaging/world/number_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cubelink::imaging {

std::optional<double> number_of(std::string_view text) {
    const bool signed_already = text.starts_with('+');
    if (signed_already) text.remove_prefix(1);
    if (text.empty() || text.starts_with('+') || (signed_already && text.starts_with('-'))) return std::nullopt;
    double value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<double> sexagesimal(std::string_view text, std::string_view ends) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    double value = 0, scale = 1;
    for (std::size_t field = 0; field < 3 && (field == 0 || !text.empty()); ++field) {
        // A point ends the first two fields only if it says so.
        auto end = field < ends.size() ? text.find(ends[field]) : std::string_view::npos;
        if (end == std::string_view::npos) {
            // Of "12:30" and "12d30m" the last field, of "12d" nothing is left.
            if (field == 0) return std::nullopt;
            end = text.size();
        }
        const auto digits = text.substr(0, end);
        if (digits.empty() || digits.front() == '-' || digits.front() == '+') return std::nullopt;
        const auto part = number_of(digits);
        if (!part || *part < 0 || (field > 0 && *part > 60)) return std::nullopt;
        value += *part * scale;
        scale /= 60;
        text.remove_prefix(std::min(text.size(), end + 1));
    }
    if (!text.empty()) return std::nullopt;
    return negative ? -value : value;
}

} // namespace cubelink::imaging
