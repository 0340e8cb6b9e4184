#include "server/session/object.hpp"

#include <atomic>

namespace cubelink::server {

std::uint64_t next_number();

Object::Object(ObjectId id) : object_id(id), number(next_number()) {}

} // namespace cubelink::server
