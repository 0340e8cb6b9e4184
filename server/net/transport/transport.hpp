#pragma once
/// WebSocket and HTTP on one port, behind a plain interface (C++17: websocketpp does not compile as C++20, and only
/// websocket_codec.cpp knows it).
///
/// One network thread runs everything. All members of Transport and Socket are called on it, and all handlers run on it, except
/// those marked thread-safe. Handlers must not block.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::transport {

/// A piece of memory and what keeps it alive.
struct Slice {
    std::shared_ptr<const void> owner;
    const char* data = "";
    std::size_t size = 0;
};

/// One frame to send; its payload is the concatenation of the slices, which are not copied.
struct OutFrame {
    bool text = false;
    std::vector<Slice> parts;
};

struct HttpRequest {
    std::string method;                                       // "GET"
    std::string target;                                       // as sent: path and query
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case, in order
    std::string body;
    std::string remote_address; // of the socket, without port
    bool tls = false;
    /// The first header of that (lower-case) name, or "".
    std::string_view header(std::string_view name) const;
};

struct HttpResponse {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    /// A body that lies in a file, sent in pieces without being read into memory whole: path, offset, size.
    std::string file_path;
    std::uint64_t file_offset = 0, file_size = 0;
};

/// Answers one HTTP request, at once or later; thread-safe; the first answer counts. When the last copy goes unanswered: 500. HEAD is answered
/// like GET: the transport sends the headers alone.
using HttpReply = std::function<void(HttpResponse&&)>;

class Socket;

/// What happens on one WebSocket. Owned by the transport from acceptance until on_close has returned.
class SocketHandler {
public:
    virtual ~SocketHandler() = default;
    virtual void on_open(const std::shared_ptr<Socket>& socket) = 0;
    /// A whole message. `owner` keeps `payload` alive beyond the call.
    virtual void on_message(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) = 0;
    virtual void on_pong() = 0;
    /// Bytes came in, or some of what send() was given went out: the peer is alive.
    virtual void on_progress() = 0;
    /// The frames handed over have all been written to the kernel: the next ones may come.
    virtual void on_drained() = 0;
    /// Last call. `code` as the peer sent it: 1005 none, 1006 lost.
    virtual void on_close(std::uint16_t code, std::string_view reason) = 0;
};

/// One WebSocket connection.
class Socket {
public:
    virtual ~Socket() = default;
    virtual std::uint64_t id() const = 0;
    /// Hands frames over. Their memory is kept until they are written; on_drained() follows. Give a few at a time: what is handed
    /// over can't be called back.
    virtual void send(std::vector<OutFrame>&& frames) = 0;
    /// Bytes handed over and not yet written to the kernel.
    virtual std::size_t unwritten() const = 0;
    /// Bytes held of a message whose end has not come yet.
    virtual std::size_t unfinished_input() const { return 0; }
    virtual void ping() = 0;
    /// Starts the closing handshake after what was handed over; drops the connection if the peer does not answer in time.
    virtual void close(std::uint16_t code, std::string_view reason) = 0;
    /// Cuts the connection without a handshake.
    virtual void drop() = 0;
    /// Largest message accepted from now on; a larger one closes with 1009.
    virtual void set_max_message_size(std::size_t bytes) = 0;
    /// Stops reading from the socket, and starts again (back-pressure towards a client that sends faster than is worked).
    virtual void pause_reading(bool paused) = 0;
};

/// What an upgrade request is answered with: a handler accepts it, otherwise the response refuses it.
struct UpgradeDecision {
    std::unique_ptr<SocketHandler> handler;
    HttpResponse refusal;
    std::size_t max_message_size = 524; // until set_max_message_size
};

struct TransportHandlers {
    std::function<void(HttpRequest&&, HttpReply)> on_http;
    std::function<UpgradeDecision(const HttpRequest&)> on_upgrade;
    /// Whether the body of a request is of interest, asked before it is read: if not, on_http gets the request without it. Empty: always.
    std::function<bool(const HttpRequest&)> wants_body{};
    /// How many milliseconds a request waits before it is looked at, asked once when its head has come. Nothing is read from it meanwhile.
    /// Empty: none waits.
    std::function<std::uint64_t(const HttpRequest&, bool upgrade)> wait{};
};

struct TransportOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1234;            // 0: a free one
    std::string ssl_cert_file, ssl_key_file; // both or none; PEM
    std::size_t max_http_body = 16u << 20;
    std::size_t max_http_bodies = 256u << 20; // of all requests that have not been answered
    std::size_t max_http_header = 16u << 10;
    int http_timeout_seconds = 30;        // for a request to arrive whole, and without progress of a response
    std::size_t max_connections = 1000;   // sockets of every kind
    std::size_t max_connections_per_address = 0; // of them, from one address; 0: no limit
    std::function<bool(const std::string& address)> exempt_address; // whose sockets that limit does not count; empty: none
    /// Runs work that waits for a disk, on another thread and in the order in which it was given; thread-safe. Empty: the network thread does it.
    std::function<void(std::function<void()>)> run_blocking{};
};

/// A timer; destroying it cancels it.
class Timer {
public:
    virtual ~Timer() = default;
};

class Transport {
public:
    virtual ~Transport() = default;
    /// Binds and listens. Throws std::runtime_error with a message that names the address.
    virtual void listen() = 0;
    virtual std::uint16_t port() const = 0;
    /// Runs the network thread's loop in the calling thread until stop().
    virtual void run() = 0;
    /// Thread-safe. Runs `work` on the network thread.
    virtual void post(std::function<void()> work) = 0;
    /// Calls `work` on the network thread after that many milliseconds, again and again if `repeat`.
    virtual std::unique_ptr<Timer> after(std::uint64_t milliseconds, bool repeat, std::function<void()> work) = 0;
    /// Thread-safe. Stops accepting, closes all sockets with 1001 after what was handed over, and lets run() return, at the latest after `grace` ms.
    virtual void stop(std::uint64_t grace_milliseconds) = 0;
    /// Reads the certificate again for new connections (SIGHUP). Returns an error text, empty if it went well.
    virtual std::string reload_certificate() = 0;
    struct Counters {
        std::uint64_t accepted = 0, refused = 0, open_websockets = 0, open_http = 0, bytes_in = 0, bytes_out = 0;
    };
    virtual Counters counters() const = 0;
};

std::unique_ptr<Transport> make_transport(TransportOptions options, TransportHandlers handlers);

} // namespace cubelink::transport
