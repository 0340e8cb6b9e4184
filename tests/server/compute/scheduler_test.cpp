#include "imaging/base/parallel.hpp"
#include "server/compute/scheduler.hpp"
#include "tests/support/faulty_os.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <future>
#include <list>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;
using namespace std::chrono_literals;

namespace {

Job job(OwnerId owner, JobClass job_class, std::function<void(const JobContext&)> work, std::string key = {}, std::uint64_t group = 0) {
    Job j;
    j.owner = owner;
    j.job_class = job_class;
    j.key = std::move(key);
    j.group = group;
    j.work = std::move(work);
    return j;
}

void wait_until_cancelled(const JobContext& context) {
    while (!context.cancel.cancelled()) std::this_thread::sleep_for(1ms);
    context.cancel.throw_if_cancelled();
}

constexpr auto patience = 60s; // how long a starved machine may take for what is there at once elsewhere

std::size_t threads_of_this_process() {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

Scheduler::Timing timing(std::chrono::milliseconds patience) {
    Scheduler::Timing timing;
    timing.patience = patience;
    return timing;
}

template <class Condition>
bool soon(Condition condition) {
    for (const auto until = std::chrono::steady_clock::now() + patience; !condition() && std::chrono::steady_clock::now() < until;)
        std::this_thread::sleep_for(1ms);
    return condition();
}

} // namespace

TEST_CASE("owners take turns") {
    Scheduler scheduler(2, timing(1h));
    std::promise<void> go, end;
    // Both general workers are held, so that all is queued before anything runs. Only one is released then: it records the order in
    // which it took the jobs.
    for (auto* held : {&go, &end}) scheduler.post(job(99, JobClass::view, [gate = held->get_future().share()](const JobContext&) { gate.wait(); }));
    REQUIRE(soon([&] { return scheduler.counters().running == 2; }));
    std::mutex mutex;
    std::vector<OwnerId> order;
    for (const OwnerId owner : {1, 2})
        for (int i = 0; i < (owner == 1 ? 1000 : 5); ++i)
            scheduler.post(job(owner, JobClass::view, [&, owner](const JobContext&) {
                const std::lock_guard lock(mutex);
                order.push_back(owner);
            }));
    go.set_value();
    CHECK(soon([&] { return scheduler.counters().done == 1006; }));
    end.set_value();
    const std::lock_guard lock(mutex);
    REQUIRE(order.size() == 1005);
    std::size_t last_of_two = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
        if (order[i] == 2) last_of_two = i;
    CHECK(last_of_two < 30);
}

TEST_CASE("interactive work finds a thread when everything else is busy, and bulk never takes all") {
    Scheduler scheduler(2, timing(1h));
    std::atomic<int> bulk{0};
    for (OwnerId owner = 1; owner <= 4; ++owner)
        scheduler.post(job(owner, JobClass::bulk, [&](const JobContext& context) {
            ++bulk;
            wait_until_cancelled(context);
        }));
    REQUIRE(soon([&] { return bulk == 1; }));
    std::this_thread::sleep_for(20ms);
    CHECK(bulk == 1);
    std::promise<void> tile;
    scheduler.post(job(5, JobClass::view, [&](const JobContext&) { tile.set_value(); }));
    CHECK(tile.get_future().wait_for(patience) == std::future_status::ready);
    scheduler.post(job(6, JobClass::view, wait_until_cancelled));
    REQUIRE(soon([&] { return scheduler.counters().running == 2; }));
    std::promise<void> cursor;
    scheduler.post(job(7, JobClass::interactive, [&](const JobContext&) { cursor.set_value(); }));
    CHECK(cursor.get_future().wait_for(patience) == std::future_status::ready);
    scheduler.stop();
}

TEST_CASE("jobs that take long do not delay other owners, whatever their class and number") {
    Scheduler scheduler(2, timing(10ms));
    std::atomic<int> started{0};
    const auto endless = [&](const JobContext& context) {
        ++started;
        wait_until_cancelled(context);
    };
    for (OwnerId owner = 1; owner <= 3; ++owner)
        for (const auto kind : {JobClass::interactive, JobClass::view, JobClass::block, JobClass::bulk}) scheduler.post(job(owner, kind, endless));
    CHECK(soon([&] { return started >= 3; }));
    for (OwnerId owner = 10; owner < 20; ++owner)
        for (const auto kind : {JobClass::interactive, JobClass::view, JobClass::block, JobClass::bulk}) {
            std::promise<void> done;
            scheduler.post(job(owner, kind, [&](const JobContext&) { done.set_value(); }));
            CHECK(done.get_future().wait_for(patience) == std::future_status::ready);
        }
    scheduler.stop();
}

TEST_CASE("bulk jobs of several sessions run beside each other in the end") {
    Scheduler scheduler(2, timing(10ms));
    std::atomic<int> started{0};
    for (OwnerId owner = 1; owner <= 4; ++owner)
        scheduler.post(job(owner, JobClass::bulk, [&](const JobContext& context) {
            ++started;
            wait_until_cancelled(context);
        }));
    CHECK(soon([&] { return started == 4; }));
    scheduler.stop();
}

TEST_CASE("blocks run one at a time for a session") {
    Scheduler scheduler(4);
    std::atomic<int> running{0}, most{0};
    for (int i = 0; i < 50; ++i)
        scheduler.post(job(1, JobClass::block, [&](const JobContext&) {
            most = std::max(most.load(), ++running);
            std::this_thread::sleep_for(1ms);
            --running;
        }));
    CHECK(soon([&] { return scheduler.counters().done == 50; }));
    CHECK(most == 1);
}

TEST_CASE("cancelling by key, group and owner") {
    Scheduler scheduler(2);
    std::atomic<int> started{0}, ended{0};
    const auto work = [&](const JobContext& context) {
        ++started;
        struct End {
            std::atomic<int>& n;
            ~End() { ++n; }
        } end{ended};
        wait_until_cancelled(context);
    };
    const auto expect_end = [&](int n) { CHECK(soon([&] { return ended == n; })); };
    scheduler.post(job(1, JobClass::view, work, "k", 5));
    REQUIRE(soon([&] { return started == 1; }));
    scheduler.cancel_key(2, "k");
    scheduler.cancel_group(1, 6);
    std::this_thread::sleep_for(5ms);
    CHECK(ended == 0);
    scheduler.cancel_key(1, "k");
    expect_end(1);
    scheduler.post(job(1, JobClass::view, work, "k", 5));
    REQUIRE(soon([&] { return started == 2; }));
    scheduler.post(job(1, JobClass::view, work, "k", 6)); // takes the other's place
    REQUIRE(soon([&] { return started == 3; }));
    expect_end(2);
    scheduler.cancel_group(1, 6);
    expect_end(3);
    scheduler.post(job(1, JobClass::view, work));
    REQUIRE(soon([&] { return started == 4; }));
    scheduler.cancel_owner(1);
    expect_end(4);
    CHECK(soon([&] { return scheduler.counters().cancelled == 4; }));
}

TEST_CASE("a waiting job whose token is cancelled is dropped before its turn; what its token is below is not cancelled") {
    Scheduler scheduler(2);
    std::promise<void> go;
    const auto gate = go.get_future().share();
    std::atomic<int> ran{0};
    for (int i = 0; i < 2; ++i) scheduler.post(job(1, JobClass::block, [gate, &ran](const JobContext&) { gate.wait(), ++ran; })); // one after the other
    const imaging::CancelToken above;
    const auto token = imaging::CancelToken::below(above);
    const auto held = std::make_shared<int>(0);
    Job waiting = job(1, JobClass::block, [held, &ran](const JobContext&) { ++ran; });
    waiting.cancel = token;
    scheduler.post(std::move(waiting));
    scheduler.drop_cancelled(1);
    CHECK(held.use_count() == 2);
    token.cancel();
    scheduler.drop_cancelled(2);
    CHECK(held.use_count() == 2);
    scheduler.drop_cancelled(1);
    CHECK(held.use_count() == 1);
    CHECK_FALSE(above.cancelled());
    above.cancel();
    CHECK(imaging::CancelToken::below(imaging::CancelToken::below(above)).cancelled());
    go.set_value();
    CHECK(soon([&] { return ran == 2; }));
    CHECK(scheduler.counters().cancelled == 1);
}

TEST_CASE("what a job throws is reported, and the worker lives on") {
    Scheduler scheduler(1);
    std::promise<std::string> reported;
    auto bad = job(1, JobClass::view, [](const JobContext&) { throw std::runtime_error("the disk is on fire"); });
    bad.on_error = [&](const std::exception& e) { reported.set_value(e.what()); };
    scheduler.post(std::move(bad));
    CHECK(reported.get_future().get() == "the disk is on fire");
    scheduler.post(job(1, JobClass::view, [](const JobContext&) { throw 42; }));
    std::promise<void> done;
    scheduler.post(job(1, JobClass::view, [&](const JobContext&) { done.set_value(); }));
    CHECK(done.get_future().wait_for(patience) == std::future_status::ready);
}

TEST_CASE("dropped jobs release what they captured") {
    auto token = std::make_shared<int>();
    {
        Scheduler scheduler(2);
        std::mt19937 random(7);
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, seed = random()] {
                std::mt19937 thread_random(static_cast<unsigned>(seed));
                for (int i = 0; i < 2000; ++i) {
                    const OwnerId owner = 1 + thread_random() % 5;
                    switch (thread_random() % 8) {
                    case 0: scheduler.cancel_owner(owner); break;
                    case 1: scheduler.cancel_group(owner, thread_random() % 3); break;
                    case 2: scheduler.cancel_key(owner, "k" + std::to_string(thread_random() % 3)); break;
                    default:
                        scheduler.post(job(owner, static_cast<JobClass>(thread_random() % 4), [token](const JobContext&) {}, "k" + std::to_string(thread_random() % 9), thread_random() % 3));
                    }
                }
            });
        for (auto& thread : threads) thread.join();
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("a job's share follows the load") {
    Scheduler scheduler(8, timing(1h));
    struct Running {
        std::promise<void> end;
        std::shared_future<void> ended = end.get_future().share();
        std::promise<imaging::ThreadShare> threads;
    };
    std::list<Running> running;
    const auto start = [&](OwnerId owner, JobClass job_class) {
        auto& one = running.emplace_back();
        scheduler.post(job(owner, job_class, [&one, ended = one.ended](const JobContext& context) {
            one.threads.set_value(context.threads);
            ended.wait();
        }));
        return one.threads.get_future().get();
    };
    const auto first = start(1, JobClass::view);
    CHECK(first.now() == 8);
    CHECK(first.most() == 8);
    const auto second = start(1, JobClass::view);
    CHECK(first.now() == 4);
    CHECK(second.now() == 4);
    const auto bulk = start(2, JobClass::bulk);
    CHECK(bulk.now() == 4);
    CHECK(first.now() == 2);
    const auto quick = start(2, JobClass::interactive);
    CHECK(quick.now() == 1);
    CHECK(quick.most() == 1);
    CHECK(bulk.now() == 4);
    const auto view_beside_bulk = start(2, JobClass::view);
    CHECK(bulk.now() == 1);
    CHECK(view_beside_bulk.now() == 3);
    running.back().end.set_value();
    running.pop_back();
    CHECK(soon([&] { return bulk.now() == 4; }));
    running.front().end.set_value();
    CHECK(soon([&] { return second.now() == 4; }));
    for (auto& one : running)
        if (&one != &running.front()) one.end.set_value();
    scheduler.stop();
}

TEST_CASE("a job that holds the lane: others' interactive jobs go on, its owner's wait for themselves") {
    Scheduler scheduler(2, timing(1h)); // general threads never count as held
    std::promise<void> end;
    const auto ended = end.get_future().share();
    std::atomic<int> held{0};
    const auto hold = [&](const JobContext&) { // like a read from a file system that is gone: doesn't notice that it is cancelled
        ++held;
        ended.wait();
    };
    for (OwnerId owner = 1; owner <= 2; ++owner) scheduler.post(job(owner, JobClass::view, hold));
    REQUIRE(soon([&] { return held == 2; }));
    scheduler.post(job(3, JobClass::interactive, hold));
    REQUIRE(soon([&] { return held == 3; }));
    // More of the same owner's, which would hang too: at most one more thread of the lane's is risked on them.
    std::atomic<int> own{0};
    std::this_thread::sleep_for(20ms);
    for (int i = 0; i < 20; ++i)
        scheduler.post(job(3, JobClass::interactive, [&](const JobContext&) {
            ++own;
            ended.wait();
        }));
    for (OwnerId owner = 10; owner < 60; ++owner) {
        std::promise<void> done;
        scheduler.post(job(owner, JobClass::interactive, [&](const JobContext&) { done.set_value(); }));
        CHECK(done.get_future().wait_for(patience) == std::future_status::ready);
    }
    // Another owner whose jobs hang.
    scheduler.post(job(4, JobClass::interactive, hold));
    REQUIRE(soon([&] { return held == 4; }));
    for (OwnerId owner = 10; owner < 60; ++owner) {
        std::promise<void> done;
        scheduler.post(job(owner, JobClass::interactive, [&](const JobContext&) { done.set_value(); }));
        CHECK(done.get_future().wait_for(patience) == std::future_status::ready);
    }
    CHECK(own == 0);
    end.set_value();
    CHECK(soon([&] { return own == 20; }));
    scheduler.stop();
}

TEST_CASE("the number of threads is bounded, whatever is asked for") {
    for (const int threads : {1, 2, 5}) {
        CAPTURE(threads);
        const auto before = threads_of_this_process();
        const auto helpers_before = imaging::loop_helpers();
        Scheduler scheduler(threads, timing(1ms));
        std::atomic<int> started{0};
        std::size_t most = 0;
        for (OwnerId owner = 1; owner <= 100; ++owner)
            for (const auto kind : {JobClass::interactive, JobClass::view, JobClass::block, JobClass::bulk})
                scheduler.post(job(owner, kind, [&](const JobContext& context) {
                    ++started;
                    imaging::parallel_for(64, 1000, context.cancel, [&](std::int64_t, int) { std::this_thread::sleep_for(1ms); });
                    wait_until_cancelled(context);
                }));
        for (int i = 0; i < 200; ++i) {
            most = std::max(most, threads_of_this_process() - before);
            std::this_thread::sleep_for(1ms);
        }
        CHECK(started > threads);
        const auto helpers = std::max<std::size_t>(static_cast<std::size_t>(threads) - 1, helpers_before) - helpers_before;
        CHECK(most <= Scheduler::max_threads(threads) + helpers);
        // With the helpers, the threads of listings, the main thread, and those for signals, the store and scripting.
        const auto all = static_cast<std::size_t>(threads);
        CHECK(Scheduler::max_threads(threads) + all - 1 + std::max<std::size_t>(all, 2) + 4 <= 3 * all + 16);
        scheduler.stop();
        CHECK(soon([&] { return threads_of_this_process() <= before + helpers; }));
    }
}

TEST_CASE("a thread that can't be started costs speed, nothing else") {
    for (int granted = 0; granted < 6; ++granted) {
        CAPTURE(granted);
        test::FaultyOs faults;
        faults.refuse_threads(granted);
        if (granted == 0) {
            CHECK_THROWS_AS(Scheduler(4), std::runtime_error);
            continue;
        }
        Scheduler scheduler(4, timing(1ms));
        std::atomic<std::int64_t> sum{0};
        for (OwnerId owner = 1; owner <= 20; ++owner)
            for (const auto kind : {JobClass::interactive, JobClass::view, JobClass::block, JobClass::bulk})
                scheduler.post(job(owner, kind, [&](const JobContext& context) {
                    imaging::parallel_for(context.threads, 10, context.cancel, [&](std::int64_t i, int) { sum += i; });
                    std::this_thread::sleep_for(2ms);
                }));
        CHECK(soon([&] { return scheduler.counters().done == 80; }));
        CHECK(sum == 80 * 45);
        CHECK(scheduler.counters().general_threads + scheduler.counters().overflow_threads <= static_cast<std::size_t>(granted));
        // Granted again: more come.
        faults.heal();
        const auto blocked = [&](const JobContext& context) { wait_until_cancelled(context); };
        CHECK(soon([&] {
            scheduler.post(job(1, JobClass::view, blocked));
            std::this_thread::sleep_for(20ms);
            return scheduler.counters().general_threads == 4;
        }));
        scheduler.stop();
    }
}
