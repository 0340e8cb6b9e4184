#pragma once
/// The head of an HTTP/1 request as text, and that of a response: pure functions, any thread. Strict: what RFC 9112 lets a server
/// refuse is refused, because each leniency is a way to have a proxy and us read two different requests.

#include "server/net/transport/transport.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cubelink::transport {

/// What a parsed head says beyond HttpRequest.
struct RequestHead {
    HttpRequest request;          // without body and address
    int minor_version = 1;        // HTTP/1.0 or HTTP/1.1
    std::uint64_t body_size = 0;  // Content-Length
    bool expects_continue = false;
    bool upgrades_to_websocket = false;
};

/// A request that is refused by the transport itself: status and reason, in one line. Status 0: not refused.
struct Refusal {
    int status = 0;
    std::string why;
};

/// Looks at bytes that may be the beginning of a head: refuses what can't become one, so that garbage need not be waited out.
Refusal check_partial_head(std::string_view bytes, std::size_t max_size);

/// Parses a head that ends with an empty line (its CR LF CR LF included).
Refusal parse_head(std::string_view head, std::size_t max_body, RequestHead& out);

/// Checks the fields of a WebSocket handshake. Fills `accept` with the value of Sec-WebSocket-Accept.
Refusal check_websocket(const RequestHead& head, std::string& accept);

/// Status line and header fields, up to and with the empty line. Adds Date, Connection and Content-Length.
std::string write_head(const HttpResponse& response, std::uint64_t body_size);

/// The plain-text response for a refusal.
HttpResponse refuse(const Refusal& refusal);

const char* reason_phrase(int status);

} // namespace cubelink::transport
