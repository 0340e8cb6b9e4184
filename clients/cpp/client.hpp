#pragma once
/// A connection to a wslink server: calls, topics, attachments. Speaks wslink's second generation.
///
///     cubelink::client::Client client("http://localhost:1234/?token=…");
///     Value answer = client.call("bench.echo", {42}).get();
///     client.subscribe("wslink.communication.channel", [](const Value& message) { … });
///
/// Bytes are part of values (rpc::Bytes). Received ones refer to the memory they arrived in; sent ones are copied once, into the frame that is
/// masked. All members may be called from any thread. Callbacks run on the network thread: they must not wait for a call's answer there, nor
/// destroy the client; what they throw is dropped.
///
/// A connection that ends by itself is made again, for Options::reconnect. What was under way then fails with ConnectionLost; calls that are
/// made meanwhile wait for the new connection; topics are subscribed to again.

#include "rpc/error.hpp"
#include "rpc/values/value.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>

namespace cubelink::client {

/// The connection could not be made, or ended while something waited for it. what() says why.
class ConnectionLost : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The server asks for a secret, and none was given or it was a wrong one: what() says which.
class AuthenticationError : public rpc::CallError {
public:
    using CallError::CallError;
};

struct Options {
    std::chrono::milliseconds patience = std::chrono::seconds(10);    // for each attempt to connect
    std::chrono::milliseconds reconnect = std::chrono::seconds(300);  // for which a lost connection is tried again; 0: not at all
};

class Client {
public:
    /// Connects and says hello. `url` and `secret`: see Address::parse. Throws std::invalid_argument, ConnectionLost or AuthenticationError.
    explicit Client(const std::string& url, const std::string& secret = {}, Options options = {});
    /// Says good-bye; what still waits fails with ConnectionLost.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Says good-bye and ends the connection for good, from any thread: what waits fails with ConnectionLost, and so does each later call.
    void close();

    /// The server's name for the connection; another one after it was made again.
    std::string client_id() const;

    /// The future holds the result, or throws rpc::CallError (the server's error) or ConnectionLost. An answer of the ICD (`carta.…`) with
    /// `success: false` is an error, whose data is that answer.
    std::future<rpc::Value> call(const std::string& method, rpc::Array args = {}, rpc::Map kwargs = {});

    /// The same with a callback, which is called exactly once: with the result and no error, or with null and what the future would throw.
    /// At once, on the caller's thread, if the connection has ended. Returns the call's id, for cancel().
    using Done = std::function<void(rpc::Value result, std::exception_ptr error)>;
    std::string call(const std::string& method, rpc::Array args, rpc::Map kwargs, Done done);

    /// A call that can be cancelled.
    struct Started {
        std::string id;
        std::future<rpc::Value> answer;
    };
    Started start(const std::string& method, rpc::Array args = {}, rpc::Map kwargs = {});
    /// Tells the server to stop what that call asks for, at once wherever it waits. The call is then answered with CallError ("cancelled", or in the ICD's
    /// words); with its result if it was done already. Nothing happens if it has been answered.
    void cancel(const std::string& id);

    using Callback = std::function<void(const rpc::Value& message)>;
    /// Listens locally, for as long as the client lives. Servers that send everything need no more (the original, and ours before the first
    /// subscribe()); after that the server is told as well.
    void listen(const std::string& topic, Callback callback);
    /// Listens, and tells the server (pubsub.subscribe): from then on it sends what is subscribed to or listened to, and nothing else.
    /// `filter` names fields and the values that they must have. Waits for the server's answer; throws what call() may give.
    void subscribe(const std::string& topic, Callback callback, rpc::Map filter = {});
    /// Drops what subscribe() was given for the topic; the server sends it no more unless somebody listen()s.
    void unsubscribe(const std::string& topic);

    enum class State { connected, interrupted, ended };
    /// Calls `callback` whenever the connection is interrupted, made again, or ended for good, with the reason ("" for connected).
    void on_state(std::function<void(State state, const std::string& why)> callback);
    /// Calls `callback` once, when the connection has ended by itself and for good, with the reason; at once if it has. Not when the client is
    /// destroyed.
    void on_lost(std::function<void(const std::string& why)> callback);
    /// Calls `restore` after each connection that was made again, before calls that wait are sent. It runs on a thread of its own, may call
    /// and wait for answers. What it throws ends the connection for good, except ConnectionLost.
    void on_restore(std::function<void()> restore);

    /// As in wslink's other clients, for code that reads like theirs: what stands for the bytes in a message. Here, the bytes themselves.
    static rpc::Value add_attachment(rpc::Bytes bytes) { return rpc::Value(std::move(bytes)); }

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace cubelink::client
