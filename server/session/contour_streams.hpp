#pragma once
/// What each connection has been sent of the contours of an image.
///
/// A client replaces a level's lines by the first chunk that comes after the level's last one, and adds those that follow. So a level that was begun for a
/// plane that is not shown any more has to be ended before chunks of the next one come.

#include "imaging/base/geometry.hpp"
#include "platform/mutex.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace cubelink::server {

/// Thread-safe.
class ContourStreams {
public:
    /// Chunks for one plane, which are one set of the connection's outbox.
    struct Set {
        std::uint64_t number = 0; // 0: none
        imaging::PlaneId plane{};
        std::int32_t reference_file_id = 0;
        std::vector<double> left_levels{}; // not begun
        std::vector<double> open_levels{}; // begun and not ended
        bool begun = false;                // any level
    };

    /// A set begins. Returns the one before, of which nothing is sent any more.
    Set begin(std::uint64_t connection, Set set) {
        const platform::MutexLock lock(mutex_);
        auto& record = records_[connection];
        record.off.reset();
        return std::exchange(record.set, std::move(set));
    }
    /// A chunk of the level is sent: called before that, and for its last one after it. Of a set that is not the newest: has no effect.
    void sent(std::uint64_t connection, std::uint64_t set, double level, bool ended) {
        const platform::MutexLock lock(mutex_);
        const auto found = records_.find(connection);
        if (found == records_.end() || found->second.set.number != set) return;
        auto& current = found->second.set;
        current.begun = true;
        if (const auto left = std::find(current.left_levels.begin(), current.left_levels.end(), level); left != current.left_levels.end())
            current.left_levels.erase(left);
        auto& open = current.open_levels;
        const auto it = std::find(open.begin(), open.end(), level);
        if (ended && it != open.end()) open.erase(it);
        if (!ended && it == open.end()) open.push_back(level);
    }
    /// The connection has left.
    void forget(std::uint64_t connection) {
        const platform::MutexLock lock(mutex_);
        records_.erase(connection);
    }
    /// The connection has turned contours off while the plane was shown.
    void turn_off(std::uint64_t connection, imaging::PlaneId plane) {
        const platform::MutexLock lock(mutex_);
        records_[connection].off = plane;
    }
    /// Whether it has, and the plane is shown still.
    bool is_off_since(std::uint64_t connection, imaging::PlaneId plane) const {
        const platform::MutexLock lock(mutex_);
        const auto it = records_.find(connection);
        return it != records_.end() && it->second.off == plane;
    }

private:
    struct Record {
        Set set;
        std::optional<imaging::PlaneId> off;
    };
    mutable platform::Mutex mutex_;
    std::map<std::uint64_t, Record> records_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::server
