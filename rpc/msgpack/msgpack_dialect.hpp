#pragma once
/// wslink generation 2: msgpack messages in chunks (see chunking.hpp), binary values inline.

#include "rpc/dialect.hpp"

#include <memory>

namespace cubelink::rpc {

std::unique_ptr<Dialect> make_msgpack_dialect();

} // namespace cubelink::rpc
