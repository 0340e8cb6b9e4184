#pragma once
/// When the connections of a session are told of a region that changes again and again, as one that is dragged: at once, and from then on no more
/// often than each `pause`, of the newest state. Belongs to the session's commands.

#include <cstdint>
#include <map>
#include <vector>

namespace cubelink::server {

class RegionNews {
public:
    static constexpr std::uint64_t pause = 50; // milliseconds

    /// The region has changed. Whether it is to be told now; otherwise take_due() will name it.
    bool tell_now(std::int32_t id) {
        const auto [entry, fresh] = recent_.try_emplace(id, false);
        if (!fresh) entry->second = true;
        return fresh;
    }
    /// There is no such region any more.
    void forget(std::int32_t id) { recent_.erase(id); }
    /// To be called each `pause` until waits() is false: the regions to be told now.
    std::vector<std::int32_t> take_due() {
        std::vector<std::int32_t> due;
        for (auto entry = recent_.begin(); entry != recent_.end();) {
            if (!entry->second) {
                entry = recent_.erase(entry);
                continue;
            }
            due.push_back(entry->first);
            entry->second = false;
            ++entry;
        }
        return due;
    }
    bool waits() const { return !recent_.empty(); }

private:
    std::map<std::int32_t, bool> recent_; // told within the last pause; whether they have changed since
};

} // namespace cubelink::server
