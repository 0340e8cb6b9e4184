#include "server/session/object.hpp"

#include <atomic>

namespace cubelink::server {

std::uint64_t next_number();

std::string_view name_of(ObjectKind kind) {
    switch (kind) {
    case ObjectKind::image: return "image";
    case ObjectKind::region: return "region";
    case ObjectKind::catalog: return "catalog";
    case ObjectKind::session: return "session";
    }
    return "";
}

Object::Object(ObjectId id) : object_id(id), number(next_number()) {}

} // namespace cubelink::server
