#pragma once
/// The HTTP side of a wslink server: who may come in, which path leads where, static pages. Network thread only.

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

    /// How long a request is to wait before it is looked at, because of the token that it brings and where it comes from.
    std::chrono::milliseconds wait(const transport::HttpRequest& request, bool upgrade) const;

    /// Whether whoever sends a request may send a body with it: not without a right token.
    bool wants_body(const transport::HttpRequest& request) const;

    /// Where a WebSocket upgrade may go.
    struct Upgrade {
        enum class To { refused, wslink, token_dialect } to = To::refused;
        transport::HttpResponse refusal;
        std::optional<Identity> identity; // token_dialect: whom the token identifies
        std::string client_address;       // behind a trusted proxy, what that says it is
    };
    Upgrade upgrade(const transport::HttpRequest& request);

    /// Whether who calls from there may say whom it calls for.
    bool trusted_proxy(std::string_view address) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
