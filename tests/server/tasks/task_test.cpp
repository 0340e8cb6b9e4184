#include "server/tasks/calculation.hpp"

#include "imaging/base/budget_cache.hpp"
#include "pubsub/hub.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace cubelink;
using namespace cubelink::server;
using namespace std::chrono_literals;

namespace {

struct Fixture {
    pubsub::Hub hub;
    Scheduler scheduler{2};
    imaging::BudgetCache cache{std::size_t{1} << 20};
    SessionPtr session = std::make_shared<Session>(SessionServices{hub, scheduler, cache, nullptr, {}}, 5, "ann");
    std::mutex mutex;
    std::vector<std::string> log;

    ~Fixture() { session->close(); }
    void note(const std::string& what) {
        const std::lock_guard lock(mutex);
        log.push_back(what);
    }
    std::vector<std::string> noted() {
        const std::lock_guard lock(mutex);
        return log;
    }
    void wait_for(const std::string& what) {
        for (int i = 0; i < 60'000; ++i) {
            for (const auto& one : noted())
                if (one == what) return;
            std::this_thread::sleep_for(1ms);
        }
        FAIL("no " << what);
    }
    /// A task that makes the image.
    Task task(std::int32_t id, std::function<void(const TaskContext&)> work) {
        Task t;
        t.session = session;
        t.name = "test";
        t.file_id = id;
        t.makes.objects.push_back(image_id(id));
        t.work = std::move(work);
        t.end = [this, id](const std::exception_ptr& failure) {
            note("end " + std::to_string(id) + (is_cancelled(failure) ? " cancelled" : failure ? " " + text_of(failure) : ""));
        };
        t.on_session_closed = [this, id] { note("session closed " + std::to_string(id)); };
        return t;
    }
    void push_start(Task t) {
        Command command;
        command.touches = t.makes;
        command.makes = true;
        command.run = [t] { start(t); };
        session->queue().push(std::move(command));
    }
    void push_note(std::int32_t id, const std::string& what) {
        Command command;
        command.touch(image_id(id));
        command.survives_close = true;
        command.run = [this, what] { note(what); };
        session->queue().push(std::move(command));
    }
    static void until_cancelled(const TaskContext& context) {
        while (true) {
            context.cancel.throw_if_cancelled();
            std::this_thread::sleep_for(1ms);
        }
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "commands for what a task makes wait for its end; others do not") {
    std::atomic<bool> go{false};
    push_start(task(0, [&](const TaskContext&) {
        while (!go) std::this_thread::sleep_for(1ms);
    }));
    push_note(0, "waits");
    push_note(1, "does not");
    wait_for("does not");
    CHECK(noted().size() == 1);
    go = true;
    wait_for("waits");
    CHECK(noted() == std::vector<std::string>{"does not", "end 0", "waits"});
}

TEST_CASE_FIXTURE(Fixture, "tasks for different objects run side by side") {
    std::atomic<int> running{0};
    for (const std::int32_t id : {0, 1})
        push_start(task(id, [&](const TaskContext&) {
            ++running;
            while (running < 2) std::this_thread::sleep_for(1ms); // each waits for the other
        }));
    wait_for("end 0");
    wait_for("end 1");
}

TEST_CASE_FIXTURE(Fixture, "what a task throws is given to its end") {
    push_start(task(0, [](const TaskContext&) { throw std::runtime_error("no"); }));
    wait_for("end 0 no");
}

TEST_CASE_FIXTURE(Fixture, "closing cancels a task, whether it runs or waits for a thread") {
    std::atomic<int> running{0};
    for (const std::int32_t id : {0, 1, 2, 3})
        push_start(task(id, [&](const TaskContext& context) {
            ++running;
            until_cancelled(context);
        }));
    while (running < 2) std::this_thread::sleep_for(1ms);
    push_note(9, "all begun");
    wait_for("all begun");
    for (const std::int32_t id : {0, 1, 2, 3}) CHECK(session->close_now(id));
    for (const std::int32_t id : {0, 1, 2, 3}) wait_for("end " + std::to_string(id) + " cancelled");
    push_note(2, "free");
    wait_for("free");
}

TEST_CASE_FIXTURE(Fixture, "a session that is closed ends its tasks, each once") {
    std::atomic<int> running{0};
    for (const std::int32_t id : {0, 1, 2, 3})
        push_start(task(id, [&](const TaskContext& context) {
            ++running;
            until_cancelled(context);
        }));
    push_note(9, "all begun");
    wait_for("all begun");
    session->close();
    for (const std::int32_t id : {0, 1, 2, 3}) wait_for("session closed " + std::to_string(id));
    scheduler.stop();
    CHECK(noted().size() == 5);
}

TEST_CASE_FIXTURE(Fixture, "what is released later is let go by a job") {
    int thing = 0;
    const auto here = std::this_thread::get_id();
    Leftovers leftovers;
    leftovers.emplace_back(&thing, [this, here](const void*) { note(std::this_thread::get_id() == here ? "let go at once" : "let go"); });
    release_later(*session, std::move(leftovers));
    release_later(*session, {});
    wait_for("let go");
    CHECK(noted().size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "an answering job that is dropped answers") {
    std::atomic<int> answers{0};
    rpc::Request request;
    const auto call = std::make_shared<rpc::Call>(std::move(request), nullptr, [&](rpc::Reply&&) { ++answers; });
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.work = [](const JobContext& context) { until_cancelled({context.cancel, 1, {}}); };
    job.on_cancelled = [call] { call->fail(rpc::code::method_failed, "cancelled"); };
    start(std::move(job));
    session->close();
    while (answers == 0) std::this_thread::sleep_for(1ms);
    scheduler.stop();
    CHECK(answers == 1);
}
