#pragma once
/// Who receives what. Connections are attached to a group (a session; the example server has one group for all); a publication goes to
/// the connections of its group that listen to its topic.
///
/// Thread-safe: computations publish from any thread. A publication is encoded at most once for each dialect, by the publishing thread.

#include "pubsub/audience.hpp"
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

    /// What a connection receives, see pubsub/subscription.hpp. A receiver that is not attached has no subscriptions.
    /// Throws rpc::BadArguments.
    void subscribe(std::uint64_t receiver_id, const std::string& topic, const rpc::Value& filter = {});
    bool unsubscribe(std::uint64_t receiver_id, const std::string& topic);
    rpc::Value subscriptions(std::uint64_t receiver_id) const;

    void publish(GroupId group, const rpc::PublicationPtr& publication, const Delivery& delivery = {}, const Audience& audience = {});

    /// Whether publishing would reach anybody (filters on fields are not evaluated): nothing need be computed otherwise.
    bool anyone_listens(GroupId group, std::string_view topic, const Audience& audience = {}) const;

    /// Called, outside of locks, when a connection has a further subscription: what nobody listened to may have a listener now.
    /// Set before use.
    std::function<void(std::uint64_t receiver_id)> on_subscribed;

    /// Publications so far by topic, for the metrics; topics beyond the first 200, and names longer than 256 bytes, are counted
    /// together under "other".
    std::vector<std::pair<std::string, std::uint64_t>> publications_by_topic() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::pubsub
