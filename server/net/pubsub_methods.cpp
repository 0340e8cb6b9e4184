#include "server/net/pubsub_methods.hpp"

#include "rpc/typed_method.hpp"
#include "server/net/log.hpp"

#include <cmath>
#include <memory>
#include <utility>

namespace cubelink::server {

using rpc::CallPtr;
using rpc::Map;
using rpc::Value;

void add_pubsub_methods(rpc::MethodRegistry& methods, pubsub::Hub& hub, std::function<bool(std::string_view topic)> has_topic) {
    methods.add("pubsub.subscribe", {"topic", {"filter", Map{}}}, [&hub, has_topic = std::move(has_topic)](const CallPtr& call, std::string topic, Value filter) {
        if (has_topic && !topic.empty() && !has_topic(topic))
            throw rpc::BadArguments("topic: there is no topic " + rpc::brief(Value(topic)) + "; server.info() lists those that there are");
        hub.subscribe(call->peer()->id(), topic, filter);
        call->answer(Value());
    });
    methods.add("pubsub.unsubscribe", {"topic"}, [&hub](const CallPtr& call, std::string topic) {
        hub.unsubscribe(call->peer()->id(), topic);
        call->answer(Value());
    });
    methods.add("pubsub.subscriptions", {}, [&hub](const CallPtr& call) { call->answer(hub.subscriptions(call->peer()->id())); });
}

void add_exit_methods(rpc::MethodRegistry& methods, ExitActions given) {
    const auto actions = std::make_shared<const ExitActions>(std::move(given));
    const auto allowed = [actions](const CallPtr& call) {
        if (actions->allowed(*call)) return true;
        log::warn("connection " + std::to_string(call->peer()->id()) + " called " + call->request().method + ", which it may not");
        return false;
    };
    methods.add("application.exit", {}, [actions, allowed](const CallPtr& call) {
        const bool may = allowed(call);
        call->answer(Value());
        if (may) actions->exit();
    });
    methods.add("application.exit.later", {{"seconds", 60}}, [actions, allowed](const CallPtr& call, double seconds) {
        if (!(seconds >= 0) || seconds > 1e9) throw rpc::BadArguments("seconds: expected a number from 0 to 1e9");
        const bool may = allowed(call);
        call->answer(Value());
        if (may) actions->exit_later(seconds);
    });
}

} // namespace cubelink::server
