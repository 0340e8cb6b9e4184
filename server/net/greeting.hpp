#pragma once
/// What a server prints for the person, or the launcher, that started it.

#include "server/net/wslink_server.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cubelink::server {

/// "http://127.0.0.1:1234/?token=…". A server that listens on all addresses names one of them. Without a secret: no query.
std::string address_to_open(const WslinkServerOptions& options, std::uint16_t port, const std::string& secret);

/// Whether what is written to the descriptor is seen by the user of this process alone: a terminal, a pipe to the program that started it, a
/// file of the user's own. Not a socket, which leads to the system's journal.
bool is_private_output(int descriptor);

/// Writes text to a new file that the user alone can read, in the user's runtime folder ($XDG_RUNTIME_DIR). Returns its path, "" if that
/// is not possible.
std::string write_private_file(const std::string& name, const std::string& text);

/// Started over SSH (SSH_CONNECTION is set) and listening on loopback: the command that makes the address above work at home; else empty.
std::string ssh_tunnel(const WslinkServerOptions& options, std::uint16_t port);

/// Percent-encodes all but letters, digits and "-._~".
std::string percent_encode(std::string_view text);

} // namespace cubelink::server
