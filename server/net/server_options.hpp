#pragma once
/// What a wslink server can be told when it starts. Plain data; programs add options of their own by deriving from it.

#include "server/net/connection_rules.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::server {

struct WslinkServerOptions {
    std::string program = "wslink server"; // its name, in messages
    std::string host = "127.0.0.1";
    std::uint16_t port = 1234; // 0: a free one
    std::string auth_key;      // empty with no_auth false: a random one is made (see WslinkServer::auth_key)
    bool auth_key_is_new = false; // the program has made auth_key up: it is printed with the address. One that was given never is
    bool no_auth = false;
    std::string token_name;    // cookie and header, in lower case, that may carry the secret too (beside Bearer and ?token=); empty: none
    std::string content;       // folder of static pages at /; empty: none
    std::string base_path;     // "" or "/below/this"
    std::string ssl_cert, ssl_key;
    std::vector<std::string> allow_origins, allow_hosts, trusted_proxies;
    int timeout_seconds = 0;      // stop after so long without a connection
    int idle_timeout_seconds = 0; // drop a connection that has sent nothing for so long
    std::size_t max_connections = 1000;
    /// 0: no limit. Not set: a quarter of max_connections, and no limit for addresses of this machine.
    std::optional<std::size_t> max_connections_per_address;
    std::size_t outbox_limit = 64u << 20;          // bytes that may wait for one client
    std::size_t outbox_limit_process = 1u << 30;
    std::size_t inbox_limit_process = 1u << 30;    // unfinished input of all connections
    bool allow_exit = false;
    /// Times and limits of the interface. outbox, idle and unfinished_bytes_process are taken from the options above.
    ConnectionRules rules;
};

/// What is wrong with the options, as a line for standard error (exit status 2); empty if nothing is. Addresses, ports and files are
/// checked by WslinkServer.
std::string check_options(const WslinkServerOptions& options);

} // namespace cubelink::server
