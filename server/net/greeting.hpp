#pragma once
/// What a server tells the person, or the launcher, that started it.

#include "server/net/wslink_server.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cubelink::server {

/// "http://127.0.0.1:1234/?token=…". A server that listens on all addresses names one of them. Without a secret: no query.
std::string address_to_open(const WslinkServerOptions& options, std::uint16_t port, const std::string& secret);

/// Started over SSH (SSH_CONNECTION is set) and listening on loopback: the command that makes the address above work at home; else empty.
std::string ssh_tunnel(const WslinkServerOptions& options, std::uint16_t port);

/// As a query's value: all but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);

} // namespace cubelink::server
