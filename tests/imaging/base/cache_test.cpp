// The budget and its cache, and the parallel loop, from several threads.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/parallel.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace cubelink::imaging;

namespace {

CacheKey key(int channel, std::uint64_t inode = 1) { return {FileState{1, inode, 2, 3}, 0, {channel, 0}, CacheKind::other, 0}; }

std::shared_ptr<const int> get(BudgetCache& cache, int channel, std::size_t bytes, std::atomic<int>* made = nullptr) {
    return cache.get<int>(key(channel), bytes, CancelToken(), [&] {
        if (made != nullptr) ++*made;
        return std::make_shared<const int>(channel);
    });
}

} // namespace

TEST_CASE("the least recently used value is evicted first, a value in use is not") {
    BudgetCache cache(100, 50);
    std::atomic<int> made{0};
    get(cache, 1, 40, &made);
    get(cache, 2, 40, &made);
    get(cache, 1, 40, &made); // now 2 is the oldest
    CHECK(made == 2);
    get(cache, 3, 40, &made);
    CHECK(cache.find<int>(key(1)));
    CHECK(!cache.find<int>(key(2)));
    CHECK(cache.statistics().evictions == 1);
    CHECK(cache.statistics().used == 80);

    const auto held = get(cache, 1, 40); // the older one, but in use
    get(cache, 3, 40);
    auto other = get(cache, 4, 60);
    CHECK(cache.find<int>(key(1)));
    CHECK(!cache.find<int>(key(3)));
    CHECK(*other == 4);

    // All is in use: a bounded wait, then a clear error; then room again.
    const auto begun = std::chrono::steady_clock::now();
    CHECK_THROWS_AS(get(cache, 5, 10), OverBudget);
    CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(50));
    CHECK_THROWS_AS(get(cache, 6, 101), OverBudget);
    CHECK(cache.statistics().refused == 2);
    other.reset();
    CHECK(*get(cache, 5, 10) == 5);
}

TEST_CASE("bytes count until the last user releases them") {
    BudgetCache cache(100, 20);
    auto held = get(cache, 1, 70);
    cache.drop(key(1).image);
    CHECK(!cache.find<int>(key(1)));
    CHECK(cache.statistics().cached == 0);
    CHECK(cache.statistics().used == 70);
    CHECK_THROWS_AS(cache.reserve(40, CancelToken()), OverBudget);
    held.reset();
    CHECK(cache.statistics().used == 0);
    {
        Reservation r = cache.reserve(60, CancelToken());
        CHECK(cache.statistics().used == 60);
        r.shrink(10);
        CHECK(cache.statistics().used == 10);
        Reservation moved = std::move(r);
        CHECK(moved.bytes() == 10);
    }
    CHECK(cache.statistics().used == 0);

    std::shared_ptr<const int> survivor;
    {
        BudgetCache gone(100);
        survivor = get(gone, 9, 50);
    }
    CHECK(*survivor == 9);
}

TEST_CASE("a thread that waits for memory gets it when it is released, or throws when cancelled") {
    BudgetCache cache(100, 60'000);
    auto held = std::make_unique<Reservation>(cache.reserve(80, CancelToken()));
    std::jthread release([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        held.reset();
    });
    CHECK(cache.reserve(50, CancelToken()).bytes() == 50);
    release.join();

    const Reservation all = cache.reserve(100, CancelToken());
    const CancelToken cancel;
    std::jthread stop([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        cancel.cancel();
    });
    CHECK_THROWS_AS(cache.reserve(50, cancel), Cancelled);
}

TEST_CASE("who does not wait gets what is free, or could be") {
    BudgetCache cache(100, 60'000);
    CHECK_FALSE(cache.try_reserve(101));
    cache.get<int>(CacheKey{}, 60, CancelToken(), [] { return std::make_shared<const int>(1); });
    CHECK(cache.try_reserve(100)->bytes() == 100); // what is cached, but not in use, goes
    CHECK(cache.statistics().used == 0);
    const Reservation most = cache.reserve(70, CancelToken());
    CHECK_FALSE(cache.try_reserve(31));
    CHECK(cache.try_reserve(30)->bytes() == 30);
    CHECK(cache.statistics().used == 70);
    CHECK(cache.statistics().refused == 0);
}

TEST_CASE("what is needed is rounded up in the message") {
    BudgetCache cache(std::size_t{4} << 20, 0);
    const Reservation all = cache.reserve(std::size_t{4} << 20, CancelToken());
    const auto message = [&](std::size_t bytes) {
        try {
            cache.reserve(bytes, CancelToken());
        } catch (const OverBudget& error) { return std::string(error.what()); }
        return std::string();
    };
    CHECK(message(1) == "1 MiB are needed, but the rest is in use (memory limit 4 MiB)");
    CHECK(message(std::size_t{2} << 20).starts_with("2 MiB"));
    CHECK(message((std::size_t{2} << 20) + 1).starts_with("3 MiB"));
    CHECK(message(SIZE_MAX).starts_with("17592186044416 MiB are needed, but that is more than all of it"));
}

TEST_CASE("a key is computed once, however many threads ask") {
    BudgetCache cache(1000);
    std::atomic<int> made{0};
    std::vector<std::jthread> askers;
    for (int i = 0; i < 8; ++i) {
        askers.emplace_back([&] {
            const auto value = cache.get<int>(key(1), 10, CancelToken(), [&] {
                ++made;
                std::this_thread::sleep_for(std::chrono::milliseconds(30));
                return std::make_shared<const int>(7);
            });
            if (*value != 7) made = 100;
        });
    }
    askers.clear();
    CHECK(made == 1);
    CHECK(cache.statistics().misses == 1);
}

TEST_CASE("a waiting thread takes over from a cancelled one, an error goes to all") {
    BudgetCache cache(1000);
    const CancelToken first;
    std::atomic<bool> started{false};
    std::jthread maker([&] {
        try {
            cache.get<int>(key(1), 10, first, [&]() -> std::shared_ptr<const int> {
                started = true;
                while (true) {
                    first.throw_if_cancelled();
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                }
            });
        } catch (const Cancelled&) {
        }
    });
    while (!started) std::this_thread::yield();

    const CancelToken impatient;
    impatient.cancel();
    CHECK_THROWS_AS(cache.get<int>(key(1), 10, impatient, [] { return std::make_shared<const int>(1); }), Cancelled);

    std::jthread stop([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        first.cancel();
    });
    CHECK(*get(cache, 1, 10) == 1);
    maker.join();

    std::atomic<int> failures{0};
    std::vector<std::jthread> askers;
    for (int i = 0; i < 4; ++i) {
        askers.emplace_back([&] {
            try {
                cache.get<int>(key(2), 10, CancelToken(), []() -> std::shared_ptr<const int> {
                    std::this_thread::sleep_for(std::chrono::milliseconds(20));
                    throw std::runtime_error("unreadable");
                });
            } catch (const std::runtime_error& error) {
                if (std::string(error.what()) == "unreadable") ++failures;
            }
        });
    }
    askers.clear();
    CHECK(failures == 4);
    CHECK(*get(cache, 2, 10) == 2); // a failure is not remembered
}

TEST_CASE("never above the limit, under load") {
    BudgetCache cache(1000, 60'000);
    std::atomic<bool> over{false};
    std::vector<std::jthread> users;
    for (int t = 0; t < 4; ++t) {
        users.emplace_back([&, t] {
            std::mt19937 random(static_cast<unsigned>(t));
            for (int i = 0; i < 2000; ++i) {
                const int channel = int(random() % 20);
                const auto value = get(cache, channel, 50 + std::size_t(channel) * 5);
                if (*value != channel || cache.statistics().used > 1000) over = true;
                if (i % 100 == 0) cache.drop(key(0).image);
            }
        });
    }
    users.clear();
    CHECK(!over);
    CHECK(cache.statistics().used == cache.statistics().cached);
}

TEST_CASE("parallel_for: each index once, the first exception comes out, cancelling ends it") {
    for (int threads : {-1, 1, 2, 5}) {
        std::vector<std::atomic<int>> seen(1000);
        std::atomic<bool> numbered{true};
        parallel_for(threads, 1000, CancelToken(), [&](std::int64_t i, int thread) {
            ++seen[std::size_t(i)];
            if (thread < 0 || thread >= std::max(threads, 1)) numbered = false;
        });
        CHECK(numbered);
        for (const auto& s : seen) CHECK(s == 1);

        std::atomic<int> calls{0};
        CHECK_THROWS_WITH_AS(parallel_for(threads, 100000, CancelToken(),
                                          [&](std::int64_t i, int) {
                                              ++calls;
                                              if (i == 10) throw std::runtime_error("ten");
                                          }),
                             "ten", std::runtime_error);
        if (threads < 2) CHECK(calls == 11); // others may have done all the rest before the one that throws comes to it

        const CancelToken cancel;
        CHECK_THROWS_AS(parallel_for(threads, 100000, cancel,
                                     [&](std::int64_t i, int) {
                                         if (i == 10) cancel.cancel();
                                         while (i > 10 && !cancel.cancelled()) std::this_thread::yield(); // or all might be done by then
                                     }),
                        Cancelled);
        parallel_for(threads, 0, cancel, [](std::int64_t, int) { FAIL("nothing to do"); });
    }
}
