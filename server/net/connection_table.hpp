#pragma once
/// The connections that are open, and what is looked at for all of them together. Network thread only.

#include "server/net/connection_impl.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

namespace cubelink::server {

class ConnectionTable {
public:
    explicit ConnectionTable(ConnectionContext& context) : context_(context) {}

    /// A new connection, as the transport wants it. It leaves the table when its socket is gone.
    std::unique_ptr<transport::SocketHandler> add(std::unique_ptr<rpc::Dialect> dialect, std::string remote_address,
                                                  std::optional<Identity> identity);

    /// Has every connection look at the clock, and closes the one that holds most unfinished input if all of them hold too much.
    void tick();
    void close_all(std::uint16_t code, const std::string& reason);
    /// The transport is about to be destroyed.
    void abandon_all();

    bool empty() const { return connections_.empty(); }
    std::size_t size() const { return connections_.size(); }
    std::size_t from_address(const std::string& address) const;
    std::size_t authenticated() const;
    std::size_t fullest_outbox() const;
    /// Called when the last connection has gone, and when the first one comes.
    std::function<void(bool empty)> on_change;

private:
    class Handler;
    ConnectionContext& context_;
    std::unordered_map<std::uint64_t, std::shared_ptr<ConnectionImpl>> connections_;
    void remove(std::uint64_t id);
};

} // namespace cubelink::server
