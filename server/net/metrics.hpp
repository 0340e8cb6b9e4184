#pragma once
/// Counters of a wslink server, and their text for Prometheus.
///
/// Counting is thread-safe and takes no lock, except for a method's first call. Labels come from a bounded set: all names of
/// unregistered methods, which clients choose, are counted together.

#include "platform/mutex.hpp"
#include "pubsub/hub.hpp"
#include "pubsub/outbox.hpp"
#include "server/net/transport/transport.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace cubelink::server {

class Metrics {
public:
    using Count = std::atomic<std::uint64_t>;

    /// Calls of one method.
    class Calls {
    public:
        void answered(std::chrono::nanoseconds took, bool failed);

    private:
        friend class Metrics;
        /// Upper bounds of the buckets, in seconds.
        static constexpr std::array<double, 8> bounds{1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 60};
        std::array<Count, bounds.size() + 1> buckets{};
        Count nanoseconds{0}, failures{0};
    };
    /// Lives as long as the Metrics. `registered` false: an unregistered name sent by a client.
    Calls& calls_of(std::string_view method, bool registered);

    Count wrong_secrets{0};         // of hellos, tokens and api_keys
    Count delayed_secrets{0};       // that waited because many wrong ones had come from their address
    Count unauthorized_calls{0};    // before hello
    Count client_id_mismatches{0};  // ids of requests that carry another client's id: accepted, but counted
    Count ignored_frames{0};        // wrong, but harmless
    Count heartbeats{0};            // of clients
    Count refused_origins{0}, refused_hosts{0}, refused_tokens{0}, refused_paths{0};
    Count refused_behind_proxy{0}; // connections over the limit for one address; others are the transport's counters.refused
    Count messages_in{0}, frames_out{0};

    /// A connection that was accepted, by the name of its dialect.
    void connection_accepted(std::string_view dialect);
    /// A connection that the server ended, by the code it was closed with.
    void closed_by_server(std::uint16_t code);

    /// What is not counted here but looked up when the text is made.
    struct Gauges {
        transport::Transport::Counters transport;
        std::size_t connections = 0, authenticated = 0;
        std::size_t inbox_bytes = 0, inbox_limit = 0;
        std::size_t fullest_outbox = 0, outbox_limit_per_connection = 0;
        const pubsub::OutboxBudget* outboxes = nullptr;
        const pubsub::Hub* hub = nullptr;
        double uptime_seconds = 0;
    };
    /// In the Prometheus text format, version 0.0.4.
    std::string text(const Gauges& gauges) const;

private:
    mutable platform::Mutex mutex_;
    std::map<std::string, std::unique_ptr<Calls>, std::less<>> calls_ CUBELINK_GUARDED_BY(mutex_);
    Calls unknown_;
    std::map<std::string, std::uint64_t, std::less<>> accepted_ CUBELINK_GUARDED_BY(mutex_); // connections by dialect
    static constexpr std::array<std::uint16_t, 9> codes{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1013};
    std::array<Count, codes.size() + 1> closed_{};
};

/// Resident memory of this process in bytes, 0 if it is unknown.
std::size_t resident_memory();

/// The memory that this process may use, by its control group or the machine; 0 if it is unknown.
std::size_t memory_limit();

/// A label's value with what the format demands escaped.
std::string escape_label(std::string_view value);

} // namespace cubelink::server
