#pragma once
/// wslink, both generations on one path: the first frame that is not empty decides which one the connection uses.
/// Text: JSON (generation 1). Binary: msgpack (generation 2).
///
/// encode() answers nullptr while the generation is not known: nothing can have been asked, so nothing is owed.

#include "rpc/dialect.hpp"

#include <memory>

namespace cubelink::rpc {

/// A dialect with the narrow InputLimits that hold before hello.
std::unique_ptr<Dialect> make_wslink_dialect();

} // namespace cubelink::rpc
