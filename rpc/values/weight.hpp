#pragma once
/// What a value takes in memory, roughly: for those who keep what clients send until its turn comes. Pure, any thread.

#include "rpc/values/value.hpp"

#include <cstddef>

namespace cubelink::rpc {

/// Bytes, of all that is below it as well. Small numbers on the wire can be forty times as large here.
std::size_t weight(const Value& value);
std::size_t weight(const Array& values);
std::size_t weight(const Map& values);

} // namespace cubelink::rpc
