#pragma once
/// Which servers may be asked for files. Pure functions, any thread.

#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sockaddr;

namespace cubelink::server {

/// "example.org", "example.org:8443", "127.0.0.1:8080", "[::1]:8080" of --remote-host.
struct RemoteHost {
    std::string name; // in lower case; of an IPv6 address without brackets
    int port = 0;     // 0: the usual one of the scheme, 443 (80 for http)
    friend bool operator==(const RemoteHost&, const RemoteHost&) = default;
};
/// nullopt if it is not a host's name or address.
std::optional<RemoteHost> parse_remote_host(std::string_view text);

/// The parts of a URL that decide whether it may be asked for.
struct RemoteUrl {
    std::string scheme, host; // in lower case, as RemoteHost::name
    int port = 0;             // never 0
};
/// Throws std::invalid_argument, which says what is wrong: no URL, another scheme than https and http, a user in it.
RemoteUrl parse_remote_url(const std::string& url);

/// A loopback address, or "localhost".
bool is_loopback_host(std::string_view host);

/// Why the URL may not be asked for; empty if it may.
std::string why_not_allowed(const RemoteUrl& url, std::span<const RemoteHost> allowed);

/// False for private, loopback, link-local, multicast, documentation and other reserved addresses of IPv4 and IPv6, for IPv4 in IPv6 too, and for other
/// families.
bool is_public_address(const sockaddr& address);

/// Whether a host that may be asked may be connected to at this address: a public one; one that the host itself is written as; for "localhost" loopback.
bool may_connect(std::string_view host, const sockaddr& address);

/// "192.168.0.1" or "fe80::1".
std::string text_of_address(const sockaddr& address);

} // namespace cubelink::server
