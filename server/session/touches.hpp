#pragma once
/// Which objects a command reads or changes: what decides whether two commands have to keep their order. Not synchronised.

#include "rpc/values/small_vector.hpp"
#include "server/session/object.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

namespace cubelink::server {

struct Touches {
    rpc::SmallVector<ObjectId> objects{};
    bool all_images = false, all_catalogs = false;

    bool nothing() const { return objects.empty() && !all_images && !all_catalogs; }
    bool has(ObjectId id) const { return std::find(objects.begin(), objects.end(), id) != objects.end(); }
    bool any_image() const { return all_images || any_of(ObjectKind::image); }
    bool any_catalog() const { return all_catalogs || any_of(ObjectKind::catalog); }
    /// Of the session as a whole rather than of some objects.
    bool whole_session() const { return any_of(ObjectKind::session); }

    friend bool conflict(const Touches& a, const Touches& b) {
        if ((a.all_images && b.any_image()) || (b.all_images && a.any_image())) return true;
        if ((a.all_catalogs && b.any_catalog()) || (b.all_catalogs && a.any_catalog())) return true;
        return std::any_of(a.objects.begin(), a.objects.end(), [&](const ObjectId& id) { return b.has(id); });
    }

private:
    bool any_of(ObjectKind kind) const {
        return std::any_of(objects.begin(), objects.end(), [kind](const ObjectId& id) { return id.kind == kind; });
    }
};

/// The union of many Touches, each of which can be taken out again.
class TouchCounts {
public:
    void add(const Touches& touches) { change(touches, 1); }
    /// It was added before.
    void remove(const Touches& touches) { change(touches, -1); }
    void clear() { *this = {}; }

    bool conflicts_with(const Touches& touches) const {
        if (touches.all_images && any_image_ > 0) return true;
        if (all_images_ > 0 && touches.any_image()) return true;
        if ((touches.all_catalogs && any_catalog_ > 0) || (all_catalogs_ > 0 && touches.any_catalog())) return true;
        return std::any_of(touches.objects.begin(), touches.objects.end(), [&](const ObjectId& id) { return objects_.contains(id); });
    }

private:
    void change(const Touches& touches, int by) {
        if (touches.all_images) all_images_ += by;
        if (touches.any_image()) any_image_ += by;
        if (touches.all_catalogs) all_catalogs_ += by;
        if (touches.any_catalog()) any_catalog_ += by;
        for (const auto& id : touches.objects) {
            const auto it = objects_.try_emplace(id, 0).first;
            if ((it->second += by) == 0) objects_.erase(it);
        }
    }

    std::map<ObjectId, int> objects_;
    int all_images_ = 0, any_image_ = 0, all_catalogs_ = 0, any_catalog_ = 0;
};

} // namespace cubelink::server
