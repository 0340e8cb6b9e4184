#pragma once
/// Where a server is: the address that it printed, or that of its WebSocket.

#include <string>

namespace cubelink::client {

struct Address {
    std::string web_socket; // ws://HOST:PORT/ws or wss://…, to connect to
    std::string page;       // http://HOST:PORT/ or https://…, that of the viewer, without the secret
    std::string secret;

    /// Reads ws://HOST:PORT/ws or http://HOST:PORT/?token=SECRET, with or without a path before; wss:// and https:// likewise. `secret` is
    /// what is given here, else that of the address, else that of the environment's CUBELINK_AUTHKEY. Throws std::invalid_argument.
    static Address parse(const std::string& url, const std::string& secret = {});
};

} // namespace cubelink::client
