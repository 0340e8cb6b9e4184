#include "server/net/connection_table.hpp"

#include <algorithm>
#include <vector>

namespace cubelink::server {

/// Passes everything on, and takes the connection out of the table at its end.
class ConnectionTable::Handler final : public transport::SocketHandler {
public:
    Handler(ConnectionTable& table, std::uint64_t id, std::unique_ptr<transport::SocketHandler> inner)
        : table_(table), id_(id), inner_(std::move(inner)) {}
    ~Handler() override { table_.remove(id_); } // also when the upgrade fails after all
    void on_open(const std::shared_ptr<transport::Socket>& socket) override { inner_->on_open(socket); }
    void on_message(bool text, std::string_view payload, const std::shared_ptr<const void>& owner) override {
        inner_->on_message(text, payload, owner);
    }
    void on_pong() override { inner_->on_pong(); }
    void on_progress() override { inner_->on_progress(); }
    void on_drained() override { inner_->on_drained(); }
    void on_close(std::uint16_t code, std::string_view reason) override { inner_->on_close(code, reason); }

private:
    ConnectionTable& table_;
    const std::uint64_t id_;
    const std::unique_ptr<transport::SocketHandler> inner_;
};

std::unique_ptr<transport::SocketHandler> ConnectionTable::add(std::unique_ptr<rpc::Dialect> dialect, std::string remote_address,
                                                               std::optional<Identity> identity) {
    const auto connection = ConnectionImpl::make(context_, std::move(dialect), std::move(remote_address), std::move(identity));
    connections_.emplace(connection->id(), connection);
    if (connections_.size() == 1 && on_change) on_change(false);
    return std::make_unique<Handler>(*this, connection->id(), connection->make_handler());
}

void ConnectionTable::remove(std::uint64_t id) {
    if (connections_.erase(id) > 0 && connections_.empty() && on_change) on_change(true);
}

void ConnectionTable::tick() {
    const auto now = Liveness::Clock::now();
    // A copy: what is found may end connections.
    std::vector<std::shared_ptr<ConnectionImpl>> all;
    all.reserve(connections_.size());
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->tick(now);

    if (context_.inbox_used <= context_.rules.unfinished_bytes_process) return;
    const auto most = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->unfinished_input() < b->unfinished_input(); });
    if (most != all.end()) (*most)->close_now(rpc::close_code::try_again_later, "too much unfinished input");
}

void ConnectionTable::close_all(std::uint16_t code, const std::string& reason) {
    const auto all = connections_;
    for (const auto& [id, connection] : all) connection->close_now(code, reason);
}

void ConnectionTable::abandon_all() {
    const auto all = connections_;
    for (const auto& [id, connection] : all) connection->abandon();
}

std::size_t ConnectionTable::from_address(const std::string& address) const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [&](const auto& entry) { return entry.second->remote_address() == address; }));
}

std::size_t ConnectionTable::authenticated() const {
    return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), [](const auto& entry) { return entry.second->authenticated(); }));
}

std::size_t ConnectionTable::fullest_outbox() const {
    std::size_t most = 0;
    for (const auto& [id, connection] : connections_) most = std::max(most, connection->receiver()->outbox().used());
    return most;
}

} // namespace cubelink::server
