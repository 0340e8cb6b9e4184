#include "server/net/workers.hpp"
#include "tests/support/faulty_os.hpp"

#include <atomic>
#include <doctest/doctest.h>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

using cubelink::server::Workers;

TEST_CASE("work is started in order, beside the thread that posts it") {
    Workers workers(1);
    std::vector<int> order;
    std::promise<void> done;
    std::thread::id thread;
    for (int i = 0; i < 100; ++i) workers.post([&order, i] { order.push_back(i); });
    workers.post([] { throw std::runtime_error("is logged"); });
    workers.post([&] {
        thread = std::this_thread::get_id();
        done.set_value();
    });
    done.get_future().wait();
    CHECK(order.size() == 100);
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(thread != std::this_thread::get_id());
}

TEST_CASE("what has not been started when it stops is destroyed") {
    Workers workers(1);
    std::promise<void> started, go_on;
    std::atomic<int> ran{0};
    const auto held = std::make_shared<int>(1);
    workers.post([&] {
        started.set_value();
        go_on.get_future().wait();
        ++ran;
    });
    started.get_future().wait();
    for (int i = 0; i < 10; ++i) workers.post([held, &ran] { ++ran; });
    CHECK(workers.waiting() == 10);
    std::thread release([&] {
        while (workers.waiting() > 0) std::this_thread::yield();
        go_on.set_value();
    });
    CHECK(workers.stop(std::chrono::hours(1)));
    release.join();
    CHECK(ran == 1);
    CHECK(held.use_count() == 1);
    workers.post([&ran] { ++ran; });
    CHECK(ran == 1);
}

TEST_CASE("a thread that is stuck is left behind") {
    auto release = std::make_shared<std::promise<void>>();
    auto ended = std::make_shared<std::promise<void>>();
    auto gone = ended->get_future();
    {
        Workers workers(1);
        workers.post([release, ended] {
            release->get_future().wait();
            ended->set_value();
        });
        while (workers.waiting() > 0) std::this_thread::yield();
        CHECK_FALSE(workers.stop(std::chrono::milliseconds(1)));
    }
    release->set_value();
    gone.wait();
}
