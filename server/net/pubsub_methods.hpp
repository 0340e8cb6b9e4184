#pragma once
/// The methods that every wslink server of ours has: pubsub.subscribe(topic, filter={}), pubsub.unsubscribe(topic),
/// pubsub.subscriptions(); application.exit(), application.exit.later(seconds=60).

#include "pubsub/hub.hpp"
#include "rpc/method_registry.hpp"

#include <functional>
#include <string_view>

namespace cubelink::server {

/// `subscribe` and `unsubscribe` answer null, `subscriptions` a list of {topic, filter}. Topics for which `has_topic` is false are refused by
/// `subscribe`; empty: all are accepted.
void add_pubsub_methods(rpc::MethodRegistry& methods, pubsub::Hub& hub, std::function<bool(std::string_view topic)> has_topic = {});

struct ExitActions {
    /// Whether the caller may stop the server.
    std::function<bool(const rpc::Call&)> allowed;
    std::function<void()> exit;
    /// After so many seconds, if no connection is open then.
    std::function<void(double seconds)> exit_later;
};
/// Both answer null, also where the caller may not.
void add_exit_methods(rpc::MethodRegistry& methods, ExitActions actions);

} // namespace cubelink::server
