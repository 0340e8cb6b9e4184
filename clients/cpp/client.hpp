#pragma once
/// A connection to a wslink server: calls, topics, attachments. Speaks wslink's second generation.
///
///     cubelink::client::Client client("ws://localhost:1234/ws", secret);
///     Value answer = client.call("bench.echo", {42}).get();
///     client.subscribe("wslink.communication.channel", [](const Value& message) { … });
///
/// Bytes are simply part of values (rpc::Bytes); large ones are not copied on the way in. All members may be called from any thread. Callbacks
/// run on the network thread: they must not wait for a call's answer there, nor destroy the client; what they throw is dropped.

#include "rpc/error.hpp"
#include "rpc/values/value.hpp"

#include <chrono>
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

class Client {
public:
    /// Connects and says hello. Throws ConnectionLost, or rpc::CallError if the secret is wrong.
    Client(const std::string& url, const std::string& secret, std::chrono::milliseconds patience = std::chrono::seconds(10));
    /// Says good-bye; what still waits fails with ConnectionLost.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const std::string& client_id() const;

    /// The future holds the result, or throws rpc::CallError (the server's error) or ConnectionLost.
    std::future<rpc::Value> call(const std::string& method, rpc::Array args = {}, rpc::Map kwargs = {});

    using Callback = std::function<void(const rpc::Value& message)>;
    /// Listens locally, for as long as the client lives. Servers that send everything need no more (the original, and ours before the first
    /// subscribe()); after that the server is told as well.
    void listen(const std::string& topic, Callback callback);
    /// Listens, and tells the server (pubsub.subscribe): from then on it sends what is subscribed to or listened to, and nothing else.
    /// `filter` names fields and the values that they must have. Waits for the server's answer; throws what call() may give.
    void subscribe(const std::string& topic, Callback callback, rpc::Map filter = {});
    /// Drops what subscribe() was given for the topic; the server sends it no more unless somebody listen()s.
    void unsubscribe(const std::string& topic);

    /// Calls `callback` once, when the connection has ended by itself, with the reason; at once if it has. Not when the client is destroyed.
    void on_lost(std::function<void(const std::string& why)> callback);

    /// As in wslink's other clients, for code that reads like theirs: what stands for the bytes in a message. Here, the bytes themselves.
    static rpc::Value add_attachment(rpc::Bytes bytes) { return rpc::Value(std::move(bytes)); }

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace cubelink::client
