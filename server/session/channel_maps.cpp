#include "server/session/channel_maps.hpp"

#include <algorithm>
#include <iterator>

namespace cubelink::server {

using platform::MutexLock;

namespace {

void call(const std::vector<std::function<void()>>& functions) {
    for (const auto& function : functions) function();
}

} // namespace

std::vector<std::function<void()>> ChannelMaps::due(Map& map) {
    std::vector<std::function<void()>> list;
    while (!map.waiting.empty() && (!map.answers || map.under_way + map.unanswered.size() < window)) {
        list.push_back(std::move(map.waiting.front().begin));
        map.waiting.pop_front();
        ++map.under_way;
    }
    return list;
}

void ChannelMaps::show(std::uint64_t connection, std::int32_t file_id, View view) {
    std::sort(view.tiles.begin(), view.tiles.end());
    std::deque<Waiting> dropped; // outside of the lock
    const MutexLock lock(mutex_);
    auto& map = maps_[{connection, file_id}];
    const auto gone = std::stable_partition(map.waiting.begin(), map.waiting.end(),
                                            [&](const Waiting& one) { return one.channel >= view.from && one.channel <= view.to; });
    std::move(gone, map.waiting.end(), std::back_inserter(dropped));
    map.waiting.erase(gone, map.waiting.end());
    map.view = std::move(view);
}

void ChannelMaps::leave(std::uint64_t connection, std::int32_t file_id) {
    std::deque<Waiting> dropped; // outside of the lock
    const MutexLock lock(mutex_);
    const auto it = maps_.find({connection, file_id});
    if (it == maps_.end()) return;
    it->second.view.reset();
    it->second.unanswered.clear();
    dropped.swap(it->second.waiting);
}

bool ChannelMaps::shows(std::uint64_t connection, std::int32_t file_id, std::int32_t channel) const {
    const MutexLock lock(mutex_);
    const auto it = maps_.find({connection, file_id});
    return it != maps_.end() && it->second.view && channel >= it->second.view->from && channel <= it->second.view->to;
}

bool ChannelMaps::shows_tile(std::uint64_t connection, std::int32_t file_id, std::int32_t code) const {
    const MutexLock lock(mutex_);
    const auto it = maps_.find({connection, file_id});
    if (it == maps_.end() || !it->second.view) return false;
    const auto& tiles = it->second.view->tiles;
    return tiles.empty() || std::binary_search(tiles.begin(), tiles.end(), code);
}

void ChannelMaps::request(std::uint64_t connection, std::int32_t file_id, std::int32_t channel, std::function<void()> begin) {
    std::vector<std::function<void()>> list;
    {
        const MutexLock lock(mutex_);
        auto& map = maps_[{connection, file_id}];
        map.waiting.push_back({channel, std::move(begin)});
        list = due(map);
    }
    call(list);
}

void ChannelMaps::ended(std::uint64_t connection, std::int32_t file_id, std::int32_t channel, bool sent) {
    std::vector<std::function<void()>> list;
    {
        const MutexLock lock(mutex_);
        const auto it = maps_.find({connection, file_id});
        if (it == maps_.end()) return;
        auto& map = it->second;
        if (map.under_way > 0) --map.under_way;
        if (sent && map.answers && map.view) map.unanswered.insert(channel);
        list = due(map);
    }
    call(list);
}

void ChannelMaps::answered(std::uint64_t connection, std::int32_t file_id, std::int32_t channel) {
    std::vector<std::function<void()>> list;
    {
        const MutexLock lock(mutex_);
        auto& map = maps_[{connection, file_id}];
        map.answers = true;
        if (const auto it = map.unanswered.find(channel); it != map.unanswered.end()) map.unanswered.erase(it);
        list = due(map);
    }
    call(list);
}

template <class Matches>
void ChannelMaps::forget(Matches matches) {
    std::vector<Map> dropped; // outside of the lock
    const MutexLock lock(mutex_);
    for (auto it = maps_.begin(); it != maps_.end();) {
        if (!matches(it->first)) {
            ++it;
            continue;
        }
        dropped.push_back(std::move(it->second));
        it = maps_.erase(it);
    }
}

void ChannelMaps::forget_connection(std::uint64_t connection) {
    forget([&](const Key& key) { return key.first == connection; });
}
void ChannelMaps::forget_file(std::int32_t file_id) {
    forget([&](const Key& key) { return key.second == file_id; });
}
void ChannelMaps::clear() {
    forget([](const Key&) { return true; });
}

} // namespace cubelink::server
