#pragma once
/// What a session holds: images (of files, or computed), regions, catalogs. Each is known by its kind and the id that clients gave it.

#include "imaging/base/cancel.hpp"
#include "rpc/values/value.hpp"

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace cubelink::server {

/// `session` is for the order of commands alone, see session_state and session_requirements.
enum class ObjectKind : std::uint8_t { image, region, catalog, session };
/// "image", "region", "catalog": what snapshots call it.
std::string_view name_of(ObjectKind kind);

/// Unique within a session at any one moment; an id may be used again when its object has been closed.
struct ObjectId {
    ObjectKind kind = ObjectKind::image;
    std::int32_t id = 0;
    friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

inline ObjectId image_id(std::int32_t file_id) { return {ObjectKind::image, file_id}; }
inline ObjectId region_id(std::int32_t id) { return {ObjectKind::region, id}; }
inline ObjectId catalog_id(std::int32_t file_id) { return {ObjectKind::catalog, file_id}; }
/// Touched by commands that need the session complete: they wait while it is restored from the store.
inline constexpr ObjectId session_state{ObjectKind::session, 0};
/// Touched by commands that hand requirements from connection to connection.
inline constexpr ObjectId session_requirements{ObjectKind::session, 1};

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

    /// The object that it is closed with. Always the same.
    virtual std::optional<ObjectId> belongs_to() const { return std::nullopt; }
    /// All that is needed to make it again, for snapshots; an empty map: it is not saved. By a command. ObjectRegistry adds kind and id.
    virtual rpc::Map saved() const { return {}; }
};
using ObjectPtr = std::shared_ptr<Object>;

} // namespace cubelink::server
