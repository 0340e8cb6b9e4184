#include "server/session/object_registry.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

using platform::MutexLock;

namespace {

ObjectId first_of(ObjectKind kind) { return {kind, INT32_MIN}; }

std::int32_t first_id(ObjectKind kind) { return kind == ObjectKind::region ? 1 : 0; }

} // namespace

std::size_t ObjectRegistry::limit_of(ObjectKind kind) { return kind == ObjectKind::region ? 100'000 : 1000; }

std::size_t ObjectRegistry::count(ObjectKind kind) const {
    const MutexLock lock(mutex_);
    const auto it = counts_.find(kind);
    return it == counts_.end() ? 0 : it->second;
}

bool ObjectRegistry::has_room_for(ObjectId id) const {
    const MutexLock lock(mutex_);
    if (objects_.contains(id)) return true;
    const auto count = counts_.find(id.kind);
    return count == counts_.end() || count->second < limit_of(id.kind);
}

std::vector<ObjectPtr> ObjectRegistry::belonging_to(ObjectId id) const {
    std::vector<ObjectPtr> list;
    for (auto [it, end] = owned_.equal_range(id); it != end; ++it)
        if (const auto object = objects_.find(it->second); object != objects_.end()) list.push_back(object->second);
    return list;
}

/// What belongs to it goes first.
void ObjectRegistry::take_out(Objects::iterator position, std::vector<ObjectPtr>& closed) {
    const auto object = position->second;
    ++changes_;
    objects_.erase(position); // first, so that a circle ends
    --counts_[object->object_id.kind];
    if (const auto owner = object->belongs_to()) {
        auto [it, end] = owned_.equal_range(*owner);
        while (it != end && it->second != object->object_id) ++it;
        if (it != end) owned_.erase(it);
    }
    for (const auto& owned : belonging_to(object->object_id))
        if (const auto it = objects_.find(owned->object_id); it != objects_.end()) take_out(it, closed);
    object->closed.cancel();
    closed.push_back(object);
}

void ObjectRegistry::report(const std::vector<ObjectPtr>& closed) const {
    if (!on_closed_) return;
    for (const auto& object : closed) on_closed_(object);
}

void ObjectRegistry::put(ObjectPtr object) {
    std::vector<ObjectPtr> closed;
    {
        const MutexLock lock(mutex_);
        const auto id = object->object_id;
        if (const auto old = objects_.find(id); old != objects_.end()) take_out(old, closed);
        if (const auto owner = object->belongs_to()) owned_.emplace(*owner, id);
        objects_[id] = std::move(object);
        ++changes_;
        ++counts_[id.kind];
        auto& next = next_ids_.try_emplace(id.kind, first_id(id.kind)).first->second;
        if (id.id >= next && id.id < INT32_MAX) next = id.id + 1;
    }
    report(closed);
}

bool ObjectRegistry::close(ObjectId id) {
    std::vector<ObjectPtr> closed;
    {
        const MutexLock lock(mutex_);
        const auto it = objects_.find(id);
        if (it == objects_.end()) return false;
        take_out(it, closed);
    }
    report(closed);
    return true;
}

void ObjectRegistry::close_all(ObjectKind kind) {
    std::vector<ObjectPtr> closed;
    {
        const MutexLock lock(mutex_);
        for (;;) {
            const auto it = objects_.lower_bound(first_of(kind));
            if (it == objects_.end() || it->first.kind != kind) break;
            take_out(it, closed);
        }
    }
    report(closed);
}

std::vector<std::uint64_t> ObjectRegistry::cancel(ObjectId id) {
    std::vector<std::uint64_t> numbers;
    const MutexLock lock(mutex_);
    const auto it = objects_.find(id);
    if (it == objects_.end()) return numbers;
    auto list = belonging_to(id);
    list.push_back(it->second);
    for (const auto& object : list) {
        object->closed.cancel();
        numbers.push_back(object->number);
    }
    return numbers;
}

std::vector<std::uint64_t> ObjectRegistry::cancel_all(ObjectKind kind) {
    std::vector<ObjectId> ids;
    {
        const MutexLock lock(mutex_);
        for (const auto& [id, object] : objects_)
            if (id.kind == kind) ids.push_back(id);
    }
    std::vector<std::uint64_t> numbers;
    for (const auto id : ids)
        for (const auto number : cancel(id)) numbers.push_back(number);
    return numbers;
}

ObjectPtr ObjectRegistry::find_any(ObjectId id) const {
    const MutexLock lock(mutex_);
    const auto it = objects_.find(id);
    return it == objects_.end() || it->second->closed.cancelled() ? nullptr : it->second;
}

bool ObjectRegistry::holds(ObjectId id) const {
    const MutexLock lock(mutex_);
    return objects_.contains(id);
}

std::vector<ObjectPtr> ObjectRegistry::all_of(ObjectKind kind) const {
    std::vector<ObjectPtr> list;
    const MutexLock lock(mutex_);
    for (auto it = objects_.lower_bound(first_of(kind)); it != objects_.end() && it->first.kind == kind; ++it)
        if (!it->second->closed.cancelled()) list.push_back(it->second);
    return list;
}

void ObjectRegistry::reserve(ObjectId id) {
    const MutexLock lock(mutex_);
    reserved_.insert(id);
}

void ObjectRegistry::release(ObjectId id) {
    const MutexLock lock(mutex_);
    if (const auto it = reserved_.find(id); it != reserved_.end()) reserved_.erase(it);
}

std::int32_t ObjectRegistry::next_id(ObjectKind kind) const {
    const MutexLock lock(mutex_);
    return next_of(kind);
}

std::optional<std::int32_t> ObjectRegistry::free_ids(ObjectKind kind, std::size_t count) const {
    const MutexLock lock(mutex_);
    std::set<std::int64_t> taken; // at most as many as a session may hold
    for (auto it = objects_.lower_bound(first_of(kind)); it != objects_.end() && it->first.kind == kind; ++it) taken.insert(it->first.id);
    for (auto id = reserved_.lower_bound(first_of(kind)); id != reserved_.end() && id->kind == kind; ++id) taken.insert(id->id);
    const auto wanted = static_cast<std::int64_t>(count);
    const auto gap_from = [&](std::int64_t from) {
        for (auto id = taken.lower_bound(from); id != taken.end() && *id - from < wanted; ++id) from = *id + 1;
        return from;
    };
    for (const std::int64_t from : {std::int64_t{next_of(kind)}, gap_from(first_id(kind))})
        if (from + wanted - 1 <= INT32_MAX && gap_from(from) == from) return static_cast<std::int32_t>(from);
    return std::nullopt;
}

std::int32_t ObjectRegistry::next_of(ObjectKind kind) const {
    const auto it = next_ids_.find(kind);
    auto next = it == next_ids_.end() ? first_id(kind) : it->second;
    for (auto id = reserved_.lower_bound(first_of(kind)); id != reserved_.end() && id->kind == kind; ++id)
        if (id->id < INT32_MAX) next = std::max(next, id->id + 1);
    return next;
}

void ObjectRegistry::set_next_id(ObjectKind kind, std::int32_t id) {
    const MutexLock lock(mutex_);
    auto& next = next_ids_.try_emplace(kind, first_id(kind)).first->second;
    next = std::max(next, id);
}

std::vector<rpc::Map> ObjectRegistry::saved() const {
    std::vector<ObjectPtr> objects;
    {
        const MutexLock lock(mutex_);
        for (const auto& [id, object] : objects_)
            if (!object->closed.cancelled()) objects.push_back(object);
    }
    std::stable_partition(objects.begin(), objects.end(), [](const auto& object) { return !object->belongs_to(); });
    std::vector<rpc::Map> list;
    for (const auto& object : objects) {
        auto fields = object->saved();
        if (fields.empty()) continue;
        fields["kind"] = std::string(name_of(object->object_id.kind));
        fields["id"] = object->object_id.id;
        list.push_back(std::move(fields));
    }
    return list;
}

} // namespace cubelink::server
