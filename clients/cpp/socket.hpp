#pragma once
/// One WebSocket to a server, as the client library needs it (C++17: see websocketpp_socket.cpp, the only source that knows websocketpp).
///
/// A server that has been silent for 90 s, pings included, is given up. A thread of its own runs the network; the handlers are called on it, one at a time. send() and close() may be called from any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::client {

struct SocketHandlers {
    std::function<void()> on_open;
    /// `owner` keeps the payload alive beyond the call.
    std::function<void(bool text, std::string_view payload, std::shared_ptr<const void> owner)> on_message;
    /// Called once, whether the connection was ever open or not; nothing follows it.
    std::function<void(std::uint16_t code, const std::string& reason)> on_close;
};

class WebSocket {
public:
    virtual ~WebSocket() = default;
    /// One binary frame of these parts, one after the other. `owner` keeps them alive until they have been copied.
    virtual void send_binary(std::vector<std::string_view> parts, std::shared_ptr<const void> owner) = 0;
    virtual void close(std::uint16_t code) = 0;
};

/// Begins to connect to a ws:// or wss:// address (certificates are checked against the system's, or $SSL_CERT_FILE, and for the address's host). Throws std::invalid_argument for another.
std::unique_ptr<WebSocket> open_web_socket(const std::string& url, SocketHandlers handlers);

} // namespace cubelink::client
