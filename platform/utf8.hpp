#pragma once
/// UTF-8 as the Unicode standard has it: no surrogates, nothing beyond U+10FFFF, shortest forms only. Thread-safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cubelink::platform {

/// Bytes at the start of `text` that are whole, valid characters; `text.size()` if all of it is valid.
std::size_t valid_utf8_prefix(std::string_view text);

inline bool is_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

/// `text` with U+FFFD in place of whatever is not UTF-8 (one for each maximal part, as Unicode recommends).
std::string make_utf8(std::string_view text);

/// `text` if it is UTF-8, else taken as Latin-1 (ISO 8859-1), which any bytes are. For texts that do not say their encoding: what is not UTF-8 is
/// nearly always that.
std::string utf8_or_latin1(std::string_view text);

/// Appends the character `code_point`, which is at most 0x10FFFF and no surrogate.
void append_utf8(std::string& out, std::uint32_t code_point);

} // namespace cubelink::platform
