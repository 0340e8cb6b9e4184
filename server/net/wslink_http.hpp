#pragma once
/// The HTTP side of a wslink server: access control, routes, static pages. Network thread only.

#include "server/net/transport/transport.hpp"
#include "server/net/access/wrong_secrets.hpp"
#include "server/net/workers.hpp"
#include "server/net/wslink_server.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cubelink::server {

class WslinkHttp {
public:
    using Identify = std::function<std::optional<Identity>(std::string_view secret)>;

    /// All references outlive it. `metrics_text` makes the page of /metrics. Throws std::runtime_error if `content` is not a folder.
    WslinkHttp(const WslinkServerOptions& options, const WslinkServerHooks& hooks, Metrics& metrics, WrongSecrets& wrong_secrets, Identify identify,
               std::function<std::string()> metrics_text, Workers& workers, Workers& disk);
    ~WslinkHttp();

    void handle(transport::HttpRequest&& request, transport::HttpReply reply);

    /// The delay of a request with a token whose address has sent many wrong ones.
    std::chrono::milliseconds wait(const transport::HttpRequest& request, bool upgrade) const;

    /// Whether the body of a request is read: only with a valid token.
    bool wants_body(const transport::HttpRequest& request) const;

    /// How a WebSocket upgrade is answered.
    struct Upgrade {
        enum class To { refused, wslink, token_dialect } to = To::refused;
        transport::HttpResponse refusal;
        std::optional<Identity> identity; // token_dialect: whom the token identifies
        std::string client_address;       // behind a trusted proxy, what that says it is
    };
    Upgrade upgrade(const transport::HttpRequest& request);

    /// Whether X-Forwarded-* headers from that address are trusted.
    bool trusted_proxy(std::string_view address) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
