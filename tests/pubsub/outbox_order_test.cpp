/// The order in which answers leave, and what others may do to it.

#include "tests/pubsub/support.hpp"
#include "tests/support/random_seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

using namespace cubelink::pubsub;
using namespace cubelink::pubsub::test;

namespace {

struct Fixture {
    std::shared_ptr<OutboxBudget> all = std::make_shared<OutboxBudget>(1 << 30);
    Outbox outbox{1 << 24, all};
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "answers leave in the order of their tickets") {
    const auto first = outbox.open_ticket(), second = outbox.open_ticket(), third = outbox.open_ticket();
    CHECK(outbox.open_tickets() == 3);
    outbox.answer(third, message("3"));
    CHECK(taken(outbox).empty());
    CHECK(outbox.idle());
    outbox.answer(first, message("1"));
    CHECK(taken(outbox) == "1");
    outbox.answer(second, message("2"));
    CHECK(taken(outbox) == "2 3");
    CHECK(outbox.open_tickets() == 0);
}

TEST_CASE_FIXTURE(Fixture, "what is published after an answer waits behind it, what was published before does not") {
    const auto first = outbox.open_ticket(), second = outbox.open_ticket();
    outbox.push(message("before"));
    outbox.answer(second, message("2"));
    outbox.push(message("after2"));
    outbox.answer_unordered(message("long work"));
    CHECK(taken(outbox) == "before long work");
    outbox.answer(first, message("1"));
    outbox.push(message("after1"));
    CHECK(taken(outbox) == "1 2 after2 after1");
}

TEST_CASE_FIXTURE(Fixture, "answers that come in reverse find their places among publications") {
    Outbox::Ticket tickets[5];
    for (auto& ticket : tickets) ticket = outbox.open_ticket();
    outbox.answer(tickets[3], message("r3"));
    outbox.push(message("p3"));
    outbox.answer(tickets[4], message("r4"));
    outbox.push(message("p4"));
    outbox.answer(tickets[1], message("r1"));
    outbox.push(message("p1"));
    CHECK(taken(outbox).empty());
    outbox.answer(tickets[0], nullptr); // sends nothing, but has its turn
    CHECK(taken(outbox) == "r1");
    outbox.answer(tickets[2], message("r2"));
    CHECK(taken(outbox) == "r2 r3 p3 r4 p4 p1");
}

TEST_CASE_FIXTURE(Fixture, "silent answers are waited for like others") {
    const auto a = outbox.open_ticket(), b = outbox.open_ticket(), c = outbox.open_ticket();
    outbox.answer(b, nullptr);
    outbox.answer(c, message("c"));
    CHECK(taken(outbox).empty());
    outbox.answer(a, nullptr);
    CHECK(taken(outbox) == "c");
}

TEST_CASE("random orders of answers: tickets in order, each call's publication after its answer") {
    std::mt19937 random(7);
    for (int round = 0; round < 300; ++round) {
        Fixture fixture;
        auto& outbox = fixture.outbox;
        const std::size_t count = 1 + random() % 20;
        std::vector<Outbox::Ticket> tickets;
        for (std::size_t i = 0; i < count; ++i) tickets.push_back(outbox.open_ticket());
        std::vector<std::size_t> order(count);
        for (std::size_t i = 0; i < count; ++i) order[i] = i;
        std::shuffle(order.begin(), order.end(), random);
        std::string all;
        for (const auto i : order) {
            outbox.answer(tickets[i], message("r" + std::to_string(i)));
            outbox.push(message("p" + std::to_string(i)));
            if (random() % 2) all += taken(outbox, 1 + random() % 3) + ' ';
        }
        all += taken(outbox);
        std::map<std::string, int> place;
        std::istringstream words(all);
        int n = 0;
        for (std::string word; words >> word;) place[word] = ++n;
        REQUIRE(place.size() == 2 * count);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(place["r" + std::to_string(i)] < place["p" + std::to_string(i)]);
            if (i > 0) CHECK(place["r" + std::to_string(i - 1)] < place["r" + std::to_string(i)]);
        }
    }
}

TEST_CASE("calls that leave the order hold up no other: the rest in order, each answer once, publications after the answers before them") {
    const auto seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 300; ++round) {
        Fixture fixture;
        auto& outbox = fixture.outbox;
        const std::size_t count = 1 + random() % 20;
        std::vector<Outbox::Ticket> tickets;
        for (std::size_t i = 0; i < count; ++i) tickets.push_back(outbox.open_ticket());
        std::vector<std::size_t> order(count);
        for (std::size_t i = 0; i < count; ++i) order[i] = i;
        std::shuffle(order.begin(), order.end(), random);
        std::vector<std::size_t> staying, leaving;
        for (const auto i : order) (random() % 2 ? staying : leaving).push_back(i);
        // Those that leave do so at any time, and are answered after all others.
        auto leave = leaving.begin();
        std::string all;
        const auto some_leave = [&](std::size_t most) {
            for (; most > 0 && leave != leaving.end(); --most) outbox.answer(tickets[*leave++], nullptr);
        };
        for (const auto i : staying) {
            some_leave(random() % 3);
            outbox.answer(tickets[i], message("r" + std::to_string(i)));
            outbox.push(message("p" + std::to_string(i)));
            all += taken(outbox, 1 + random() % 3) + ' ';
        }
        some_leave(count);
        all += taken(outbox) + ' ';
        CHECK(outbox.open_tickets() == 0);
        std::istringstream before(all);
        std::size_t words = 0, last = 0;
        for (std::string word; before >> word; ++words) {
            if (word[0] != 'r') continue;
            const auto number = static_cast<std::size_t>(std::stoul(word.substr(1)));
            CHECK(number >= last);
            last = number;
        }
        CHECK(words == 2 * staying.size()); // nothing waits for those that have left
        std::string late;
        for (const auto i : leaving) late += (late.empty() ? "" : " ") + ("r" + std::to_string(i));
        for (const auto i : leaving) outbox.answer_unordered(message("r" + std::to_string(i)));
        CHECK(taken(outbox) == late);
    }
}

TEST_CASE_FIXTURE(Fixture, "answers from several threads leave in order") {
    constexpr std::size_t count = 40'000, threads = 4;
    std::vector<Outbox::Ticket> tickets;
    for (std::size_t i = 0; i < count; ++i) tickets.push_back(outbox.open_ticket());
    std::vector<std::thread> workers;
    for (std::size_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
            for (std::size_t i = t; i < count; i += threads) outbox.answer(tickets[i], message(std::to_string(i)));
        });
    }
    std::vector<Outbox::Taken> batch;
    std::size_t next = 0;
    bool in_order = true;
    while (next < count) {
        outbox.take(64, 1 << 20, batch);
        for (const auto& frame : batch) in_order &= text_of(frame) == std::to_string(next++);
    }
    for (auto& worker : workers) worker.join();
    CHECK(in_order);
}
