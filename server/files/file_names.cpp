#include "server/files/file_names.hpp"

namespace cubelink::server {

namespace {

/// Length of the UTF-8 sequence at the front of `text` (RFC 3629: no overlong forms, no surrogates), 0 if there is none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        if (!tail(1) || !tail(2)) return 0;
        if (first == 0xE0 && byte(1) < 0xA0) return 0;
        if (first == 0xED && byte(1) >= 0xA0) return 0;
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if (first == 0xF0 && byte(1) < 0x90) return 0;
        if (first == 0xF4 && byte(1) >= 0x90) return 0;
        return 4;
    }
    return 0;
}

constexpr std::string_view replacement = "\xEF\xBF\xBD";

} // namespace

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto n = sequence_length(text);
        if (n == 0) return false;
        text.remove_prefix(n);
    }
    return true;
}

std::string shown_name(std::string_view bytes) {
    std::string shown;
    while (!bytes.empty()) {
        auto n = sequence_length(bytes);
        if (n == 0) {
            const auto byte = static_cast<unsigned char>(bytes[0]);
            shown += replacement;
            shown += "0123456789ABCDEF"[byte >> 4];
            shown += "0123456789ABCDEF"[byte & 15];
            n = 1;
        } else {
            shown += bytes.substr(0, n);
        }
        bytes.remove_prefix(n);
    }
    return shown;
}

bool may_be_shown_name(std::string_view text) { return text.find(replacement) != std::string_view::npos; }

} // namespace cubelink::server
