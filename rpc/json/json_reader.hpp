#pragma once
/// JSON text into values, for messages that come from outside.
///
/// Strict JSON (RFC 8259) and, beyond it, the bare words NaN, Infinity and -Infinity, which wslink's clients write and expect.
/// Integers keep 64 bits; larger ones are floats where JavaScript writes a float so, and otherwise problems, as are duplicate keys and
/// nesting beyond the limit. A lone surrogate (written \ud800) becomes U+FFFD. Written by hand because nlohmann-json's lexer knows neither NaN nor integers beyond 64 bits.
/// Never throws on bad input; memory is bounded by that of the text and max_values_per_message. Thread-safe.

#include "rpc/decoded.hpp"

#include <string_view>

namespace cubelink::rpc {

/// `text` must be valid UTF-8 (see utf8.hpp). `depth`: containers within each other, the outermost being 1.
Decoded read_json(std::string_view text, unsigned depth);

} // namespace cubelink::rpc
