#pragma once
/// A wslink server: transport, connections, hello, methods, topics, static pages, heartbeats, limits. A program fills in the
/// registry, publishes through the hub, and calls run(). Usable without any astronomy; Cubelink itself is one such program.
///
///     WslinkServer server(options);
///     server.methods().add(…);
///     return server.run();

#include "pubsub/hub.hpp"
#include "rpc/dialect.hpp"
#include "rpc/method_registry.hpp"
#include "server/net/connection.hpp"
#include "server/net/server_options.hpp"
#include "server/net/transport/transport.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

/// What a program that is more than a wslink server plugs in. All are called on the network thread, unless stated otherwise.
struct WslinkServerHooks {
    /// A dialect of the program's own, for WebSocket upgrades on paths other than /ws. Its clients send no hello: the upgrade request carries the
    /// token, which has been checked before. Empty: such upgrades get 404.
    std::function<std::unique_ptr<rpc::Dialect>()> make_token_dialect;
    /// The identity that a secret belongs to; nullopt: the secret is wrong. Default: compares it with auth_key, in constant time.
    std::function<std::optional<Identity>(std::string_view secret)> identify;
    /// HTTP below a prefix ("/api/", "/config"), base path removed from `path`; the longest prefix wins. `identity` is set if the
    /// request carries a valid token (query, bearer or cookie; always with no_auth) and the route does not ignore it. Host and Origin have been
    /// checked.
    struct Route {
        enum class Token { ignored, looked_at, needed }; // looked_at: the route itself answers requests without one
        std::string prefix;
        Token token = Token::needed;
        /// Where `handle` runs: on the network thread; on a worker (reading a large body); on the thread that waits for disks.
        enum class Thread { network, worker, disk };
        Thread thread = Thread::network;
        std::function<void(transport::HttpRequest&&, const std::string& path, const std::optional<Identity>&, transport::HttpReply)> handle;
    };
    std::vector<Route> routes;
    /// Whether the program ever publishes on a topic: others can't be subscribed to. Empty: topics are not known beforehand.
    std::function<bool(std::string_view topic)> has_topic;
    std::function<void(const std::shared_ptr<Connection>&)> on_connected; // after hello, or after the upgrade if its dialect has no hello
    std::function<void(const std::shared_ptr<Connection>&, Ending)> on_disconnected;
    /// More lines for /metrics in the Prometheus text format. Any thread.
    std::function<std::string()> more_metrics;
    /// Before connections are closed at shut-down.
    std::function<void()> on_stopping;
};

class WslinkServer {
public:
    explicit WslinkServer(WslinkServerOptions options, WslinkServerHooks hooks = {});
    ~WslinkServer();

    rpc::MethodRegistry& methods();
    pubsub::Hub& hub();
    /// The group that every connection joins after hello; a program may move it with hub().attach().
    static constexpr pubsub::GroupId everyone = 1;

    /// Publishes a value on a topic, to all connections that are subscribed to it: from a method, after the method's answer. Thread-safe. A
    /// value of megabytes is better published by a thread of the program's own, which encodes it.
    void publish(const std::string& topic, rpc::Value value);

    /// wslink's session.addAttachment, for methods ported from there. Bytes are values here, so it returns them as they are. Thread-safe.
    static rpc::Value add_attachment(rpc::Bytes bytes) { return bytes; }

    const std::string& auth_key() const;
    /// Network thread. For calls that carry another secret: calls `then` with the identity of that secret, at once, or later if many wrong secrets
    /// have come from the connection's address.
    void identify(const Connection& connection, std::string secret, std::function<void(std::optional<Identity>)> then);
    /// Binds the port (then port() is true), prints nothing. Throws std::runtime_error.
    void listen();
    std::uint16_t port() const;
    /// The address to open in a browser. It includes the secret only if that was made up, and standard output is private.
    std::string address() const;
    /// Prints the address to open and then "wslink: Starting factory"; serves until SIGTERM, SIGINT, stop() or the time-out. Returns the exit status.
    int run();
    /// Thread-safe.
    void stop();
    /// Thread-safe: runs `work` on the network thread, at once or after some time.
    void post(std::function<void()> work);
    void post_after(std::uint64_t milliseconds, std::function<void()> work);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
