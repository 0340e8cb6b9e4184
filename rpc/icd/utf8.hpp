#pragma once
/// UTF-8 (RFC 3629) as protobuf and JSON want it: no overlong forms, no surrogates, nothing above U+10FFFF. Any thread.

#include <string>
#include <string_view>

namespace cubelink::icd {

bool is_valid_utf8(std::string_view text);

/// `text`, with each maximal run of bytes that can't be part of a character replaced by U+FFFD, as the Unicode Standard
/// (section 3.9, "substitution of maximal subparts") and Python's errors="replace" do.
std::string to_valid_utf8(std::string_view text);

} // namespace cubelink::icd
