// Loops over several threads: each index once, thread numbers, shares that change, exceptions, refused threads.

#include "imaging/base/parallel.hpp"
#include "tests/support/faulty_os.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace cubelink;
using namespace cubelink::imaging;
using namespace std::chrono_literals;

namespace {

/// Waits until it holds, for as long as a starved machine may need.
template <class Condition>
bool soon(Condition condition) {
    for (const auto until = std::chrono::steady_clock::now() + 60s; !condition() && std::chrono::steady_clock::now() < until;) std::this_thread::sleep_for(1ms);
    return condition();
}

} // namespace

TEST_CASE("a helper joins a loop when its share grows, and leaves it when the share shrinks") {
    set_max_loop_helpers(15);
    std::atomic<int> share{1};
    const ThreadShare threads(4, [&] { return share.load(); });
    CHECK(threads.now() == 1);
    CHECK(threads.most() == 4);
    std::mutex mutex;
    std::set<int> inside;
    std::atomic<int> stage{0};
    std::atomic<bool> twice{false};
    // Two indices at once can only be run by two threads: the loop goes on to the next stage when it has seen what it is to see.
    parallel_for(threads, 100'000, CancelToken(), [&](std::int64_t, int thread) {
        {
            const std::lock_guard lock(mutex);
            if (!inside.insert(thread).second) twice = true;
        }
        const auto count = [&] {
            const std::lock_guard lock(mutex);
            return inside.size();
        };
        if (stage == 0 && thread == 0) {
            CHECK(count() == 1);
            share = 3;
            stage = 1;
        } else if (stage == 1) {
            if (count() == 3) {
                share = 1;
                stage = 2;
            } else {
                std::this_thread::sleep_for(100us);
            }
        }
        const std::lock_guard lock(mutex);
        inside.erase(thread);
    });
    CHECK(stage == 2);
    CHECK_FALSE(twice);
    CHECK(ThreadShare(4, [] { return 99; }).now() == 4);
    CHECK(ThreadShare(4, [] { return -1; }).now() == 1);
    CHECK(ThreadShare(-3).now() == 1);
}

TEST_CASE("many loops at once, and loops in loops") {
    std::vector<std::thread> callers;
    std::atomic<std::int64_t> sum{0};
    for (int k = 0; k < 8; ++k)
        callers.emplace_back([&] {
            for (int i = 0; i < 50; ++i)
                parallel_for(3, 5, CancelToken(), [&](std::int64_t a, int) { parallel_for(2, 4, CancelToken(), [&](std::int64_t b, int) { sum += 10 * a + b; }); });
        });
    for (auto& caller : callers) caller.join();
    CHECK(sum == 8 * 50 * (4 * 10 * 10 + 5 * 6));
    CHECK(loop_helpers() <= 15);
}

TEST_CASE("what a helper throws is thrown by the loop, once all have left it") {
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> inside{0};
        const std::thread::id caller = std::this_thread::get_id();
        std::atomic<bool> helped{false};
        try {
            parallel_for(4, 10'000, CancelToken(), [&](std::int64_t i, int) {
                ++inside;
                const bool mine = std::this_thread::get_id() == caller;
                if (!mine) helped = true;
                if (mine && round % 2 == 0 && i < 9000) std::this_thread::sleep_for(50us); // leaves it to a helper
                --inside;
                if ((!mine && i > 10) || i == 9999) throw std::runtime_error("helper");
            });
            FAIL("it should have thrown");
        } catch (const std::runtime_error& e) {
            CHECK(std::string(e.what()) == "helper");
        }
        CHECK(inside == 0);
    }
    CancelToken cancel;
    const auto work = [&](std::int64_t i, int) {
        if (i == 20) cancel.cancel();
        while (i > 20 && !cancel.cancelled()) std::this_thread::yield(); // or all might be done by then
    };
    CHECK_THROWS_AS(parallel_for(4, 1000, cancel, work), Cancelled);
}

TEST_CASE("a loop without helpers takes longer, nothing else") {
    const auto before = loop_helpers();
    set_max_loop_helpers(before); // all that are there are kept busy below
    std::atomic<bool> end{false};
    std::atomic<int> busy{0};
    std::thread holder([&] {
        parallel_for(static_cast<int>(before) + 1, static_cast<std::int64_t>(before) + 1, CancelToken(), [&](std::int64_t, int) {
            ++busy;
            while (!end) std::this_thread::sleep_for(1ms);
        });
    });
    REQUIRE(soon([&] { return busy == static_cast<int>(before) + 1; }));
    {
        test::FaultyOs faults;
        faults.refuse_threads();
        set_max_loop_helpers(before + 3);
        std::atomic<std::int64_t> sum{0};
        for (int i = 0; i < 100; ++i) parallel_for(4, 100, CancelToken(), [&](std::int64_t k, int thread) { sum += thread == 0 ? k : 1'000'000; });
        CHECK(sum == 100 * 4950);
        CHECK(start_loop_helpers(before + 2) == before);
        CHECK(faults.count(test::Call::thread) < 10); // not tried at each loop
    }
    end = true;
    holder.join();
    // Tried again after a while.
    CHECK(soon([&] { return start_loop_helpers(before + 2) == before + 2; }));
    set_max_loop_helpers(15);
}
