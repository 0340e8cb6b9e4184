#pragma once
/// What all connections of one transport share: the event loop, the counters, the list of links. Network thread only, except the
/// io_context's own post().

#include "server/net/transport/stream.hpp"
#include "server/net/transport/transport.hpp"

#include <asio/io_context.hpp>

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace cubelink::transport {

class Link;

struct Loop {
    Loop(TransportOptions o, TransportHandlers h) : options(std::move(o)), handlers(std::move(h)) {}

    asio::io_context context{1};
    TransportOptions options;
    TransportHandlers handlers;
    Transport::Counters counters;
    std::unordered_set<std::shared_ptr<Link>> links;
    std::unordered_map<std::string, std::size_t> links_per_address;
    std::uint64_t next_socket_id = 1;
    std::size_t http_bodies = 0; // bytes, read and to be read
    bool stopping = false;
    /// Where bytes are read to: one buffer for all, so that an idle connection holds none.
    std::vector<char> scratch = std::vector<char>(256 << 10);
};

/// Says on standard error that a handler threw; the loop goes on.
void report_exception(const char* where) noexcept;

} // namespace cubelink::transport
