#include "server/net/liveness.hpp"

#include <doctest/doctest.h>

using namespace cubelink::server;
using namespace std::chrono_literals;
using Verdict = Liveness::Verdict;

namespace {

struct Fixture {
    ConnectionRules rules;
    Liveness::Time start = Liveness::Clock::now();
    Liveness liveness{rules, start};
    Verdict at(std::chrono::milliseconds time, bool busy = false) { return liveness.look(start + time, busy); }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "a ping every 30 s; silence until the next one drops the connection") {
    CHECK(at(29s) == Verdict::fine);
    CHECK(at(30s) == Verdict::ping);
    liveness.progress();
    CHECK(at(60s) == Verdict::ping);
    CHECK(at(89s) == Verdict::fine);
    CHECK(at(90s) == Verdict::silent);
}

TEST_CASE_FIXTURE(Fixture, "a client that is not read from is not taken for silent") {
    CHECK(at(30s) == Verdict::ping);
    CHECK(at(60s, true) == Verdict::ping);
    CHECK(at(90s) == Verdict::silent);
}

TEST_CASE_FIXTURE(Fixture, "a client that beats is timed by three of its intervals, at least 30 s") {
    for (const auto time : {0s, 20s}) {
        liveness.message(start + time);
        liveness.heartbeat(start + time);
    }
    CHECK(at(30s) == Verdict::ping);
    CHECK(at(79s) == Verdict::ping); // pongs do not count, nor does their absence
    CHECK(at(80s) == Verdict::no_heartbeat);
}

TEST_CASE_FIXTURE(Fixture, "fast heartbeats still leave 30 s, and one alone times nothing") {
    liveness.message(start);
    liveness.heartbeat(start);
    CHECK(at(30s) == Verdict::ping);
    liveness.progress();
    CHECK(at(60s) == Verdict::ping);
    liveness.message(start + 61s);
    liveness.heartbeat(start + 61s);
    liveness.message(start + 62s);
    liveness.heartbeat(start + 62s);
    CHECK(at(91s) == Verdict::ping);
    CHECK(at(92s) == Verdict::no_heartbeat);
}

TEST_CASE_FIXTURE(Fixture, "half-sent messages") {
    liveness.half_sent(100, 0, start);
    liveness.half_sent(200, 100, start + 20s);
    liveness.half_sent(200, 200, start + 40s); // another message came, this one did not move
    CHECK(at(79s) != Verdict::half_sent);
    CHECK(at(80s) == Verdict::half_sent);
    liveness.half_sent(0, 200, start + 81s);
    liveness.progress();
    CHECK(at(150s) != Verdict::half_sent);
}

TEST_CASE("idle time-out: only messages count") {
    ConnectionRules rules;
    rules.idle = 5s;
    const auto start = Liveness::Clock::now();
    Liveness liveness(rules, start);
    liveness.message(start + 3s);
    liveness.progress();
    CHECK(liveness.look(start + 7s, false) == Verdict::fine);
    CHECK(liveness.look(start + 8s, false) == Verdict::idle);
}
