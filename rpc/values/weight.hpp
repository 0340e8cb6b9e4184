#pragma once
/// What a value takes in memory, roughly (the server limits what clients may have waiting), and what it costs to encode. Pure, any thread.

#include "rpc/values/value.hpp"

#include <cstddef>

namespace cubelink::rpc {

/// Bytes, of all that is below it as well. Small numbers on the wire can be forty times as large here.
std::size_t weight(const Value& value);
std::size_t weight(const Array& values);
std::size_t weight(const Map& values);

/// Bytes that have to be written to encode a value: its texts and numbers, not bytes that are shared. Stops counting beyond `limit`.
std::size_t encoding_cost(const Value& value, std::size_t limit);

} // namespace cubelink::rpc
