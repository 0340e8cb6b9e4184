#pragma once
/// Publishes many messages in a row no faster than the client that asked for them takes them, so that a million of them need not fit
/// into its outbox. A client that takes none for a second is waited for no longer.

#include "server/net/wslink_server.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace cubelink::example {

/// Network thread only. Messages of one client leave in the order in which they were asked for.
class PacedPublisher : public std::enable_shared_from_this<PacedPublisher> {
public:
    using Make = std::function<rpc::Value(std::uint64_t i)>;

    explicit PacedPublisher(server::WslinkServer& server) : server_(server) {}

    void publish(const std::shared_ptr<rpc::Peer>& peer, std::string topic, std::uint64_t count, Make make);

private:
    using Clock = std::chrono::steady_clock;
    struct Job {
        std::shared_ptr<rpc::Peer> peer;
        std::string topic;
        std::uint64_t count = 0, next = 0;
        Make make;
        std::uint64_t taken = 0; // of the peer's outbox when it was looked at last
        Clock::time_point moved{};
    };
    void schedule(bool wait);
    void turn();
    enum class Progress { waits, goes_on, done };
    Progress advance(Job& job);

    server::WslinkServer& server_;
    std::deque<Job> jobs_;
    bool scheduled_ = false;
};

} // namespace cubelink::example
