#include "imaging/regions/region_scanner.hpp"

namespace cubelink::imaging {

bool RegionScanner::delimited(std::string_view& content, bool escapes) {
    const char open = peek();
    const char end = open == '{' ? '}' : open;
    bool& missing = missing_[open == '{' ? 0 : open == '"' ? 1 : 2];
    if (missing) return false;
    const auto from = at_ + 1;
    auto first_end = std::string_view::npos, found = std::string_view::npos;
    std::size_t depth = 1;
    for (auto i = from; i < text_.size() && text_[i] != '\n'; ++i) {
        const char c = text_[i];
        if (escapes && c == '\\') {
            ++i;
            if (i < text_.size() && text_[i] == '\n') break;
            continue;
        }
        if (c == '{' && open == '{' && braces_nest_) ++depth;
        if (c != end) continue;
        if (first_end == std::string_view::npos) first_end = i;
        if (--depth > 0) continue;
        found = i;
        break;
    }
    if (found == std::string_view::npos && first_end != std::string_view::npos) braces_nest_ = false;
    if (found == std::string_view::npos) found = first_end;
    if (found == std::string_view::npos) {
        missing = true;
        return false;
    }
    content = text_.substr(from, found - from);
    at_ = found + 1;
    return true;
}

} // namespace cubelink::imaging
