#include "server/net/access/wrong_secrets.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace cubelink::server;
using namespace std::chrono_literals;

namespace {

struct Fixture {
    Metrics metrics;
    WrongSecrets secrets{metrics};
    WrongSecrets::Time start = WrongSecrets::Clock::now();
    void many_from(const std::string& address, int count, std::chrono::milliseconds at = 0ms) {
        for (int i = 0; i < count; ++i) secrets.wrong(address, start + at);
    }
    std::chrono::milliseconds wait(const std::string& address, std::chrono::milliseconds at = 0ms) { return secrets.wait(address, start + at); }
};

constexpr int few = WrongSecrets::free_tries;

} // namespace

TEST_CASE_FIXTURE(Fixture, "some wrong secrets cost nothing, more make what comes from their address wait, and only that") {
    CHECK(wait("192.0.2.1") == 0ms);
    many_from("192.0.2.1", few);
    CHECK(wait("192.0.2.1") == 0ms);
    many_from("192.0.2.1", 1);
    CHECK(wait("192.0.2.1") == 1s);
    CHECK(wait("192.0.2.2") == 0ms);
    CHECK(metrics.wrong_secrets == few + 1);
    CHECK(metrics.delayed_secrets == 1);
}

TEST_CASE_FIXTURE(Fixture, "they are forgotten one by one, and not remembered for ever") {
    many_from("192.0.2.1", few + 10);
    CHECK(wait("192.0.2.1", 9s) == 1s);
    CHECK(wait("192.0.2.1", 11s) == 0ms);
    many_from("192.0.2.1", 1'000'000, 20s);
    CHECK(wait("192.0.2.1", 20s + few * 1s - 1s) > 0ms);
    CHECK(wait("192.0.2.1", 20s + few * 1s + 1s) == 0ms);
}

TEST_CASE_FIXTURE(Fixture, "they are looked at one after the other, and nobody waits for longer than a client would") {
    many_from("192.0.2.1", few + 50);
    for (int i = 0; i < 10; ++i) CHECK(wait("192.0.2.1") == 1s + i * 20ms);
    std::chrono::milliseconds longest{0};
    for (int i = 0; i < 1000; ++i) longest = std::max(longest, wait("192.0.2.1"));
    CHECK(longest == 8s);
    CHECK(wait("192.0.2.1", 9s) == 1s);
}

TEST_CASE_FIXTURE(Fixture, "of an IPv6 address the network counts, and an IPv4 one is the same in both spellings") {
    for (int i = 0; i <= few; ++i) secrets.wrong("2001:db8::" + std::to_string(i), start);
    CHECK(wait("2001:db8::ffff") == 1s);
    CHECK(wait("2001:db8:0:1::1") == 0ms);
    many_from("::ffff:192.0.2.7", few + 1);
    CHECK(wait("192.0.2.7") == 1s);
}

TEST_CASE_FIXTURE(Fixture, "a bounded number of addresses is remembered, those that tried most") {
    many_from("192.0.2.1", few + 1);
    for (std::size_t i = 0; i < WrongSecrets::most_addresses + 1000; ++i)
        secrets.wrong("10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256), start);
    CHECK(wait("192.0.2.1") == 1s);
}
