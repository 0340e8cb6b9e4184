#pragma once
/// The channels that connections show side by side (ICD: channel map), and how many sets of their tiles are under way. One for a session. Thread-safe; functions
/// that are handed over are called without a lock held.
///
/// A client that answers sets of tiles with CHANNEL_MAP_FLOW_CONTROL is sent so many at most that it has not answered: those that follow wait, and when it
/// shows other channels meanwhile they are never made. Clients that don't answer are paced by their outboxes only.

#include "platform/mutex.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace cubelink::server {

class ChannelMaps {
public:
    /// Sets of tiles of one map that may be under way: being made, or sent and not answered.
    static constexpr std::size_t window = 8;

    struct View {
        std::int32_t from = 0, to = 0;   // channels, inclusive
        std::vector<std::int32_t> tiles; // codes; empty: all
    };

    /// What the connection shows of the file from now on. Sets of other channels that wait are dropped.
    void show(std::uint64_t connection, std::int32_t file_id, View view);
    /// It shows no map any more: sets that wait are dropped.
    void leave(std::uint64_t connection, std::int32_t file_id);

    bool shows(std::uint64_t connection, std::int32_t file_id, std::int32_t channel) const;
    bool shows_tile(std::uint64_t connection, std::int32_t file_id, std::int32_t code) const;

    /// A set of tiles of a channel: `begin` is called at once or when earlier ones have been answered; never if the map is left.
    void request(std::uint64_t connection, std::int32_t file_id, std::int32_t channel, std::function<void()> begin);
    /// The set that has begun is over. `sent`: to its end, which the client answers.
    void ended(std::uint64_t connection, std::int32_t file_id, std::int32_t channel, bool sent);
    /// The client has answered the end of a set of this channel, of a map or not.
    void answered(std::uint64_t connection, std::int32_t file_id, std::int32_t channel);

    void forget_connection(std::uint64_t connection);
    void forget_file(std::int32_t file_id);
    void clear();

private:
    struct Waiting {
        std::int32_t channel = 0;
        std::function<void()> begin;
    };
    struct Map {
        std::optional<View> view;
        bool answers = false; // this client does
        std::size_t under_way = 0;
        std::multiset<std::int32_t> unanswered; // channels
        std::deque<Waiting> waiting;
    };
    using Key = std::pair<std::uint64_t, std::int32_t>; // connection, file

    /// Takes those out that may begin.
    static std::vector<std::function<void()>> due(Map& map);
    template <class Matches>
    void forget(Matches matches);

    mutable platform::Mutex mutex_;
    std::map<Key, Map> maps_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::server
