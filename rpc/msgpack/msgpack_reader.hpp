#pragma once
/// msgpack into values, for messages that come from outside. Never throws on bad input; thread-safe.
///
/// Memory is bounded by the bytes that are there and by max_values_per_message, whatever sizes they claim. Keys of maps are
/// strings or integers, and different; strings are UTF-8. Extension values, timestamps among them, are kept as they are.

#include "rpc/decoded.hpp"

#include <memory>
#include <string_view>

namespace cubelink::rpc {

/// `depth`: containers within each other, the outermost being 1; at most 126. With an `owner`, which keeps `bytes` alive, large binary
/// values refer to it instead of being copied.
Decoded read_msgpack(std::string_view bytes, const std::shared_ptr<const void>& owner, unsigned depth);

} // namespace cubelink::rpc
