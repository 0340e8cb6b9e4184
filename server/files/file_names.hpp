#pragma once
/// File names are bytes; what clients read and write is UTF-8. A byte that is not UTF-8 is shown as U+FFFD and its two hexadecimal
/// digits, so that different files keep different names and a shown name leads back to its file. Thread-safe.

#include <string>
#include <string_view>

namespace cubelink::server {

/// `bytes` itself if they are valid UTF-8.
std::string shown_name(std::string_view bytes);

/// True if the name may come from shown_name() of bytes that are not UTF-8.
bool may_be_shown_name(std::string_view text);

} // namespace cubelink::server
