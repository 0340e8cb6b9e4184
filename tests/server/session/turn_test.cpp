#include "server/session/turn.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <thread>
#include <vector>

using cubelink::server::Turn;

TEST_CASE("only the newest turn acts, and the next one knows whether it did") {
    Turn turn;
    int acted = 0;
    const auto act = [&] { ++acted; };
    const auto first = turn.next();
    CHECK_FALSE(first.skipped); // there was none before
    CHECK(turn.current() == first.number);
    const auto second = turn.next();
    CHECK(second.skipped);
    turn.if_current(first.number, act);
    CHECK(acted == 0);
    turn.if_current(second.number, act);
    turn.if_current(second.number, act);
    CHECK(acted == 2);
    CHECK_FALSE(turn.next().skipped);
    CHECK(turn.next().skipped);
}

TEST_CASE("whoever acts is not overtaken meanwhile") {
    Turn turn;
    std::uint64_t newest = 0; // that has acted
    bool late = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 5'000; ++round) {
                const auto number = turn.next().number;
                turn.if_current(number, [&] {
                    std::this_thread::yield(); // here a newer one would get in between
                    late = late || number <= newest;
                    newest = number;
                });
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK_FALSE(late);
    CHECK(turn.current() == 20'000);
}
