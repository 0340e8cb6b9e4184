#pragma once
/// Access control by what a request contains: its Host, its Origin, the headers of a trusted proxy, its token. Pure
/// logic; an AccessPolicy is immutable, any thread. Whether a token is right the caller finds out, in constant time (rpc/hello.hpp).

#include "server/net/transport/transport.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

struct AccessOptions {
    std::string host;                         // --host
    std::vector<std::string> allow_hosts;     // names, with or without port
    std::vector<std::string> allow_origins;   // "https://example.org[:port]", "null", or "*"
    std::vector<std::string> trusted_proxies; // addresses, or networks as 10.0.0.0/8
};

/// Where a request really comes from and how the client addressed it, behind proxies that we trust.
struct RequestOrigin {
    std::string address;   // of the client
    std::string scheme;    // "http" or "https"
    std::string authority; // host and maybe port, as the client's address bar has it
};

/// Whether an address (or the name localhost) stays on this machine.
bool is_loopback(std::string_view host);

/// "example.org:80" and "[::1]:80" without the port and the brackets, in lower case; "" if it is neither a name nor an address.
std::string host_of(std::string_view authority);

/// The origins of --allow-origin. Immutable, any thread.
class OriginList {
public:
    /// Throws std::invalid_argument that names the option and what is wrong with it.
    explicit OriginList(const std::vector<std::string>& allow_origins);

    enum class Match {
        none,
        any,   // as every origin, by "*"
        named, // the origin itself stands in the list, in whatever spelling
    };
    /// `origin`: as a browser sends it.
    Match match(std::string_view origin) const;
    bool empty() const { return !any_ && named_.empty(); }
    /// In one spelling: scheme://host:port, or "null".
    const std::vector<std::string>& named() const { return named_; }

private:
    std::vector<std::string> named_;
    bool any_ = false;
};

class AccessPolicy {
public:
    /// Throws std::invalid_argument that names the option and what is wrong with it.
    explicit AccessPolicy(const AccessOptions& options);

    /// Whether an address is that of a trusted proxy.
    bool trusted(std::string_view address) const;

    /// X-Forwarded-For, -Proto and -Host count only if the socket's peer is a trusted proxy; of a list, what trusted ones added.
    RequestOrigin origin_of(const transport::HttpRequest& request) const;

    /// Host is an IP address, localhost, --host or an --allow-host, whatever the port. It keeps pages of strangers from reaching a local
    /// server through a name that they point at it.
    bool host_allowed(const transport::HttpRequest& request) const;

    /// No Origin (not a browser), the server's own as the client sees it, or an --allow-origin.
    bool origin_allowed(const transport::HttpRequest& request) const;

    /// The value for Access-Control-Allow-Origin: the request's Origin if it is a foreign one that is allowed, otherwise "".
    std::string cors_origin(const transport::HttpRequest& request) const;

    /// Whether pages of any foreign origin may read answers.
    bool lists_origins() const { return !origins_.empty(); }

    /// The sources of frame-ancestors (Content Security Policy): the pages that may show ours in a frame, which are those of its own origin and of
    /// every --allow-origin that is named. That language has no words for addresses of IPv6, and none for "null". "*" opens no frames: it is for programs
    /// that bring their token themselves, and a page in a frame comes with the user's cookies.
    const std::string& frame_ancestors() const { return frame_ancestors_; }
    /// Whether there are others than 'self'.
    bool allows_foreign_frames() const { return frame_ancestors_ != own_frames; }

    /// Whether the client's address for us is a loopback one: it runs on this machine, or reaches it as if it did.
    bool called_locally(const transport::HttpRequest& request) const { return is_loopback(host_of(origin_of(request).authority)); }

private:
    struct Network {
        std::array<std::uint8_t, 16> bytes{}; // IPv4 as mapped into IPv6
        int bits = 128;
    };
    static constexpr std::string_view own_frames = "'self'";
    OriginList origins_;
    std::vector<std::string> hosts_;
    std::vector<Network> proxies_;
    std::string frame_ancestors_{own_frames};
};

/// The tokens that a request carries: the cookie `name`, Authorization: Bearer, the query parameter token, the header `name`. No cookie and no
/// header if `name` is empty; it is in lower case. At most 8; any valid one is accepted.
std::vector<std::string> tokens_of(const transport::HttpRequest& request, std::string_view name);

/// The network that an address belongs to: IPv4 addresses as they are, of IPv6 the first 64 bits (clients choose the rest), else the text itself.
std::string network_of(std::string_view address);

} // namespace cubelink::server
