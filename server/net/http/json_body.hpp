#pragma once
/// JSON in HTTP bodies. Includes nlohmann-json: for the few sources that speak it, never for other headers.

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace cubelink::server {

/// Nesting that is still read. The library recurses when it copies and prints, so what comes in must be bounded.
inline constexpr int max_json_depth = 64;

/// nullopt, and `error` says why, for text that is not JSON, not UTF-8, or nested deeper than max_json_depth.
inline std::optional<nlohmann::json> parse_json_body(std::string_view text, std::string& error) {
    int depth = 0;
    bool in_string = false, escaped = false;
    for (char c : text) {
        if (in_string) {
            if (escaped) {
                escaped = false;
            } else if (c == '\\') {
                escaped = true;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_json_depth) {
                error = "nested deeper than " + std::to_string(max_json_depth) + " levels";
                return std::nullopt;
            }
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        error = "not valid JSON";
        return std::nullopt;
    }
    return json;
}

} // namespace cubelink::server
