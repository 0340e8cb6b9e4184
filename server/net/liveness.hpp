#pragma once
/// Whether a client is still there: pings, its own heartbeat, and silence. Pure logic on times that are passed in; network thread.

#include "server/net/connection_rules.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

namespace cubelink::server {

class Liveness {
public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    Liveness(const ConnectionRules& rules, Time now) : rules_(rules), begun_(now), next_ping_(now + rules.ping), last_message_(now) {}

    Clock::duration age(Time now) const { return now - begun_; }

    /// Bytes came in or went out.
    void progress() { progressed_ = true; }
    /// The client sent a message, of whatever kind.
    void message(Time now) { last_message_ = now; }
    /// The client's own heartbeat: from the second on, the client is timed by it.
    void heartbeat(Time now) {
        if (last_heartbeat_) interval_ = now - *last_heartbeat_;
        last_heartbeat_ = now;
    }

    /// Bytes of messages whose rest is to come that are held now, and were held before the latest frame.
    void half_sent(std::size_t held, std::size_t before, Time now) {
        if (held == 0) {
            half_sent_.reset();
        } else if (held != before || !half_sent_) {
            half_sent_ = now;
        }
    }

    enum class Verdict { fine, ping, silent, no_heartbeat, half_sent, idle };
    /// What is to be done now. `busy`: nothing is read from the client at the moment, so that its silence says nothing.
    Verdict look(Time now, bool busy) {
        if (busy) last_message_ = now;
        if (half_sent_ && busy) half_sent_ = now;
        if (half_sent_ && now - *half_sent_ >= rules_.unfinished) return Verdict::half_sent;
        if (rules_.idle.count() > 0 && now - last_message_ >= rules_.idle) return Verdict::idle;
        if (interval_ && !busy) {
            const auto allowed = std::max<Clock::duration>(3 * *interval_, rules_.heartbeat_minimum);
            if (now - last_message_ >= allowed) return Verdict::no_heartbeat;
        }
        if (now < next_ping_) return Verdict::fine;
        if (pinged_ && !progressed_ && !interval_ && !busy) return Verdict::silent;
        next_ping_ = now + rules_.ping;
        pinged_ = true;
        progressed_ = false;
        return Verdict::ping;
    }

private:
    const ConnectionRules& rules_;
    Time begun_, next_ping_, last_message_;
    std::optional<Time> last_heartbeat_, half_sent_;
    std::optional<Clock::duration> interval_;
    bool pinged_ = false, progressed_ = false;
};

} // namespace cubelink::server
