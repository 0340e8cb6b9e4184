#include "clients/cpp/client.hpp"

#include "clients/cpp/address.hpp"
#include "clients/cpp/socket.hpp"
#include "rpc/msgpack/chunking.hpp"
#include "rpc/msgpack/msgpack_reader.hpp"
#include "rpc/msgpack/msgpack_writer.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace cubelink::client {

using rpc::Value;

namespace {

constexpr std::size_t frame_limit_before_hello = 524;
constexpr std::chrono::milliseconds first_pause{200}, longest_pause{5000}; // between two attempts to connect again

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

/// The ICD's answers that say `success: false`, as errors with the answer as their data.
Client::Done refusing_failures(Client::Done done) {
    return [done = std::move(done)](Value result, std::exception_ptr error) {
        const auto* map = result.get_if<rpc::Map>();
        const auto* success = map ? map->find("success") : nullptr;
        const auto* value = success ? success->get_if<bool>() : nullptr;
        if (error || !value || *value) return done(std::move(result), error);
        const auto* message = map->find("message");
        const auto* text = message ? message->get_if<std::string>() : nullptr;
        done({}, std::make_exception_ptr(rpc::CallError(rpc::code::method_failed, text ? *text : "it failed", result)));
    };
}

} // namespace

struct Client::Impl {
    enum class Phase {
        connecting, // for the first time
        connected,
        restoring, // made again: only the keeper's calls are sent
        interrupted,
        ended,
    };
    struct Queued {
        std::string id;
        rpc::EncodedPtr encoded;
        Done done;
    };
    struct Listeners {
        std::vector<Callback> listening, subscribed;
    };
    using StateCallback = std::function<void(State, const std::string&)>;

    Address address;
    Options options;

    std::mutex mutex;
    std::condition_variable changed; // phase, opened, closing
    Phase phase = Phase::connecting;
    bool opened = false, closing = false;
    std::uint64_t generation = 0; // counts connections: what an older one tells is not heard
    std::string why;              // there is no connection
    std::exception_ptr refusal;   // what ended the connection for good, if that was an answer of the server
    std::map<std::string, Done> waiting;
    std::vector<Queued> queued; // while there is no connection
    std::map<std::string, Listeners> listeners;
    std::optional<std::map<std::string, rpc::Map>> told; // topics with their filters that the server was told of; without: it sends everything
    std::vector<StateCallback> state_listeners;
    std::vector<std::function<void(const std::string&)>> lost_listeners;
    std::vector<std::function<void()>> restorers;
    std::string client_id;
    std::unique_ptr<WebSocket> socket;
    std::thread keeper;

    std::atomic<std::uint64_t> next{0};
    std::atomic<std::size_t> max_frame{frame_limit_before_hello};
    std::atomic<std::thread::id> restoring_thread{};

    std::exception_ptr reason() const { return refusal ? refusal : std::make_exception_ptr(ConnectionLost(why)); } // with the mutex held

    void send(const std::string& id, const std::string& method, rpc::Array args, rpc::Map kwargs, Done done) {
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
        auto encoded = writer.finish(max_frame);
        if (method.starts_with("carta.")) done = refusing_failures(std::move(done));

        std::exception_ptr failure;
        {
            const std::lock_guard lock(mutex);
            const bool restorer = std::this_thread::get_id() == restoring_thread.load();
            if (phase == Phase::ended || closing || (restorer && phase == Phase::interrupted)) {
                failure = reason();
            } else if (phase == Phase::interrupted || (phase == Phase::restoring && !restorer)) {
                queued.push_back({id, std::move(encoded), std::move(done)});
            } else {
                waiting.emplace(id, std::move(done));
                send_frames(encoded);
            }
        }
        if (failure) finish(done, {}, failure);
    }

    /// With the mutex held, so that a message's frames follow each other and the socket stays the same.
    void send_frames(const rpc::EncodedPtr& encoded) {
        for (const auto& frame : encoded->frames) {
            std::vector<std::string_view> parts;
            for (const auto& part : frame.parts) parts.push_back(part.text());
            socket->send_binary(std::move(parts), encoded);
        }
    }

    std::future<Value> send(const std::string& id, const std::string& method, rpc::Array args, rpc::Map kwargs) {
        const auto promise = std::make_shared<std::promise<Value>>();
        auto answer = promise->get_future();
        send(id, method, std::move(args), std::move(kwargs), [promise](Value result, std::exception_ptr error) {
            if (error) promise->set_exception(error);
            else promise->set_value(std::move(result));
        });
        return answer;
    }

    std::string next_id() {
        const std::lock_guard lock(mutex);
        return "rpc:" + client_id + ":" + std::to_string(next++);
    }

    void receive(rpc::Reassembly& reassembly, std::uint64_t from, bool text, std::string_view payload, const std::shared_ptr<const void>& owner) {
        if (text || payload.size() <= rpc::ChunkHeader::size) return;
        rpc::InputLimits limits;
        limits.frame = limits.message = limits.unfinished = std::size_t{1} << 32;
        auto outcome = reassembly.receive(payload, owner, limits);
        if (!outcome.problem.empty()) return unreadable(from, outcome.problem);
        if (!outcome.complete) return;
        auto decoded = rpc::read_msgpack(outcome.message, outcome.owner, 120);
        if (!decoded.good()) return unreadable(from, decoded.problem);
        const auto* map = decoded.message.get_if<rpc::Map>();
        const auto* id_value = map ? map->find("id") : nullptr;
        const auto* id = id_value ? id_value->get_if<std::string>() : nullptr;
        if (!id) return;
        const auto* result = map->find("result");
        if (id->starts_with("publish:")) {
            const auto topic = id->substr(8, id->find(':', 8) - 8);
            Listeners callbacks;
            {
                const std::lock_guard lock(mutex);
                if (const auto found = listeners.find(topic); found != listeners.end()) callbacks = found->second;
            }
            const Value message = result ? *result : Value();
            for (const auto& callback : callbacks.listening) guarded(callback, message);
            for (const auto& callback : callbacks.subscribed) guarded(callback, message);
            return;
        }
        Done done;
        {
            const std::lock_guard lock(mutex);
            const auto found = waiting.find(*id);
            if (found == waiting.end()) return;
            done = std::move(found->second);
            waiting.erase(found);
        }
        if (const auto* error = map->find("error")) {
            auto told_error = error_of(*error);
            finish(done, {}, std::make_exception_ptr(rpc::CallError(told_error.code, told_error.message, told_error.data)));
        } else {
            finish(done, result ? *result : Value(), {});
        }
    }

    void unreadable(std::uint64_t from, const std::string& problem) {
        connection_ended(from, "the server sent what cannot be read: " + problem);
        const std::lock_guard lock(mutex);
        if (from == generation && socket) socket->close(1002);
    }

    /// A listener's mistake is neither the connection's nor the other listeners'.
    template <class Function, class... Arguments>
    static void guarded(const Function& callback, Arguments&&... arguments) {
        try {
            callback(std::forward<Arguments>(arguments)...);
        } catch (...) {
        }
    }
    static void finish(const Done& done, Value result, std::exception_ptr error) { guarded(done, std::move(result), error); }

    void connection_ended(std::uint64_t from, const std::string& reason) {
        bool interrupted = false, was_connected = false;
        {
            const std::lock_guard lock(mutex);
            if (from != generation || phase == Phase::ended || phase == Phase::interrupted || closing) return;
            why = reason;
            interrupted = phase != Phase::connecting && options.reconnect.count() > 0;
            was_connected = phase == Phase::connected;
            if (interrupted) phase = Phase::interrupted;
        }
        if (!interrupted) return end(reason, {});
        fail_waiting(reason);
        if (was_connected) tell(State::interrupted, reason);
        changed.notify_all();
    }

    void fail_waiting(const std::string& reason) {
        std::map<std::string, Done> left;
        {
            const std::lock_guard lock(mutex);
            left.swap(waiting);
        }
        const auto error = std::make_exception_ptr(ConnectionLost(reason));
        for (const auto& [id, done] : left) finish(done, {}, error);
    }

    void tell(State state, const std::string& reason) {
        std::vector<StateCallback> callbacks;
        {
            const std::lock_guard lock(mutex);
            callbacks = state_listeners;
        }
        for (const auto& callback : callbacks) guarded(callback, state, reason);
    }

    /// For good.
    void end(const std::string& reason, std::exception_ptr refused) {
        std::map<std::string, Done> left;
        std::vector<Queued> unsent;
        std::vector<std::function<void(const std::string&)>> callbacks;
        std::exception_ptr error;
        {
            const std::lock_guard lock(mutex);
            if (phase == Phase::ended) return;
            phase = Phase::ended;
            why = reason;
            refusal = refused;
            error = this->reason();
            left.swap(waiting);
            unsent.swap(queued);
            callbacks.swap(lost_listeners);
        }
        changed.notify_all();
        for (const auto& [id, done] : left) finish(done, {}, error);
        for (const auto& call : unsent) finish(call.done, {}, error);
        tell(State::ended, reason);
        for (const auto& callback : callbacks) guarded(callback, reason);
    }

    /// Connects and says hello. Throws ConnectionLost, AuthenticationError, CallError.
    void connect(Phase then) {
        std::unique_ptr<WebSocket> old;
        std::uint64_t mine = 0;
        {
            const std::lock_guard lock(mutex);
            old = std::move(socket);
            mine = ++generation;
            opened = false;
        }
        old.reset(); // joins its thread
        max_frame = frame_limit_before_hello;
        SocketHandlers handlers;
        handlers.on_open = [this, mine] {
            const std::lock_guard lock(mutex);
            if (mine == generation) opened = true;
            changed.notify_all();
        };
        handlers.on_message = [this, mine, reassembly = std::make_shared<rpc::Reassembly>()](bool text, std::string_view payload,
                                                                                           std::shared_ptr<const void> owner) {
            receive(*reassembly, mine, text, payload, owner);
        };
        // An attempt that fails leaves the phase as it is; `failed` wakes who waits below.
        const auto failed = std::make_shared<std::string>();
        handlers.on_close = [this, mine, failed](std::uint16_t code, const std::string& text) {
            auto reason = address.web_socket + ": ";
            {
                const std::lock_guard lock(mutex);
                reason += opened || text.empty() ? "the connection ended with code " + std::to_string(code) + (text.empty() ? "" : ": " + text)
                                                 : "no connection: " + text;
                *failed = reason;
            }
            changed.notify_all();
            connection_ended(mine, reason);
        };
        auto fresh = open_web_socket(address.web_socket, std::move(handlers));
        {
            std::unique_lock lock(mutex);
            socket = std::move(fresh);
            const bool answered = changed.wait_for(lock, options.patience, [&] { return opened || !failed->empty() || closing; });
            if (closing) throw ConnectionLost("the connection was closed");
            if (!answered) throw ConnectionLost(address.web_socket + ": no answer in time");
            if (!failed->empty()) throw ConnectionLost(*failed);
            phase = then;
        }
        auto answer = send("system:c0:0", "wslink.hello", {rpc::Map{{"secret", address.secret}}}, {});
        if (answer.wait_for(options.patience) != std::future_status::ready) throw ConnectionLost(address.web_socket + ": no answer in time");
        Value hello;
        try {
            hello = answer.get();
        } catch (const rpc::CallError& error) {
            if (error.error().code != rpc::code::not_authenticated) throw;
            throw AuthenticationError(error.error().code,
                                      error.error().message + (address.secret.empty() ? ": the server asks for a secret, and none was given"
                                                                                      : ": the server refused the secret"),
                                      error.error().data);
        }
        const std::lock_guard lock(mutex);
        max_frame = rpc::max_chunk_frame;
        if (const auto* map = hello.get_if<rpc::Map>()) {
            if (const auto* id = map->find("clientID"))
                if (const auto* text = id->get_if<std::string>()) client_id = *text;
            if (const auto* size = map->find("maxMsgSize"))
                if (const auto* number = size->get_if<std::int64_t>(); number && *number > 1024) max_frame = static_cast<std::size_t>(*number);
        }
    }

    /// One attempt to make the connection again, with all that belonged to it. Throws ConnectionLost if another may succeed.
    void restore() {
        connect(Phase::restoring);
        std::optional<std::map<std::string, rpc::Map>> topics;
        std::vector<std::function<void()>> hooks;
        {
            const std::lock_guard lock(mutex);
            topics = told;
            hooks = restorers;
        }
        for (const auto& hook : hooks) hook();
        if (topics)
            for (const auto& [topic, filter] : *topics) send(next_id(), "pubsub.subscribe", {topic, filter}, {}).get();
        {
            const std::lock_guard lock(mutex);
            if (phase != Phase::restoring) throw ConnectionLost(why);
            phase = Phase::connected;
            for (auto& call : queued) {
                waiting.emplace(call.id, std::move(call.done));
                send_frames(call.encoded);
            }
            queued.clear();
        }
        tell(State::connected, "");
    }

    /// The keeper's thread: waits for the connection's end, and makes another one, until the time for that is over.
    void keep() {
        restoring_thread = std::this_thread::get_id();
        for (;;) {
            {
                std::unique_lock lock(mutex);
                changed.wait(lock, [&] { return phase == Phase::interrupted || phase == Phase::ended || closing; });
                if (closing || phase == Phase::ended) return;
            }
            const auto deadline = std::chrono::steady_clock::now() + options.reconnect;
            for (auto pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
                std::string problem;
                try {
                    restore();
                    break;
                } catch (const ConnectionLost& lost) {
                    problem = lost.what();
                } catch (const std::exception& refused) {
                    return end(refused.what(), std::current_exception());
                } catch (...) {
                    return end("the connection could not be restored", std::current_exception());
                }
                {
                    const std::lock_guard lock(mutex);
                    if (phase == Phase::restoring) phase = Phase::interrupted;
                    why = problem;
                }
                fail_waiting(problem);
                const auto wake = std::min(deadline, std::chrono::steady_clock::now() + pause);
                bool last = false;
                {
                    std::unique_lock lock(mutex);
                    if (changed.wait_until(lock, wake, [&] { return closing; })) return;
                    last = std::chrono::steady_clock::now() >= deadline;
                }
                if (last) return end(problem, {});
            }
        }
    }
};

Client::Client(const std::string& url, const std::string& secret, Options options) : impl_(std::make_shared<Impl>()) {
    impl_->address = Address::parse(url, secret);
    impl_->options = options;
    try {
        impl_->connect(Impl::Phase::connected);
    } catch (...) {
        impl_->end("the connection was not made", {});
        impl_->socket.reset();
        throw;
    }
    if (options.reconnect.count() > 0) impl_->keeper = std::thread([impl = impl_.get()] { impl->keep(); });
}

Client::~Client() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->closing = true;
        impl_->lost_listeners.clear();
        impl_->state_listeners.clear();
    }
    impl_->end("the connection was closed", {});
    if (impl_->keeper.joinable()) impl_->keeper.join();
    impl_->socket.reset(); // joins the network thread: no handler runs after this
}

void Client::close() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->closing = true;
        impl_->lost_listeners.clear();
        if (impl_->socket) impl_->socket->close(1000);
    }
    impl_->end("the connection was closed", {});
}

std::string Client::client_id() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->client_id;
}

std::future<Value> Client::call(const std::string& method, rpc::Array args, rpc::Map kwargs) {
    return impl_->send(impl_->next_id(), method, std::move(args), std::move(kwargs));
}

std::string Client::call(const std::string& method, rpc::Array args, rpc::Map kwargs, Done done) {
    auto id = impl_->next_id();
    impl_->send(id, method, std::move(args), std::move(kwargs), std::move(done));
    return id;
}

Client::Started Client::start(const std::string& method, rpc::Array args, rpc::Map kwargs) {
    auto id = impl_->next_id();
    auto answer = impl_->send(id, method, std::move(args), std::move(kwargs));
    return {std::move(id), std::move(answer)};
}

void Client::cancel(const std::string& id) {
    std::optional<Impl::Queued> unsent;
    {
        const std::lock_guard lock(impl_->mutex);
        const auto found = std::find_if(impl_->queued.begin(), impl_->queued.end(), [&](const auto& call) { return call.id == id; });
        if (found != impl_->queued.end()) {
            unsent = std::move(*found);
            impl_->queued.erase(found);
        } else if (!impl_->waiting.contains(id)) {
            return;
        }
    }
    if (unsent) return Impl::finish(unsent->done, {}, std::make_exception_ptr(rpc::CallError(rpc::code::method_failed, "cancelled")));
    call("session.cancel", {id}, {}, [](const Value&, const std::exception_ptr&) {});
}

void Client::listen(const std::string& topic, Callback callback) {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->listeners[topic].listening.push_back(std::move(callback));
        if (!impl_->told) return;
        (*impl_->told)[topic] = {};
    }
    call("pubsub.subscribe", {topic}).get();
}

void Client::on_state(std::function<void(State, const std::string&)> callback) {
    const std::lock_guard lock(impl_->mutex);
    impl_->state_listeners.push_back(std::move(callback));
}

void Client::on_lost(std::function<void(const std::string&)> callback) {
    std::string why;
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->phase != Impl::Phase::ended) return impl_->lost_listeners.push_back(std::move(callback));
        why = impl_->why;
    }
    Impl::guarded(callback, why);
}

void Client::on_restore(std::function<void()> restore) {
    const std::lock_guard lock(impl_->mutex);
    impl_->restorers.push_back(std::move(restore));
}

void Client::subscribe(const std::string& topic, Callback callback, rpc::Map filter) {
    std::vector<std::string> others; // what would fall silent by the first subscription
    {
        const std::lock_guard lock(impl_->mutex);
        if (!impl_->told) {
            impl_->told.emplace();
            for (const auto& [name, unused] : impl_->listeners)
                if (name != topic) others.push_back(name);
            for (const auto& name : others) (*impl_->told)[name] = {};
        }
        (*impl_->told)[topic] = filter;
        impl_->listeners[topic].subscribed.push_back(std::move(callback));
    }
    for (const auto& name : others) call("pubsub.subscribe", {name});
    call("pubsub.subscribe", {topic, std::move(filter)}).get();
}

void Client::unsubscribe(const std::string& topic) {
    bool silent = false;
    {
        const std::lock_guard lock(impl_->mutex);
        auto& listeners = impl_->listeners[topic];
        listeners.subscribed.clear();
        silent = impl_->told && listeners.listening.empty();
        if (silent) impl_->told->erase(topic);
    }
    if (silent) call("pubsub.unsubscribe", {topic}).get();
}

} // namespace cubelink::client
