#include "clients/cpp/client.hpp"

#include "clients/cpp/socket.hpp"
#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace cubelink::client {

using rpc::Value;

namespace {

constexpr std::size_t frame_limit_before_hello = 524;

rpc::Error error_of(const Value& message) {
    rpc::Error error;
    const auto* map = message.get_if<rpc::Map>();
    if (!map) return error;
    if (const auto* code = map->find("code"))
        if (const auto* number = code->get_if<std::int64_t>()) error.code = static_cast<int>(*number);
    if (const auto* text = map->find("message"))
        if (const auto* string = text->get_if<std::string>()) error.message = *string;
    if (const auto* data = map->find("data")) error.data = *data;
    return error;
}

} // namespace

struct Client::Impl {
    std::mutex mutex;
    std::map<std::string, std::promise<Value>> waiting;
    struct Listeners {
        std::vector<Callback> listening, subscribed;
    };
    std::map<std::string, Listeners> listeners;
    std::vector<std::function<void(const std::string&)>> lost_listeners;
    bool subscribed = false; // the server was told of a topic, and sends no others since
    std::string client_id, lost; // lost: why there is no connection any more
    std::size_t max_frame = frame_limit_before_hello;
    std::atomic<std::uint64_t> next{0};
    std::promise<void> opened;
    bool open = false;
    rpc::Reassembly reassembly; // network thread only
    std::unique_ptr<WebSocket> socket;

    std::future<Value> send(const std::string& id, const std::string& method, rpc::Array args, rpc::Map kwargs) {
        rpc::MsgpackWriter writer;
        writer.begin_map(kwargs.empty() ? 4 : 5);
        writer.key("wslink");
        writer.text("1.0");
        writer.key("id");
        writer.text(id);
        writer.key("method");
        writer.text(method);
        writer.key("args");
        writer.value(Value(std::move(args)));
        if (!kwargs.empty()) {
            writer.key("kwargs");
            writer.value(Value(std::move(kwargs)));
        }
        writer.end_map();

        std::future<Value> answer;
        std::size_t limit = 0;
        {
            std::lock_guard lock(mutex);
            auto& promise = waiting[id];
            answer = promise.get_future();
            if (!lost.empty()) {
                promise.set_exception(std::make_exception_ptr(ConnectionLost(lost)));
                waiting.erase(id);
                return answer;
            }
            limit = max_frame;
        }
        const auto encoded = writer.finish(limit); // outlives the loop over its frames
        for (const auto& frame : encoded->frames) {
            std::string payload;
            payload.reserve(frame.size());
            for (const auto& part : frame.parts) payload += part.text();
            socket->send_binary(std::move(payload));
        }
        return answer;
    }

    void receive(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) {
        if (text || payload.size() <= rpc::ChunkHeader::size) return;
        rpc::InputLimits limits;
        limits.frame = limits.message = limits.unfinished = std::size_t{1} << 32;
        auto outcome = reassembly.receive(payload, owner, limits);
        if (!outcome.problem.empty()) return fail("the server sent what cannot be read: " + outcome.problem);
        if (!outcome.complete) return;
        auto decoded = rpc::read_msgpack(outcome.message, outcome.owner, 120);
        if (!decoded.good()) return fail("the server sent what cannot be read: " + decoded.problem);
        const auto* map = decoded.message.get_if<rpc::Map>();
        const auto* id_value = map ? map->find("id") : nullptr;
        const auto* id = id_value ? id_value->get_if<std::string>() : nullptr;
        if (!id) return;
        const auto* result = map->find("result");
        if (id->starts_with("publish:")) {
            const auto topic = id->substr(8, id->find(':', 8) - 8);
            Listeners callbacks;
            {
                std::lock_guard lock(mutex);
                if (const auto found = listeners.find(topic); found != listeners.end()) callbacks = found->second;
            }
            const Value message = result ? *result : Value();
            for (const auto& callback : callbacks.listening) guarded(callback, message);
            for (const auto& callback : callbacks.subscribed) guarded(callback, message);
            return;
        }
        std::promise<Value> promise;
        {
            std::lock_guard lock(mutex);
            const auto found = waiting.find(*id);
            if (found == waiting.end()) return;
            promise = std::move(found->second);
            waiting.erase(found);
        }
        if (const auto* error = map->find("error")) {
            auto why = error_of(*error);
            promise.set_exception(std::make_exception_ptr(rpc::CallError(why.code, why.message, why.data)));
        } else {
            promise.set_value(result ? *result : Value());
        }
    }

    /// A listener's mistake is neither the connection's nor the other listeners'.
    template <class Callback, class Argument>
    static void guarded(const Callback& callback, const Argument& argument) {
        try {
            callback(argument);
        } catch (...) {
        }
    }

    void fail(const std::string& why) {
        std::map<std::string, std::promise<Value>> left;
        std::vector<std::function<void(const std::string&)>> callbacks;
        {
            std::lock_guard lock(mutex);
            if (!lost.empty()) return;
            lost = why;
            left.swap(waiting);
            callbacks.swap(lost_listeners);
            if (!open) opened.set_exception(std::make_exception_ptr(ConnectionLost(why)));
            open = true;
        }
        for (auto& [id, promise] : left) promise.set_exception(std::make_exception_ptr(ConnectionLost(why)));
        for (const auto& callback : callbacks) guarded(callback, why);
    }
};

Client::Client(const std::string& url, const std::string& secret, std::chrono::milliseconds patience) : impl_(std::make_shared<Impl>()) {
    auto& impl = *impl_;
    SocketHandlers handlers;
    handlers.on_open = [&impl] {
        std::lock_guard lock(impl.mutex);
        if (impl.open) return;
        impl.open = true;
        impl.opened.set_value();
    };
    handlers.on_message = [&impl](bool text, std::string_view payload, std::shared_ptr<const void> owner) { impl.receive(text, payload, owner); };
    handlers.on_close = [&impl, url](std::uint16_t code, const std::string& reason) {
        impl.fail(url + ": the connection ended with code " + std::to_string(code) + (reason.empty() ? "" : ": " + reason));
    };
    auto opened = impl.opened.get_future();
    impl.socket = open_web_socket(url, std::move(handlers));
    const auto wait_for = [&](auto& future) {
        if (future.wait_for(patience) != std::future_status::ready) throw ConnectionLost(url + ": no answer in time");
        return future.get();
    };
    wait_for(opened);
    auto answer = impl.send("system:c0:0", "wslink.hello", {rpc::Map{{"secret", secret}}}, {});
    const Value hello = wait_for(answer);
    std::lock_guard lock(impl.mutex);
    if (const auto* map = hello.get_if<rpc::Map>()) {
        if (const auto* id = map->find("clientID"))
            if (const auto* text = id->get_if<std::string>()) impl.client_id = *text;
        impl.max_frame = rpc::max_chunk_frame;
        if (const auto* size = map->find("maxMsgSize"))
            if (const auto* number = size->get_if<std::int64_t>(); number && *number > 1024) impl.max_frame = static_cast<std::size_t>(*number);
    }
}

Client::~Client() {
    {
        std::lock_guard lock(impl_->mutex);
        impl_->lost_listeners.clear();
    }
    impl_->fail("the connection was closed");
    impl_->socket.reset(); // joins the network thread: no handler runs after this
}

const std::string& Client::client_id() const { return impl_->client_id; }

std::future<Value> Client::call(const std::string& method, rpc::Array args, rpc::Map kwargs) {
    return impl_->send("rpc:" + impl_->client_id + ":" + std::to_string(impl_->next++), method, std::move(args), std::move(kwargs));
}

void Client::listen(const std::string& topic, Callback callback) {
    {
        std::lock_guard lock(impl_->mutex);
        impl_->listeners[topic].listening.push_back(std::move(callback));
        if (!impl_->subscribed) return;
    }
    call("pubsub.subscribe", {topic}).get();
}

void Client::on_lost(std::function<void(const std::string&)> callback) {
    std::string why;
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->lost.empty()) return impl_->lost_listeners.push_back(std::move(callback));
        why = impl_->lost;
    }
    Impl::guarded(callback, why);
}

void Client::subscribe(const std::string& topic, Callback callback, rpc::Map filter) {
    std::vector<std::string> others; // what would fall silent by the first subscription
    {
        std::lock_guard lock(impl_->mutex);
        if (!std::exchange(impl_->subscribed, true))
            for (const auto& [name, unused] : impl_->listeners)
                if (name != topic) others.push_back(name);
        impl_->listeners[topic].subscribed.push_back(std::move(callback));
    }
    for (const auto& name : others) call("pubsub.subscribe", {name});
    call("pubsub.subscribe", {topic, std::move(filter)}).get();
}

void Client::unsubscribe(const std::string& topic) {
    bool told = false;
    {
        std::lock_guard lock(impl_->mutex);
        auto& listeners = impl_->listeners[topic];
        listeners.subscribed.clear();
        told = impl_->subscribed && listeners.listening.empty();
    }
    if (told) call("pubsub.unsubscribe", {topic}).get();
}

} // namespace cubelink::client
