#pragma once
/// What a session holds: images (of files, or computed), regions, catalogs. Each is known by its kind and the id that clients gave it.

#include "imaging/base/cancel.hpp"

#include <compare>
#include <cstdint>

namespace cubelink::server {

enum class ObjectKind : std::uint8_t { image, region, catalog };

/// Unique within a session at any one moment; an id may be used again when its object has been closed.
struct ObjectId {
    ObjectKind kind = ObjectKind::image;
    std::int32_t id = 0;
    friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

inline ObjectId image_id(std::int32_t file_id) { return {ObjectKind::image, file_id}; }
inline ObjectId region_id(std::int32_t id) { return {ObjectKind::region, id}; }
inline ObjectId catalog_id(std::int32_t file_id) { return {ObjectKind::catalog, file_id}; }

/// Base of everything that a session holds by id. The members here may be used from any thread; what a derived class adds belongs to the
/// session's commands, unless it says otherwise.
class Object {
public:
    explicit Object(ObjectId object_id);
    virtual ~Object() = default;
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    const ObjectId object_id;
    /// Of this opening, unique in the process, never 0: the group of its jobs, and part of the keys of its publications.
    const std::uint64_t number;
    /// Cancelled when it is closed or replaced.
    const imaging::CancelToken closed;
};

} // namespace cubelink::server
