#pragma once
/// The objects of one session, by kind and id. Thread-safe; only the session's commands add and close objects.

#include "platform/mutex.hpp"
#include "server/session/object.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace cubelink::server {

class ObjectRegistry {
public:
    /// Called, outside of locks, for each object that was closed or replaced, after it has left the registry and its token was cancelled.
    using OnClosed = std::function<void(const ObjectPtr&)>;
    explicit ObjectRegistry(OnClosed on_closed) : on_closed_(std::move(on_closed)) {}

    /// Objects of a kind that a session may hold.
    static std::size_t limit_of(ObjectKind kind);
    std::size_t count(ObjectKind kind) const;
    /// Whether an object of that id can be added: always where it replaces one.
    bool has_room_for(ObjectId id) const;

    /// Adds it; an earlier object of that id is closed first, with what belongs to it. The caller checks has_room_for().
    void put(ObjectPtr object);
    /// Closes it, and what belongs to it. False if there is none.
    bool close(ObjectId id);
    void close_all(ObjectKind kind);

    /// Cancels the tokens of the object and of what belongs to it: find() and all() leave them out from now on; close() follows by a command.
    /// Returns the numbers of those that were cancelled.
    std::vector<std::uint64_t> cancel(ObjectId id);
    std::vector<std::uint64_t> cancel_all(ObjectKind kind);

    /// nullptr if there is none of that id and type, or it has been cancelled.
    template <class T>
    std::shared_ptr<T> find(ObjectId id) const {
        return std::dynamic_pointer_cast<T>(find_any(id));
    }
    /// By id, ascending.
    template <class T>
    std::vector<std::shared_ptr<T>> all(ObjectKind kind) const {
        std::vector<std::shared_ptr<T>> list;
        for (const auto& object : all_of(kind))
            if (auto typed = std::dynamic_pointer_cast<T>(object)) list.push_back(std::move(typed));
        return list;
    }
    /// Also if it has been cancelled and waits for its close().
    bool holds(ObjectId id) const;

    /// A task makes an object of that id: next_id() is above it until release(). Calls are counted.
    void reserve(ObjectId id);
    void release(ObjectId id);
    /// The id above all that have been in use or are reserved: images and catalogs begin at 0, regions at 1.
    std::int32_t next_id(ObjectKind kind) const;
    /// The first of `count` ids that follow each other for new objects: next_id() if there are so many from there on, else the lowest that are neither in use
    /// nor reserved. Nothing if there are none.
    std::optional<std::int32_t> free_ids(ObjectKind kind, std::size_t count) const;
    /// Ids below have been in use: of a session that is restored.
    void set_next_id(ObjectKind kind, std::int32_t id);

    /// Counts the objects that have been added, replaced and closed.
    std::uint64_t changes() const { return changes_.load(); }

    /// Object::saved() of all objects that are saved, with "kind" and "id", those that others belong to first. By a command.
    std::vector<rpc::Map> saved() const;

private:
    using Objects = std::map<ObjectId, ObjectPtr>;
    ObjectPtr find_any(ObjectId id) const;
    std::int32_t next_of(ObjectKind kind) const CUBELINK_REQUIRES(mutex_);
    std::vector<ObjectPtr> all_of(ObjectKind kind) const;
    void take_out(Objects::iterator position, std::vector<ObjectPtr>& closed) CUBELINK_REQUIRES(mutex_);
    std::vector<ObjectPtr> belonging_to(ObjectId id) const CUBELINK_REQUIRES(mutex_);
    void report(const std::vector<ObjectPtr>& closed) const;

    const OnClosed on_closed_;
    mutable platform::Mutex mutex_;
    std::atomic<std::uint64_t> changes_{0};
    Objects objects_ CUBELINK_GUARDED_BY(mutex_);
    std::map<ObjectKind, std::size_t> counts_ CUBELINK_GUARDED_BY(mutex_);
    std::multimap<ObjectId, ObjectId> owned_ CUBELINK_GUARDED_BY(mutex_); // by the object that they belong to
    std::map<ObjectKind, std::int32_t> next_ids_ CUBELINK_GUARDED_BY(mutex_);
    std::multiset<ObjectId> reserved_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::server
