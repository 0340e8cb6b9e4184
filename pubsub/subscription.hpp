#pragma once
/// What one connection receives.
///
/// wslink clients do not tell a server what they subscribe to, so a connection receives all topics of its group until its first
/// subscribe(). From then on it receives what it has subscribed to and nothing else, also after it has unsubscribed from everything.
///
/// Not synchronised: Receiver guards it.

#include "pubsub/audience.hpp"
#include "rpc/message.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::pubsub {

/// The fields of a publication for filters to look at: its body as a map, made when first asked for and then kept.
/// One for each publish(), used by one thread.
class Fields {
public:
    explicit Fields(const rpc::Publication& publication) : publication_(publication) {}
    /// nullptr if the body is not a map.
    const rpc::Map* map() const;

private:
    const rpc::Publication& publication_;
    mutable std::optional<rpc::Value> value_;
};

class Subscription {
public:
    /// More than so many subscriptions of one connection are refused.
    static constexpr std::size_t limit = 1000;
    /// Bytes of texts and number of values that one filter may have: it is kept, and compared with each publication.
    static constexpr std::size_t filter_limit = 4096;

    /// `filter` is a map: names of fields and the values that they must have, all of them; and `{"view": "any"}`, which stands for
    /// itself: also what was published for other connections' views. null is the empty filter. Several subscriptions to one topic add up.
    /// Throws rpc::BadArguments.
    void subscribe(std::string topic, const rpc::Value& filter);
    /// False if there was no subscription to this topic.
    bool unsubscribe(std::string_view topic);
    /// A list of {topic, filter}, in the order in which they came.
    rpc::Value list() const;

    /// False until the first subscribe(): all topics are received.
    bool selective() const { return selective_; }
    /// The number of subscriptions.
    std::size_t size() const { return entries_.size(); }

    /// Whether a publication on `topic` that concerns the connection so may be received; filters on fields are not evaluated.
    bool may_accept(std::string_view topic, Address address) const;
    bool accepts(std::string_view topic, Address address, const Fields& fields) const;

private:
    struct Entry {
        bool matches(std::string_view of_topic, Address address) const;
        std::string topic;
        rpc::Map fields;
        bool any_view = false;
        rpc::Value filter; // as the client gave it
    };
    bool selective_ = false;
    std::vector<Entry> entries_;
};

/// Whether two values are the same to a filter: numbers by their value (1 is 1.0), everything else by kind and content.
bool same_value(const rpc::Value& a, const rpc::Value& b);

} // namespace cubelink::pubsub
