#pragma once
/// wslink generation 1: JSON text frames, and attachments in frames of their own (see attachments.hpp).

#include "rpc/dialect.hpp"

#include <memory>

namespace cubelink::rpc {

std::unique_ptr<Dialect> make_json_dialect();

} // namespace cubelink::rpc
