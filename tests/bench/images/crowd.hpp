#pragma once
/// Many users of one server, a session each, on one cube, as one thread of the client sees them: five actions a second each, cursor moves
/// with x, y and z profiles, every tenth a change of channel with four tiles.

#include "tests/bench/images/report.hpp"
#include "tests/bench/images/wire_session.hpp"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace cubelink::bench {

/// One user. An action begins with act() and has ended when take() returns true.
class CrowdUser {
public:
    CrowdUser(const ServerProcess& server, const std::string& file, int side, int depth, unsigned number);

    /// Begins the next action, which was due at `due`.
    void act(Clock::time_point due);
    /// Takes what has come, without waiting. True if the action has ended: its time is in `cursor` or `channel`.
    bool take(Samples& cursor, Samples& channel);
    bool busy() const { return cursor_pending_ || tiles_pending_; }
    WireSession& session() { return session_; }

private:
    int up_to(int end) { return std::uniform_int_distribution<int>(0, end - 1)(random_); }

    WireSession session_;
    std::mt19937 random_;
    int side_, depth_, actions_;
    int x_ = -1, y_ = -1, channel_ = 0;
    bool cursor_pending_ = false, spectrum_pending_ = false, value_pending_ = false, tiles_pending_ = false;
    Clock::time_point due_;
};

class Crowd {
public:
    Crowd(const ServerProcess& server, const std::string& file, int side, int depth, int users);

    /// Runs all users for `seconds`, then waits for the actions that have begun.
    void act(double seconds);

    const Samples& cursor() const { return cursor_; }
    const Samples& channel() const { return channel_; }
    /// Seconds during which they have acted, and processor time that the server used meanwhile.
    double seconds() const { return seconds_; }
    double server_cpu() const { return server_cpu_; }

private:
    const ServerProcess& server_;
    std::vector<std::unique_ptr<CrowdUser>> users_;
    Samples cursor_, channel_;
    double seconds_ = 0, server_cpu_ = 0;
};

} // namespace cubelink::bench
