#pragma once
/// Who hears what. Connections are attached to a group (a session; the example server has one group for all); a publication goes to
/// the connections of its group that listen to its topic.
///
/// Thread-safe: computations publish from any thread. A publication is encoded at most once for each dialect, by the publishing thread.

#include "pubsub/delivery.hpp"
#include "rpc/message.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::pubsub {

using GroupId = std::uint64_t;
class Receiver; // pubsub/receiver.hpp: one connection's dialect, subscription and outbox

class Hub {
public:
    Hub();
    ~Hub();
    Hub(const Hub&) = delete;
    Hub& operator=(const Hub&) = delete;

    /// A receiver belongs to at most one group; attaching it again moves it.
    void attach(GroupId group, std::shared_ptr<Receiver> receiver);
    void detach(std::uint64_t receiver_id);

    /// What a connection wants to hear, see pubsub/subscription.hpp. A receiver that is not attached has no subscriptions.
    /// Throws rpc::BadArguments.
    void subscribe(std::uint64_t receiver_id, const std::string& topic, const rpc::Value& filter = {});
    bool unsubscribe(std::uint64_t receiver_id, const std::string& topic);
    rpc::Value subscriptions(std::uint64_t receiver_id) const;

    /// `view_of`: id of the connection whose view asked for it; 0: for the whole group. A publication of a view goes to that
    /// connection, and to others that subscribed to the topic with the filter {"view": "any"}.
    void publish(GroupId group, const rpc::PublicationPtr& publication, const Delivery& delivery = {}, std::uint64_t view_of = 0);

    /// Whether publishing would reach anybody (filters on fields are not looked at): nothing need be computed otherwise.
    bool anyone_listens(GroupId group, std::string_view topic, std::uint64_t view_of = 0) const;

    /// Called, outside of locks, when the first connection of a group begins to listen to a topic it has subscribed to by name,
    /// and when the last one stops. Set before use.
    std::function<void(GroupId, const std::string& topic)> on_first_listener;
    std::function<void(GroupId, const std::string& topic)> on_last_listener_gone;

    /// Publications so far by topic, for the metrics; topics beyond the first 200, and names longer than 256 bytes, are counted
    /// together under "other".
    std::vector<std::pair<std::string, std::uint64_t>> publications_by_topic() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::pubsub
