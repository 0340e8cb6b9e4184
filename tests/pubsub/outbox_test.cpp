#include "tests/pubsub/support.hpp"

#include <doctest/doctest.h>

#include <random>
#include <thread>

using namespace cubelink::pubsub;
using namespace cubelink::pubsub::test;
using Pushed = Outbox::Pushed;

namespace {

auto budget(std::size_t limit = 1 << 30) { return std::make_shared<OutboxBudget>(limit); }

} // namespace

TEST_CASE("messages leave in order, whole, and no more at a time than asked for") {
    const auto all = budget();
    Outbox outbox(1 << 20, all);
    CHECK(outbox.idle());
    outbox.push(message("a"));
    outbox.push(frames({"b1", "b2", "b3"}));
    outbox.push(message("c"));
    CHECK(outbox.used() == 3 * Outbox::overhead + 8);
    CHECK(taken(outbox, 2) == "a b1");
    CHECK(taken(outbox, 100, 4) == "b2 b3");
    CHECK(taken(outbox, 100, 0) == "c"); // one at least
    CHECK(taken(outbox).empty());
    CHECK(outbox.used() == 0);
    CHECK(all->used() == 0);
    CHECK(outbox.taken_bytes() == 8);
}

TEST_CASE("what must arrive and does not fit makes the outbox overflow and gives its memory back") {
    const auto all = budget();
    Outbox outbox(10'000, all);
    for (int i = 0; i < 9; ++i) CHECK(outbox.push(message(std::string(1'000 - Outbox::overhead, 'x'))) == Pushed::queued);
    CHECK(outbox.push(message(std::string(1'001 - Outbox::overhead, 'y'))) == Pushed::closed);
    CHECK(outbox.overflowed());
    CHECK(outbox.used() == 0);
    CHECK(all->used() == 0);
    CHECK(all->overflows == 1);
    CHECK(outbox.push(message("z")) == Pushed::closed);
    CHECK(outbox.answer(outbox.open_ticket(), message("z")) == Pushed::closed);
    CHECK(taken(outbox).empty());
}

TEST_CASE("one large message waits besides what fits, two do not") {
    const auto all = budget();
    Outbox outbox(10'000, all);
    CHECK(outbox.push(message("first")) == Pushed::queued);
    CHECK(outbox.push(frames({std::string(50'000, 'x'), "end"})) == Pushed::queued);
    for (int i = 0; i < 9; ++i) CHECK(outbox.push(message(std::string(1'000 - Outbox::overhead, 'y'))) == Pushed::queued);
    taken(outbox, 2); // the large one but its end
    CHECK_FALSE(outbox.overflowed());
    CHECK(outbox.push(message(std::string(1'100 - Outbox::overhead, 'y'))) == Pushed::closed);
    CHECK(outbox.overflowed());
    CHECK(all->used() == 0);

    Outbox other(10'000, all);
    CHECK(other.push(message(std::string(50'000, 'x'))) == Pushed::queued);
    CHECK(other.push(message(std::string(6'000, 'x'))) == Pushed::closed);
}

TEST_CASE("who makes much waits until there is room") {
    const auto all = budget();
    Outbox outbox(10'000, all);
    int called = 0;
    outbox.when_room(50'000, [&] { ++called; }); // nothing waits: as much as you like
    CHECK(called == 1);
    outbox.push(message(std::string(3'000, 'x')));
    outbox.push(message(std::string(3'000, 'x')));
    CHECK_FALSE(outbox.has_room(1));
    for (int i = 0; i < 3; ++i) outbox.when_room(1'000, [&] { ++called; });
    CHECK(called == 1);
    taken(outbox, 1); // room for one of them, and for the two that it makes two of three thousand
    CHECK(called == 2);
    taken(outbox);
    CHECK(called == 4);

    outbox.push(message(std::string(9'000, 'x')));
    const auto kept = std::make_shared<int>(0);
    outbox.when_room(1, [&called, kept] { ++called; });
    outbox.close();
    CHECK(kept.use_count() == 1); // let go of, uncalled
    CHECK(called == 4);
    outbox.when_room(1, [&] { ++called; });
    CHECK(called == 5);
}

TEST_CASE("who has been called for room is not sent to the end of the line, and waits ahead of it if the room is gone") {
    Outbox outbox(10'000, budget());
    for (int i = 0; i < 5; ++i) outbox.push(message(std::string(1'000 - Outbox::overhead, 'x')));
    std::string order;
    for (const char name : {'a', 'b', 'c'}) outbox.when_room(1'000, [&order, name] { order += name; });
    taken(outbox, 1);
    CHECK(order == "a");
    CHECK_FALSE(outbox.has_room(1'000)); // others wait
    CHECK(outbox.has_room(1'000, Outbox::Turn::has_been_called));
    outbox.push(message(std::string(1'000 - Outbox::overhead, 'y'))); // somebody else was quicker
    CHECK_FALSE(outbox.has_room(1'000, Outbox::Turn::has_been_called));
    outbox.when_room(1'000, [&order] { order += 'A'; }, Outbox::Turn::has_been_called);
    taken(outbox, 1);
    CHECK(order == "aA");
    outbox.when_room(1'000, [&order] { order += 'B'; }, Outbox::Turn::has_been_called); // there is room
    CHECK(order == "aAB");
}

TEST_CASE("droppable messages are left out above half of the budget, and make room for others") {
    const auto all = budget();
    Outbox outbox(10 * (Outbox::overhead + 100), all);
    const std::string text(100, 'p');
    for (int i = 0; i < 5; ++i) CHECK(outbox.push(message(text), droppable()) == Pushed::queued);
    CHECK(outbox.push(message(text), droppable()) == Pushed::left_out);
    CHECK(all->dropped == 1);
    for (int i = 0; i < 5; ++i) CHECK(outbox.push(message(text)) == Pushed::queued);
    CHECK(outbox.push(message("must")) == Pushed::queued); // the droppable ones go
    CHECK(all->dropped == 6);
    CHECK(outbox.used() == 5 * (Outbox::overhead + 100) + Outbox::overhead + 4);
    CHECK_FALSE(outbox.overflowed());
}

TEST_CASE("a newer replaceable message takes the place of the older one") {
    const auto all = budget();
    Outbox outbox(1 << 20, all);
    outbox.push(message("a1"), replaceable("a"));
    outbox.push(message("b1"), replaceable("b"));
    outbox.push(message("p"), droppable());
    outbox.push(message("a2 longer"), replaceable("a"));
    CHECK(all->merged == 1);
    CHECK(taken(outbox) == "a2 longer b1 p");
    CHECK(outbox.used() == 0);
    outbox.push(message("a3"), replaceable("a"));
    CHECK(taken(outbox) == "a3");
}

TEST_CASE("a replaceable message overtakes nothing that must arrive, and its key holds two at most") {
    const auto all = budget();
    Outbox outbox(1 << 20, all);
    for (int i = 1; i <= 5; ++i) {
        outbox.push(message("r" + std::to_string(i))); // the reply to what causes
        outbox.push(message("a" + std::to_string(i)), replaceable("a"));
    }
    CHECK(all->merged == 3);
    CHECK(taken(outbox) == "r1 a1 r2 r3 r4 r5 a5");
}

TEST_CASE("a replaceable message that cannot take another's place needs room of its own") {
    const auto all = budget();
    Outbox outbox(10'000, all);
    const auto of = [](std::size_t cost) { return message(std::string(cost - Outbox::overhead, 'x')); };
    CHECK(outbox.push(of(4'000), replaceable("a")) == Pushed::queued);
    CHECK(outbox.push(of(3'000)) == Pushed::queued);
    CHECK(outbox.push(of(4'000), replaceable("a")) == Pushed::left_out); // the first keeps its place ahead of what must arrive
    CHECK(outbox.push(of(2'900), replaceable("a")) == Pushed::queued);
    CHECK(outbox.push(of(3'000), replaceable("a")) == Pushed::queued); // the second's
    CHECK(outbox.used() == 10'000);
}

TEST_CASE("what has begun to leave is not replaced") {
    Outbox outbox(1 << 20, budget());
    outbox.push(frames({"a1", "a2"}), replaceable("a"));
    CHECK(taken(outbox, 1) == "a1");
    outbox.push(frames({"A1", "A2"}), replaceable("a"));
    CHECK(taken(outbox) == "a2 A1 A2");
}

TEST_CASE("a newer generation removes older sets of which nothing has left, whole") {
    const auto all = budget();
    Outbox outbox(1 << 20, all);
    outbox.push(message("begin1"), of_set(1, 1, true));
    outbox.push(message("tile1"), of_set(1, 1));
    outbox.push(message("begin2"), of_set(2, 1, true)); // the same generation: not overtaken
    CHECK(taken(outbox, 1) == "begin1");                // from here on set 1 must leave whole
    outbox.push(message("other"), of_set(9, 1, true, false, "another file"));
    outbox.push(message("begin3"), of_set(3, 2, true));
    CHECK(all->overtaken == 1);
    outbox.push(message("tile2"), of_set(2, 1)); // a straggler of a set that is gone
    outbox.push(message("end2"), of_set(2, 1, false, true));
    outbox.push(message("late begin"), of_set(4, 1, true));
    outbox.push(message("end1"), of_set(1, 1, false, true));
    outbox.push(message("end3"), of_set(3, 2, false, true));
    CHECK(all->overtaken == 4);
    CHECK(taken(outbox) == "tile1 other begin3 end1 end3");
    CHECK(outbox.used() == 0);
}

TEST_CASE("sets can be overtaken without a newer one: what has begun to leave goes on, stragglers are left out") {
    Outbox outbox(1 << 20, budget());
    outbox.push(message("b1"), of_set(1, 5, true));
    CHECK(taken(outbox) == "b1");
    outbox.push(message("t1"), of_set(1, 5));
    outbox.push(message("b2"), of_set(2, 5, true));
    outbox.push(message("other"), of_set(9, 5, true, true, "others"));
    outbox.push(message("newer"), of_set(3, 6, true, true));
    outbox.overtake_sets("tiles", 6);
    CHECK(outbox.push(message("t2"), of_set(2, 5)) == Outbox::Pushed::left_out);
    CHECK(outbox.push(message("e1"), of_set(1, 5, false, true)) == Outbox::Pushed::queued);
    CHECK(outbox.push(message("same"), of_set(4, 6, true, true)) == Outbox::Pushed::queued);
    CHECK(taken(outbox) == "t1 other newer e1 same");
    CHECK(outbox.used() == 0);
    // Also of a key under which nothing has been pushed yet.
    outbox.overtake_sets("unknown", 3);
    CHECK(outbox.push(message("late"), of_set(11, 2, true, true, "unknown")) == Outbox::Pushed::left_out);
}

TEST_CASE("who waits for room gets it from sets that are overtaken") {
    Outbox outbox(10'000, budget());
    outbox.push(message(std::string(6000, 'x')), of_set(1, 1, true, true));
    bool called = false;
    outbox.when_room(1000, [&] { called = true; });
    CHECK_FALSE(called);
    outbox.overtake_sets("tiles", 2);
    CHECK(called);
}

TEST_CASE("the process's budget gives up the fullest connection, not the one that comes next") {
    const auto all = budget(100'000);
    Outbox hog(1 << 20, all), modest(1 << 20, all);
    bool told = false;
    hog.on_relieved = [&] { told = true; };
    for (int i = 0; i < 9; ++i) hog.push(message(std::string(10'000, 'h')));
    CHECK(modest.push(message(std::string(10'000, 'm'))) == Pushed::queued);
    CHECK(hog.overflowed());
    CHECK(told);
    CHECK_FALSE(modest.overflowed());
    CHECK(all->used() == 10'000 + Outbox::overhead);
    CHECK(modest.push(message(std::string(200'000, 'm'))) == Pushed::closed); // larger than all there is
    CHECK(all->used() == 0);
}

TEST_CASE("a set that was overtaken while its message waited for memory does not follow the newer one") {
    const auto all = budget(100'000);
    Outbox hog(1 << 20, all), viewer(1 << 20, all);
    hog.on_relieved = [&] { viewer.push(message("begin2"), of_set(2, 2, true)); };
    for (int i = 0; i < 9; ++i) hog.push(message(std::string(10'000, 'h')));
    CHECK(viewer.push(message(std::string(10'000, '1')), of_set(1, 1, true)) == Pushed::left_out);
    CHECK(all->overtaken == 1);
    CHECK(taken(viewer) == "begin2");
}

TEST_CASE("random pushes of every kind keep the books straight") {
    std::mt19937 random(20260);
    for (int round = 0; round < 200; ++round) {
        const auto all = budget();
        Outbox outbox(20'000, all);
        std::uint64_t set = 1, generation = 1;
        std::vector<Outbox::Ticket> open;
        for (int step = 0; step < 300 && !outbox.overflowed(); ++step) {
            const auto text = std::string(random() % 200, 'x');
            switch (random() % 9) {
            case 0: outbox.push(message(text)); break;
            case 1: outbox.push(frames({text, text}), droppable()); break;
            case 2: outbox.push(frames({text, "more"}), replaceable(std::to_string(random() % 3))); break;
            case 3: outbox.push(message(text), of_set(++set, generation, true)); break;
            case 4: outbox.push(message(text), of_set(set, generation, false, random() % 4 == 0)); break;
            case 5: generation += random() % 2; break;
            case 6: open.push_back(outbox.open_ticket()); break;
            case 7:
                if (!open.empty()) {
                    const auto which = random() % open.size();
                    outbox.answer(open[which], random() % 4 ? message(text) : nullptr);
                    open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
                }
                break;
            default: taken(outbox, random() % 8, random() % 1000);
            }
            CHECK(all->used() == outbox.used());
        }
        for (const auto ticket : open) outbox.answer(ticket, nullptr);
        while (!outbox.idle()) taken(outbox);
        CHECK(outbox.used() == 0);
        CHECK(all->used() == 0);
    }
}

TEST_CASE("pushes from several threads arrive all, each thread's in its order") {
    Outbox outbox(std::size_t{1} << 30, budget());
    constexpr int threads = 4, each = 20'000;
    std::vector<std::thread> pushers;
    for (int t = 0; t < threads; ++t) {
        pushers.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) outbox.push(message(std::to_string(t) + ':' + std::to_string(i)));
        });
    }
    std::vector<int> next(threads, 0);
    int count = 0;
    bool in_order = true;
    std::vector<Outbox::Taken> batch;
    while (count < threads * each) {
        outbox.take(64, 1 << 20, batch);
        for (const auto& frame : batch) {
            const auto text = text_of(frame);
            const auto colon = text.find(':');
            in_order &= next[std::stoul(text.substr(0, colon))]++ == std::stoi(text.substr(colon + 1));
            ++count;
        }
    }
    for (auto& pusher : pushers) pusher.join();
    CHECK(in_order);
    CHECK(outbox.used() == 0);
}
