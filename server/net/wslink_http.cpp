#include "server/net/wslink_http.hpp"

#include "server/net/access/access.hpp"
#include "server/net/access/cross_site.hpp"
#include "server/net/http/http_util.hpp"
#include "server/net/http/static_files.hpp"
#include "server/net/log.hpp"

#include "rpc/values/value.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

using transport::HttpReply;
using transport::HttpRequest;
using transport::HttpResponse;
using Token = WslinkServerHooks::Route::Token;

namespace {

HttpResponse text_response(int status, std::string body, std::string_view type = "text/plain; charset=utf-8") {
    HttpResponse response;
    response.status = status;
    response.headers = {{"Content-Type", std::string(type)}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
    response.body = std::move(body);
    return response;
}

/// For the log: method, first folder of the path and address. Further parts of the path can be keys.
std::string sender_of(const HttpRequest& request, const std::string& address) {
    const auto path = split_target(request.target).path;
    const auto end = path.find('/', 1);
    const auto shown = std::string(path.substr(0, end)) + (end == std::string_view::npos ? "" : "/…");
    const auto proxied = address.empty() || address == request.remote_address ? "" : address + " through ";
    return request.method + " " + rpc::brief(rpc::Value(shown)) + " from " + proxied + request.remote_address;
}

bool changes_something(std::string_view method) { return method != "GET" && method != "HEAD" && method != "OPTIONS"; }

/// For paths that can only be read.
bool only_read(const HttpRequest& request, const HttpReply& reply) {
    if (request.method == "GET" || request.method == "HEAD") return true;
    auto response = text_response(405, "only GET and HEAD\n");
    response.headers.emplace_back("Allow", "GET, HEAD");
    reply(std::move(response));
    return false;
}

AccessOptions access_options(const WslinkServerOptions& options) {
    // A server that listens on all addresses is called by none of these "names".
    const bool any = options.host == "0.0.0.0" || options.host == "::" || options.host == "*";
    return {any ? std::string() : options.host, options.allow_hosts, options.allow_origins, options.trusted_proxies};
}

} // namespace

struct WslinkHttp::Impl {
    const WslinkServerOptions& options;
    const WslinkServerHooks& hooks;
    Metrics& metrics;
    WrongSecrets& wrong_secrets;
    const Identify identify;
    const std::function<std::string()> metrics_text;
    Workers& workers;
    Workers& disk;
    const AccessPolicy access;
    const CrossSite cross_site{access};
    const std::string base_path;
    std::shared_ptr<const StaticFiles> files;

    Impl(const WslinkServerOptions& given_options, const WslinkServerHooks& given_hooks, Metrics& given_metrics, WrongSecrets& given_wrong_secrets,
         Identify given_identify, std::function<std::string()> given_text, Workers& given_workers, Workers& given_disk)
        : options(given_options), hooks(given_hooks), metrics(given_metrics), wrong_secrets(given_wrong_secrets), identify(std::move(given_identify)),
          metrics_text(std::move(given_text)), workers(given_workers), disk(given_disk), access(access_options(options)), base_path(normal_base_path(options.base_path)) {
        if (!options.content.empty()) files = std::make_shared<const StaticFiles>(options.content);
    }

    void log_refusal(const HttpRequest& request, const std::string& why) const {
        if (log::writes_debug()) log::debug("refused " + sender_of(request, access.origin_of(request).address) + ": " + why);
    }
    static std::string quoted_header(const HttpRequest& request, std::string_view name) { return rpc::brief(rpc::Value(std::string(request.header(name)))); }

    HttpResponse refuse_host(const HttpRequest& request) {
        ++metrics.refused_hosts;
        log_refusal(request, "Host " + quoted_header(request, "host") + " is not allowed (--allow-host)");
        return text_response(403, "requests for this Host are refused; see --allow-host\n");
    }
    HttpResponse refuse_origin(const HttpRequest& request) {
        ++metrics.refused_origins;
        log_refusal(request, "Origin " + quoted_header(request, "origin") + " is not allowed (--allow-origin)");
        return text_response(403, "requests of pages from this Origin are refused; see --allow-origin\n");
    }
    HttpResponse refuse_token(const HttpRequest& request, int status) {
        ++metrics.refused_tokens;
        const bool has_none = tokens_of(request, options.token_name).empty();
        log_refusal(request, has_none ? "no token" : "wrong token");
        return text_response(status, has_none ? "a token is needed, and none was given\n" : "the token is wrong\n");
    }

    std::optional<Identity> identity_of(const std::vector<std::string>& tokens) const {
        if (options.no_auth) return Identity{};
        for (const auto& token : tokens) {
            if (auto identity = identify(token)) return identity;
        }
        return std::nullopt;
    }
    std::optional<Identity> identity_of(const HttpRequest& request) const { return identity_of(tokens_of(request, options.token_name)); }

    /// The same for a request whose answer depends on it: a wrong token is remembered.
    std::optional<Identity> checked_identity(const HttpRequest& request, const std::vector<std::string>& tokens) {
        auto identity = identity_of(tokens);
        if (!identity && !tokens.empty()) wrong_secrets.wrong(access.origin_of(request).address);
        return identity;
    }
    std::optional<Identity> checked_identity_of(const HttpRequest& request) { return checked_identity(request, tokens_of(request, options.token_name)); }

    /// Whether a file is asked for with a token in the address, as the page is in a notebook. (A cookie would come with frames of any page.)
    bool file_with_token(const HttpRequest& request, std::string_view path) const {
        return files && !options.no_auth && !route_of(path) && path != "/healthz" && path != "/metrics" && path != "/ws" && !tokens_of(request, "").empty();
    }

    /// The pages that may show the answer to a request in a frame. Who knows the token can do without a frame whatever is done in it; so can who has
    /// a page on this machine, if no token is needed.
    CrossSite::Frames frames_for(const HttpRequest& request, std::string_view path) {
        if (options.no_auth) return access.called_locally(request) ? CrossSite::Frames::local : CrossSite::Frames::listed;
        return file_with_token(request, path) && checked_identity(request, tokens_of(request, "")) ? CrossSite::Frames::all : CrossSite::Frames::listed;
    }

    /// Whether the answer to a request depends on its token.
    bool looks_at_token(const HttpRequest& request, bool upgrade) const {
        HttpResponse refusal;
        const auto path = path_of(request, refusal);
        if (upgrade) return hooks.make_token_dialect && path != "/ws";
        if (!path) return false;
        if (const auto* route = route_of(*path)) return route->token != Token::ignored;
        return *path == "/metrics" || file_with_token(request, *path);
    }

    /// The path below the base path, or the response that says why there is none.
    std::optional<std::string> path_of(const HttpRequest& request, HttpResponse& refusal) const {
        const auto target = split_target(request.target);
        const auto decoded = percent_decode(target.path);
        if (!decoded || decoded->empty() || decoded->front() != '/') {
            refusal = text_response(400, "the path cannot be understood\n");
            return std::nullopt;
        }
        const auto below = below_base_path(*decoded, base_path);
        if (!below) {
            refusal = text_response(404, "nothing is here\n");
            return std::nullopt;
        }
        if (below->empty() && !base_path.empty()) {
            // Relative, so that it holds behind any proxy: "/a/b" leads to "b/".
            refusal = text_response(308, "");
            auto location = base_path.substr(base_path.rfind('/') + 1) + '/';
            if (!target.query.empty()) location += '?' + std::string(target.query);
            refusal.headers.emplace_back("Location", location);
            return std::nullopt;
        }
        return std::string(*below);
    }

    const WslinkServerHooks::Route* route_of(std::string_view path) const {
        const WslinkServerHooks::Route* best = nullptr;
        for (const auto& route : hooks.routes) {
            const auto& prefix = route.prefix;
            // "/api/" is also the route of "/api" itself, and "/config" not that of "/configuration".
            const bool fits = path.starts_with(prefix) && (prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/');
            const bool bare = prefix.ends_with('/') && path == std::string_view(prefix).substr(0, prefix.size() - 1);
            if ((fits || bare) && (!best || prefix.size() > best->prefix.size())) best = &route;
        }
        return best;
    }

    void hand_over(const WslinkServerHooks::Route& route, HttpRequest&& request, const std::string& path, const std::optional<Identity>& identity,
                   HttpReply reply) {
        using Thread = WslinkServerHooks::Route::Thread;
        if (route.thread == Thread::network) return route.handle(std::move(request), path, identity, std::move(reply));
        auto work = [&route, shared = std::make_shared<HttpRequest>(std::move(request)), path, identity, reply = std::move(reply)] {
            route.handle(std::move(*shared), path, identity, reply);
        };
        (route.thread == Thread::disk ? disk : workers).post(std::move(work));
    }

    void handle(HttpRequest&& request, HttpReply reply) {
        if (!access.host_allowed(request)) return reply(refuse_host(request));
        if (changes_something(request.method) && !access.origin_allowed(request)) return reply(refuse_origin(request));
        if (log::writes_trace()) log::trace(sender_of(request, access.origin_of(request).address));
        HttpResponse refusal;
        const auto path = path_of(request, refusal);
        if (!path) return reply(std::move(refusal));

        const auto* route = route_of(*path);
        const bool is_public = route ? route->token == Token::ignored : *path != "/metrics";
        reply = [headers = cross_site.headers_for(request, is_public, frames_for(request, *path)), to = std::move(reply)](HttpResponse&& response) {
            CrossSite::add(headers, response);
            to(std::move(response));
        };
        if (route) {
            const bool preflight = request.method == "OPTIONS"; // has no token
            const auto identity = route->token == Token::ignored || preflight ? std::nullopt : checked_identity_of(request);
            if (route->token == Token::needed && !identity && !preflight) return reply(refuse_token(request, 403));
            if (route->token == Token::looked_at && !identity && !preflight) log_refusal(request, "no right token");
            return hand_over(*route, std::move(request), *path, identity, std::move(reply));
        }
        if (auto response = cross_site.preflight(request)) return reply(std::move(*response));
        if (*path == "/healthz") {
            if (only_read(request, reply)) reply(text_response(200, "ok"));
        } else if (*path == "/metrics") {
            if (!only_read(request, reply)) return;
            if (!checked_identity_of(request)) {
                auto response = refuse_token(request, 401);
                response.headers.emplace_back("WWW-Authenticate", "Bearer");
                return reply(std::move(response));
            }
            reply(text_response(200, metrics_text(), "text/plain; version=0.0.4; charset=utf-8"));
        } else if (*path == "/ws") {
            auto response = text_response(426, "this is a WebSocket\n");
            response.headers.emplace_back("Upgrade", "websocket");
            reply(std::move(response));
        } else if (files) {
            disk.post([files = files, request = std::move(request), path = *path, reply = std::move(reply)] { reply(files->serve(request, path)); });
        } else if (only_read(request, reply)) {
            reply(text_response(404, "nothing is here\n"));
        }
    }

    Upgrade upgrade(const HttpRequest& request) {
        Upgrade result;
        if (!access.host_allowed(request)) {
            result.refusal = refuse_host(request);
            return result;
        }
        if (!access.origin_allowed(request)) {
            result.refusal = refuse_origin(request);
            return result;
        }
        auto path = path_of(request, result.refusal);
        // The base path without its slash is an address like any other to a WebSocket, which follows no redirection.
        if (!path && result.refusal.status == 308) path = "/";
        if (!path) {
            ++metrics.refused_paths;
            return result;
        }
        result.client_address = access.origin_of(request).address;
        if (*path == "/ws") {
            result.to = Upgrade::To::wslink;
            return result;
        }
        if (!hooks.make_token_dialect) {
            ++metrics.refused_paths;
            result.refusal = text_response(404, "WebSockets are at /ws\n");
            return result;
        }
        result.identity = checked_identity_of(request);
        if (!result.identity) {
            result.refusal = refuse_token(request, 403);
            return result;
        }
        result.to = Upgrade::To::token_dialect;
        return result;
    }
};

WslinkHttp::WslinkHttp(const WslinkServerOptions& options, const WslinkServerHooks& hooks, Metrics& metrics, WrongSecrets& wrong_secrets,
                       Identify identify, std::function<std::string()> metrics_text, Workers& workers, Workers& disk)
    : impl_(std::make_unique<Impl>(options, hooks, metrics, wrong_secrets, std::move(identify), std::move(metrics_text), workers, disk)) {}
WslinkHttp::~WslinkHttp() = default;
void WslinkHttp::handle(HttpRequest&& request, HttpReply reply) { impl_->handle(std::move(request), std::move(reply)); }
bool WslinkHttp::trusted_proxy(std::string_view address) const { return impl_->access.trusted(address); }
bool WslinkHttp::wants_body(const HttpRequest& request) const {
    return impl_->looks_at_token(request, false) && impl_->identity_of(request).has_value();
}
std::chrono::milliseconds WslinkHttp::wait(const HttpRequest& request, bool upgrade) const {
    if (!impl_->looks_at_token(request, upgrade) || tokens_of(request, impl_->options.token_name).empty()) return std::chrono::milliseconds(0);
    return impl_->wrong_secrets.wait(impl_->access.origin_of(request).address);
}
WslinkHttp::Upgrade WslinkHttp::upgrade(const HttpRequest& request) { return impl_->upgrade(request); }

} // namespace cubelink::server
