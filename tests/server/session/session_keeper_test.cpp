#include "server/session/session_keeper.hpp"

#include "imaging/base/budget_cache.hpp"
#include "pubsub/hub.hpp"
#include "server/session/session.hpp"
#include "server/session/snapshot.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"
#include "tests/support/moved_clocks.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace cubelink;
using namespace cubelink::server;

namespace {

constexpr int patience = 60'000; // ms: a busy machine is slow

struct Fixture {
    cubelink::test::MovedClocks clocks; // before all threads, and after them
    std::unique_ptr<Store> store = Store::in_memory();
    std::unique_ptr<StoreWorker> worker = std::make_unique<StoreWorker>();
    pubsub::Hub hub;
    Scheduler scheduler{2};
    imaging::BudgetCache cache{std::size_t{1} << 20};
    std::mutex mutex;
    std::vector<std::function<void()>> timers;
    std::vector<std::uint64_t> waits; // of all timers since new_waits() was last called, those that have fired too; ms
    std::unique_ptr<SessionKeeper> keeper = make_keeper("/folder");

    std::unique_ptr<SessionKeeper> make_keeper(const std::string& folder) {
        const auto later = [this](std::uint64_t milliseconds, std::function<void()> work) {
            const std::lock_guard lock(mutex);
            waits.push_back(milliseconds);
            timers.push_back(std::move(work));
        };
        return std::make_unique<SessionKeeper>(*store, *worker, folder, later);
    }
    SessionPtr session(std::uint32_t id, const std::string& user = "ann") {
        return std::make_shared<Session>(SessionServices{hub, scheduler, cache, keeper.get()}, id, user);
    }
    /// Does something in a command of the session, and waits until it is done.
    static void by_command(const SessionPtr& session, const std::function<void()>& what) {
        std::atomic<bool> done{false};
        Command command;
        command.run = [&] {
            what();
            done = true;
        };
        session->queue().push(std::move(command));
        while (!done) std::this_thread::yield();
    }
    /// A change that adds and closes nothing.
    static void change(const SessionPtr& session, std::int32_t next_file_id) {
        by_command(session, [&] { session->objects().set_next_id(ObjectKind::image, next_file_id); });
    }
    void add_region(const SessionPtr& session, std::int32_t id) {
        const imaging::Shape point{imaging::RegionType::point, {{1, 2}}, 0};
        by_command(session, [&] { session->objects().put(std::make_shared<Region>(id, std::make_shared<const RegionState>(0, point, nullptr))); });
        keeper->mark_dirty(session);
    }
    void close_region(const SessionPtr& session, std::int32_t id) {
        by_command(session, [&] { session->objects().close(region_id(id)); });
        keeper->mark_dirty(session);
    }
    /// Whether the store comes to have so many regions of it; no timer fires meanwhile.
    bool stores_regions(std::uint32_t id, std::size_t wanted) const {
        for (const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience); std::chrono::steady_clock::now() < until;) {
            const auto text = store->load_session(id);
            if (text && saved_session_of(text->state).objects.size() == wanted) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }
    /// How long the timers wait, in ms, that were set since the last call.
    std::vector<std::uint64_t> new_waits() {
        const std::lock_guard lock(mutex);
        return std::exchange(waits, {});
    }
    void run_timers() {
        std::vector<std::function<void()>> due;
        {
            const std::lock_guard lock(mutex);
            due.swap(timers);
        }
        for (auto& work : due) work();
    }
    /// What the store holds in the end.
    std::int32_t stored(std::uint32_t id) {
        worker = std::make_unique<StoreWorker>(); // the old one finishes what was posted
        const auto text = store->load_session(id);
        return text ? saved_session_of(text->state).next_ids.at("image") : -1;
    }
};

} // namespace

TEST_CASE("a session is saved at once, then after a pause, and its last state counts") {
    Fixture f;
    const auto session = f.session(5);
    f.change(session, 1);
    f.keeper->mark_dirty(session);
    f.keeper->save_now({session}, patience);
    for (int n = 2; n <= 50; ++n) {
        f.change(session, n);
        f.keeper->mark_dirty(session);
    }
    {
        const std::lock_guard lock(f.mutex);
        CHECK(f.timers.size() <= 1);
    }
    f.run_timers();
    f.keeper->save_now({session}, patience);
    CHECK(f.keeper->user_of(5) == "ann");
    session->close();
    f.keeper.reset();
    CHECK(f.stored(5) == 50);
}

TEST_CASE("what is opened and closed is saved at once, without waiting for a timer") {
    Fixture f;
    const auto session = f.session(8);
    for (std::int32_t n = 1; n <= 20; ++n) {
        f.add_region(session, n);
        CHECK(f.stores_regions(8, static_cast<std::size_t>(n)));
    }
    f.close_region(session, 7);
    CHECK(f.stores_regions(8, 19));
    CHECK(f.new_waits().empty());
    // A change of an object that is there already may wait.
    f.change(session, 50);
    f.keeper->mark_dirty(session);
    CHECK(f.new_waits() == std::vector<std::uint64_t>{SessionKeeper::pause});
    // Not behind the timer of an earlier, smaller change.
    f.close_region(session, 8);
    CHECK(f.stores_regions(8, 18));
    f.run_timers();
    f.keeper->save_now({session}, patience);
    CHECK(f.new_waits().empty());
    CHECK(f.stored(8) == 50);
    session->close();
}

TEST_CASE("a session whose snapshot is much work is saved less often") {
    Fixture f;
    f.clocks.work_of_a_look = 100;
    const auto session = f.session(9);
    f.add_region(session, 1); // the first snapshot
    CHECK(f.stores_regions(9, 1));
    CHECK(f.new_waits().empty());
    f.add_region(session, 2);
    CHECK(f.new_waits() == std::vector<std::uint64_t>{3000}); // one part in thirty of the time
    f.add_region(session, 3);                                 // the snapshot that is due is enough
    CHECK(f.new_waits().empty());
    f.clocks.now += 3000;
    f.run_timers();
    CHECK(f.stores_regions(9, 3));
    f.clocks.work_of_a_look = 0; // from the next snapshot on
    f.clocks.now += 2000;
    f.add_region(session, 4);
    CHECK(f.new_waits() == std::vector<std::uint64_t>{1000}); // what is left of it
    f.clocks.now += 1000;
    f.run_timers();
    CHECK(f.stores_regions(9, 4));
    f.add_region(session, 5);
    CHECK(f.stores_regions(9, 5));
    CHECK(f.new_waits().empty());
    // However much it is, it is done every half minute.
    f.clocks.work_of_a_look = 10'000;
    f.add_region(session, 6);
    CHECK(f.stores_regions(9, 6));
    f.add_region(session, 7);
    CHECK(f.new_waits() == std::vector<std::uint64_t>{30'000});
    session->close();
}

TEST_CASE("what is forgotten stays so, whatever comes too late") {
    Fixture f;
    const auto session = f.session(6);
    f.change(session, 1);
    f.keeper->save_now({session}, patience);
    f.keeper->mark_dirty(session);
    session->close();
    f.keeper->forget(*session);
    f.keeper->mark_dirty(session);
    f.run_timers();
    f.keeper->save_now({session}, 100);
    CHECK_FALSE(f.keeper->user_of(6));
    f.keeper.reset();
    CHECK(f.stored(6) == -1);
}

TEST_CASE("a server that stops forgets nothing") {
    Fixture f;
    const auto session = f.session(7);
    f.change(session, 3);
    f.keeper->stopping();
    f.keeper->save_now({session}, patience);
    session->close();
    f.keeper->forget(*session);
    f.keeper.reset();
    CHECK(f.stored(7) == 3);
    f.keeper = f.make_keeper("/folder");
    CHECK(f.keeper->user_of(7) == "ann");
    CHECK(f.keeper->load(7));
    f.keeper = f.make_keeper("/elsewhere");
    CHECK_FALSE(f.keeper->user_of(7));
    CHECK_FALSE(f.keeper->load(7));
}

TEST_CASE("old sessions are dropped at start") {
    Fixture f;
    f.store->save_session(8, {"ann", "/folder", "{}", 1000});
    f.store->save_session(9, {"ann", "/folder", "{}", 0});
    f.keeper = f.make_keeper("/folder");
    CHECK_FALSE(f.keeper->user_of(8));
    CHECK(f.keeper->user_of(9));
    f.keeper.reset();
    CHECK(f.stored(8) == -1);
}

TEST_CASE("many threads") {
    Fixture f;
    std::vector<SessionPtr> sessions;
    for (std::uint32_t id = 100; id < 108; ++id) sessions.push_back(f.session(id));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int n = 1; n < 50; ++n) {
                const auto& session = sessions[static_cast<std::size_t>(n * 3 + t) % sessions.size()];
                f.keeper->mark_dirty(session);
                f.run_timers();
                (void)f.keeper->user_of(session->id());
            }
        });
    for (auto& thread : threads) thread.join();
    for (std::size_t i = 0; i < 4; ++i) {
        sessions[i]->close();
        f.keeper->forget(*sessions[i]);
    }
    f.keeper->save_now({sessions.begin() + 4, sessions.end()}, patience);
    for (const auto& session : sessions) session->close();
    f.scheduler.stop();
    f.keeper.reset();
    for (std::uint32_t id = 100; id < 104; ++id) CHECK(f.stored(id) == -1);
    for (std::uint32_t id = 104; id < 108; ++id) CHECK(f.stored(id) == 0);
}

TEST_CASE("an image that was being restored when a server died is left out, until a user opens it") {
    Fixture f;
    CHECK(f.keeper->begin_restoring(5, "a"));
    CHECK(f.keeper->begin_restoring(5, "b"));
    CHECK(f.keeper->begin_restoring(6, "a"));
    f.keeper->end_restoring(5, "b");
    CHECK(f.keeper->begin_restoring(5, "a")); // the server lives
    f.keeper = f.make_keeper("/folder");      // it died
    CHECK_FALSE(f.keeper->begin_restoring(5, "a"));
    CHECK(f.keeper->begin_restoring(5, "b"));
    f.keeper->end_restoring(5, "b");
    CHECK_FALSE(f.keeper->begin_restoring(6, "a"));
    f.keeper->opened(5, "a");
    CHECK(f.keeper->begin_restoring(5, "a"));
    f.keeper->end_restoring(5, "a");
    f.worker = std::make_unique<StoreWorker>(); // the old one finishes what was posted
    f.store->forget_session(6);
    CHECK(f.store->being_restored().empty());
}
