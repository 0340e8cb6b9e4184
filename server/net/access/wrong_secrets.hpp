#pragma once
/// Wrong secrets, counted by address: guessing is slowed down, and no client is locked out. Network thread only.
///
/// While many have come from an address lately, every secret from there is delayed before it is checked. Correct ones are delayed too, since a
/// missing delay would give them away, but accepted. The rate of checks for an address is limited, over all of its connections: the more secrets
/// wait, the longer each of them is delayed.

#include "server/net/metrics.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace cubelink::server {

class WrongSecrets {
public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    using Milliseconds = std::chrono::milliseconds;

    static constexpr int free_tries = 300;             // that may come at once and cost nothing
    static constexpr Milliseconds forgiven_each{1000}; // for one of them to be forgotten
    static constexpr Milliseconds shortest_wait{1000}, longest_wait{8000}, apart{20};
    static constexpr std::size_t most_addresses = 10'000; // that are remembered: then the one that is to be forgotten next goes

    explicit WrongSecrets(Metrics& metrics) : metrics_(metrics) {}

    /// A wrong one came from there.
    void wrong(const std::string& address, Time now = Clock::now());
    /// How long the next one from there is to wait; 0 as a rule. Each call takes a place in the queue.
    Milliseconds wait(const std::string& address, Time now = Clock::now());

private:
    struct Entry {
        Time forgotten_at; // each wrong one puts it off
        Time last_place{}; // in the queue of those that wait
    };
    static bool many(const Entry& entry, Time now) { return entry.forgotten_at - now > free_tries * forgiven_each; }
    void make_room(Time now);

    Metrics& metrics_;
    std::map<std::string, Entry> entries_; // by network_of(address)
};

} // namespace cubelink::server
