#include "server/session/command_queue.hpp"

#include <atomic>
#include <chrono>
#include <doctest/doctest.h>
#include <future>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;
using namespace std::chrono_literals;

namespace {

/// Notes what is run and how calls are answered.
struct Log {
    std::mutex mutex;
    std::vector<std::string> ran, answered;
    void run(const std::string& what) {
        const std::lock_guard lock(mutex);
        ran.push_back(what);
    }
    rpc::CallPtr call(const std::string& id) {
        rpc::Request request;
        request.id = id;
        return std::make_shared<rpc::Call>(std::move(request), nullptr, [this](rpc::Reply&& reply) {
            const std::lock_guard lock(mutex);
            answered.push_back(reply.id + (reply.error ? ": " + reply.error->message : ""));
        });
    }
    std::size_t answers() {
        const std::lock_guard lock(mutex);
        return answered.size();
    }
};

struct Fixture {
    Log log;
    Scheduler scheduler{2};
    std::shared_ptr<CommandQueue> queue = std::make_shared<CommandQueue>(scheduler, 1);
    std::promise<void> go;

    Command command(const std::string& name, std::optional<std::int32_t> file = {}, std::string key = {}) {
        Command c;
        c.call = log.call(name);
        if (file) c.touch(image_id(*file));
        c.key = std::move(key);
        c.run = [this, name, call = c.call] {
            log.run(name);
            call->answer(rpc::BodyPtr());
        };
        return c;
    }
    /// The queue is busy until release().
    void hold() {
        auto gate = go.get_future().share();
        auto started = std::make_shared<std::promise<void>>();
        auto busy = started->get_future();
        Command c;
        c.run = [gate, started] {
            started->set_value();
            gate.wait();
        };
        queue->push(std::move(c));
        busy.wait();
    }
    void release() { go.set_value(); }
    void wait_for(std::size_t answers) {
        for (int i = 0; i < 60'000 && log.answers() < answers; ++i) std::this_thread::sleep_for(1ms);
        REQUIRE(log.answers() == answers);
    }
    using List = std::vector<std::string>;
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "in the order of arrival") {
    hold();
    List expected;
    for (int i = 0; i < 100; ++i) {
        expected.push_back(std::to_string(i));
        queue->push(command(expected.back()));
    }
    release();
    wait_for(100);
    CHECK(log.ran == expected);
    CHECK(log.answered == expected);
}

TEST_CASE_FIXTURE(Fixture, "a newer one takes the place of an older one with its key") {
    hold();
    queue->push(command("cursor 1", 0, "cursor:0"));
    queue->push(command("other", 0));
    queue->push(command("cursor 2", 0, "cursor:0"));
    queue->push(command("cursor of 1", 1, "cursor:1"));
    queue->push(command("cursor 3", 0, "cursor:0"));
    release();
    wait_for(5);
    CHECK(log.ran == List{"other", "cursor of 1", "cursor 3"});
    CHECK(log.answered == List{"cursor 1", "cursor 2", "other", "cursor of 1", "cursor 3"});
}

TEST_CASE_FIXTURE(Fixture, "of a thousand positions of a cursor one waits at most, and the last is never lost") {
    hold();
    for (int i = 0; i < 1000; ++i) {
        queue->push(command(std::to_string(i), 0, "cursor:0"));
        CHECK(queue->waiting() == 1);
    }
    release();
    wait_for(1000);
    CHECK(log.ran == List{"999"});
    CHECK(queue->highest_waiting() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a waiting command's call is cancelled, also one that waits for what is being made; nothing else is") {
    CommandQueue::Making making;
    Command maker = command("maker", 0);
    maker.makes = true;
    maker.run = [this, &making, call = maker.call] {
        Touches made;
        made.objects.push_back(image_id(0));
        making = queue->begin_making(std::move(made));
        call->answer(rpc::BodyPtr());
    };
    queue->push(std::move(maker));
    wait_for(1);
    auto parked = command("parked", 0), behind = command("behind", 0);
    const auto call = parked.call;
    call->allow_cancel();
    queue->push(std::move(parked));
    queue->push(std::move(behind));
    CHECK(queue->cancel(call));
    CHECK_FALSE(queue->cancel(call));
    CHECK_FALSE(making.cancel.cancelled());
    CHECK(queue->waiting() == 1);
    hold();
    auto ready = command("ready", 1);
    const auto other = ready.call;
    other->allow_cancel();
    queue->push(std::move(ready));
    CHECK(queue->cancel(other));
    release();
    Command end;
    end.run = [] {};
    queue->finish(making, std::move(end));
    wait_for(4);
    CHECK(log.ran == List{"behind"});
    CHECK(log.answered == List{"maker", "parked: cancelled", "ready: cancelled", "behind"});
}

TEST_CASE_FIXTURE(Fixture, "the highest number of commands that have waited is that of clients' commands") {
    Command own;
    own.run = [] {};
    hold();
    for (int i = 0; i < 3; ++i) queue->push(Command(own));
    for (const char* name : {"a", "b"}) queue->push(command(name, 0, "view"));
    CHECK(queue->highest_waiting() == 1);
    queue->push(command("of file 1", 1));
    CHECK(queue->waiting() == 5);
    CHECK(queue->highest_waiting() == 2);
    CHECK(queue->drop(image_id(1)).makings.empty());
    queue->push(command("c", 0));
    CHECK(queue->highest_waiting() == 2);
    release();
    wait_for(4);
    CHECK(queue->highest_waiting() == 2);
}

TEST_CASE_FIXTURE(Fixture, "but not across a barrier of its file, nor if it refuses") {
    hold();
    queue->push(command("a", 0, "view"));
    auto barrier = command("channels", 0);
    barrier.barrier = true;
    queue->push(std::move(barrier));
    queue->push(command("b", 0, "view"));
    auto other = command("channels of another file", 1);
    other.barrier = true;
    queue->push(std::move(other));
    queue->push(command("c", 0, "view"));
    auto modest = command("d", 0, "view");
    modest.overtakes = [](const Command& older) {
        CHECK(older.key == "view");
        return false;
    };
    queue->push(std::move(modest));
    release();
    wait_for(6);
    CHECK(log.ran == List{"a", "channels", "channels of another file", "c", "d"});
}

TEST_CASE_FIXTURE(Fixture, "closing a file takes away what waits for it") {
    hold();
    auto open = command("open 0", 0);
    open.survives_close = true;
    queue->push(std::move(open));
    queue->push(command("cursor of 0", 0));
    auto asked = command("moment of 0", 0);
    asked.on_dropped = [call = asked.call] { call->fail(-32001, "closed"); };
    queue->push(std::move(asked));
    queue->push(command("cursor of 1", 1));
    queue->push(command("list"));
    queue->drop(image_id(0));
    CHECK(queue->waiting() == 3);
    release();
    wait_for(5);
    CHECK(log.ran == List{"open 0", "cursor of 1", "list"});
    CHECK(log.answered == List{"cursor of 0", "moment of 0: closed", "open 0", "cursor of 1", "list"});
}

TEST_CASE_FIXTURE(Fixture, "what a command throws fails its call, and the next one runs") {
    auto bad = command("bad");
    bad.run = [] { throw std::runtime_error("no"); };
    auto worse = command("worse");
    worse.run = [] { throw rpc::BadArguments("x: expected a number"); };
    queue->push(std::move(bad));
    queue->push(std::move(worse));
    queue->push(command("good"));
    wait_for(3);
    CHECK(log.answered[0].find("bad: ") == 0);
    CHECK(log.answered[1] == "worse: x: expected a number");
    CHECK(log.answered[2] == "good");
}

TEST_CASE_FIXTURE(Fixture, "what a command leaves for afterwards comes when it has been answered, also when it throws") {
    std::vector<std::size_t> answers; // at that time
    for (const bool throws : {false, true}) {
        auto one = command("one");
        one.run = [&, throws, call = one.call] {
            queue->afterwards([&] { answers.push_back(log.answers()); });
            if (throws) throw std::runtime_error("no");
            call->answer(rpc::BodyPtr());
        };
        queue->push(std::move(one));
    }
    queue->push(command("last"));
    wait_for(3);
    CHECK(answers == std::vector<std::size_t>{1, 2});
}

TEST_CASE_FIXTURE(Fixture, "what follows a command may fail: the next one runs") {
    queue->after_command = [] { throw std::runtime_error("no room to note it"); };
    queue->push(command("first"));
    queue->push(command("second"));
    wait_for(2);
    CHECK(log.ran == List{"first", "second"});
}

TEST_CASE_FIXTURE(Fixture, "a closed queue answers everything and takes no more") {
    hold();
    queue->push(command("a"));
    queue->push(command("b", 0));
    queue->close();
    queue->push(command("c"));
    release();
    wait_for(3);
    CHECK(log.ran.empty());
}

TEST_CASE_FIXTURE(Fixture, "random traffic from several threads: every call is answered once, one command at a time") {
    std::atomic<int> inside{0}, overlaps{0}, total{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 1000; ++i) {
                const auto file = static_cast<std::int32_t>(random() % 3);
                if (random() % 50 == 0) {
                    random() % 2 ? queue->drop(image_id(file)) : queue->drop_all_images();
                    continue;
                }
                ++total;
                auto c = command(std::to_string(t) + ":" + std::to_string(i), file, random() % 2 ? "k" + std::to_string(random() % 4) : "");
                c.barrier = random() % 10 == 0;
                c.urgent = random() % 5 == 0;
                c.run = [&, call = c.call] {
                    if (++inside != 1) ++overlaps;
                    call->answer(rpc::BodyPtr());
                    --inside;
                };
                queue->push(std::move(c));
            }
        });
    for (auto& thread : threads) thread.join();
    wait_for(static_cast<std::size_t>(total.load()));
    CHECK(overlaps == 0);
}
