#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace cubelink::server;
namespace fs = std::filesystem;

namespace {

struct Folder : cubelink::test::TemporaryFolder {
    std::string file(const char* name = "store.sqlite") const { return path(name).string(); }
};

std::string slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("items are kept by user, kind and name, also across openings") {
    Folder folder;
    {
        auto store = Store::open(folder.file());
        store->set("ann", StoreKind::layouts, "wide", R"({"a":1})");
        store->set("ann", StoreKind::layouts, "wide", R"({"a":2})");
        store->set("ann", StoreKind::snippets, "wide", R"({"b":1})");
        store->set_all("bob", StoreKind::preferences, {{"theme", "\"dark\""}, {"version", "2"}});
    }
    auto store = Store::open(folder.file());
    REQUIRE(store->list("ann", StoreKind::layouts).size() == 1);
    CHECK(store->get("ann", StoreKind::layouts, "wide")->json == R"({"a":2})");
    CHECK(store->get("ann", StoreKind::snippets, "wide")->json == R"({"b":1})");
    CHECK_FALSE(store->get("bob", StoreKind::layouts, "wide"));
    CHECK(store->list("ann", StoreKind::preferences).empty());
    const auto preferences = store->list("bob", StoreKind::preferences);
    REQUIRE(preferences.size() == 2);
    CHECK(preferences[0].name == "theme");
    CHECK(store->erase("bob", StoreKind::preferences, {"theme", "absent"}) == 1);
    CHECK(store->list("bob", StoreKind::preferences).size() == 1);
}

TEST_CASE("names and values may hold anything") {
    auto store = Store::in_memory();
    const std::string odd = std::string("'; DROP TABLE items; --\0x", 25) + "\xc3\xa9%_";
    store->set("ann", StoreKind::workspaces, odd, odd);
    REQUIRE(store->get("ann", StoreKind::workspaces, odd));
    CHECK(store->get("ann", StoreKind::workspaces, odd)->json == odd);
}

TEST_CASE("a folder that cannot be looked at is the store's error, which the server can do without it after") {
    Folder folder;
    fs::create_symlink("loop", folder.path("loop"));
    CHECK_THROWS_AS(Store::open(folder.file("loop/store.sqlite")), StoreError);
    CHECK_THROWS_AS(Store::open(folder.file("loop/below/store.sqlite")), StoreError);
    fs::create_directory(folder.path("there"));
    fs::create_directory_symlink("there", folder.path("link"));
    CHECK(Store::open(folder.file("link/store.sqlite")));
    CHECK(Store::open(folder.file("new/folders/store.sqlite")));
}

TEST_CASE("a workspace is shared by a key, and only by its owner") {
    auto store = Store::in_memory();
    store->set("ann", StoreKind::workspaces, "w", "{}");
    const auto id = store->workspace_id("ann", "w");
    REQUIRE(id);
    CHECK_FALSE(store->share_workspace("bob", *id));
    const auto key = store->share_workspace("ann", *id);
    REQUIRE(key);
    CHECK(store->share_workspace("ann", *id) == key);
    CHECK(store->workspace_by_key(*key)->name == "w");
    store->erase("ann", StoreKind::workspaces, {"w"});
    CHECK_FALSE(store->workspace_by_key(*key));
}

TEST_CASE("snapshots of sessions") {
    auto store = Store::in_memory();
    store->save_session(0x7fffffff, {"ann", "/data", "one", 100});
    store->save_session(0x7fffffff, {"ann", "/data", "two", 200});
    REQUIRE(store->load_session(0x7fffffff));
    CHECK(store->load_session(0x7fffffff)->state == "two");
    store->forget_sessions_before(200);
    CHECK(store->load_session(0x7fffffff));
    store->forget_sessions_before(201);
    CHECK_FALSE(store->load_session(0x7fffffff));
}

TEST_CASE("a file that is not ours, damaged or newer is refused and left as it is") {
    Folder folder;
    SUBCASE("text") { std::ofstream(folder.file()) << "these are not tables, and long enough to be looked at as a header of SQLite's: " << std::string(200, 'x'); }
    SUBCASE("another program's database") {
        sqlite3* other = nullptr;
        sqlite3_open(folder.file().c_str(), &other);
        sqlite3_exec(other, "CREATE TABLE theirs (a)", nullptr, nullptr, nullptr);
        sqlite3_close(other);
    }
    SUBCASE("newer") {
        Store::open(folder.file());
        sqlite3* ours = nullptr;
        sqlite3_open(folder.file().c_str(), &ours);
        sqlite3_exec(ours, "PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr);
        sqlite3_close(ours);
    }
    SUBCASE("damaged") {
        {
            auto store = Store::open(folder.file());
            for (int i = 0; i < 500; ++i) store->set("ann", StoreKind::layouts, std::to_string(i), std::string(300, 'x'));
        }
        std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
        for (int page = 1; page < 12; ++page) {
            file.seekp(page * 4096 + 3);
            file << std::string(3000, '\x5a');
        }
    }
    const auto before = slurp(folder.file());
    std::string why;
    try {
        Store::open(folder.file());
    } catch (const StoreError& error) { why = error.what(); }
    INFO(why);
    CHECK(why.find(folder.file()) != std::string::npos);
    CHECK(slurp(folder.file()) == before);
}

TEST_CASE("only the user can read the file") {
    Folder folder;
    Store::open(folder.file("made/here/s.sqlite"));
    struct stat info {};
    REQUIRE(stat(folder.file("made/here/s.sqlite").c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
    CHECK_THROWS_AS(Store::open("/proc/nowhere/s.sqlite"), StoreError);
}

TEST_CASE("a process killed while it writes leaves a consistent store") {
    Folder folder;
    Store::open(folder.file());
    for (int round = 0; round < 5; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            try {
                auto store = Store::open(folder.file());
                for (int i = 0;; ++i) // both names always change together
                    store->set_all("ann", StoreKind::preferences, {{"a", std::to_string(i)}, {"b", std::to_string(i)}});
            } catch (...) { _exit(1); }
        }
        usleep(60000);
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        REQUIRE(WIFSIGNALED(status));
        auto store = Store::open(folder.file());
        const auto a = store->get("ann", StoreKind::preferences, "a"), b = store->get("ann", StoreKind::preferences, "b");
        REQUIRE(a.has_value() == b.has_value());
        if (a) CHECK(a->json == b->json);
    }
}

TEST_CASE("many threads and two openings write at once") {
    Folder folder;
    auto one = Store::open(folder.file()), two = Store::open(folder.file());
    for (const auto& store : {one.get(), two.get()}) store->set_patience(std::chrono::minutes(2)); // a busy disk lets one of them wait for long
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) try {
                    (t % 2 ? one : two)->set("u" + std::to_string(t), StoreKind::snippets, std::to_string(i), "{}");
                } catch (const StoreError&) { ++failures; }
        });
    for (auto& thread : threads) thread.join();
    CHECK(failures == 0);
    for (int t = 0; t < 4; ++t) CHECK(one->list("u" + std::to_string(t), StoreKind::snippets).size() == 50);
}

namespace {

/// Another program's lock on a store, while it lives.
class Lock {
public:
    explicit Lock(const std::string& path) {
        REQUIRE(sqlite3_open(path.c_str(), &handle_) == SQLITE_OK);
        sqlite3_busy_timeout(handle_, 120'000);
        REQUIRE(sqlite3_exec(handle_, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    ~Lock() { sqlite3_close(handle_); }

private:
    sqlite3* handle_ = nullptr;
};

} // namespace

TEST_CASE("only who asked for what another program keeps locked waits for it") {
    Folder folder;
    auto store = Store::open(folder.file());
    store->set("bob", StoreKind::layouts, "old", "1");
    store->set_patience(std::chrono::milliseconds(0));
    auto lock = std::make_unique<Lock>(folder.file());
    CHECK_THROWS_AS(store->set("ann", StoreKind::layouts, "x", "1"), StoreBusy);
    std::mutex mutex;
    std::vector<std::string> done;
    const auto note = [&](std::string what) {
        const std::lock_guard guard(mutex);
        done.push_back(std::move(what));
    };
    const auto failed = [&](const std::exception& e) { note(std::string("failed: ") + e.what()); };
    const auto has = [&](const std::string& what) {
        const std::lock_guard guard(mutex);
        return std::find(done.begin(), done.end(), what) != done.end();
    };
    {
        StoreWorker worker;
        worker.post(lane_of_user("ann"), [&] { store->set("ann", StoreKind::layouts, "x", "2"), note("ann wrote"); }, failed, StoreWorker::endless);
        worker.post(lane_of_user("ann"), [&] { note("ann reads " + store->get("ann", StoreKind::layouts, "x")->json); }, failed, StoreWorker::endless);
        worker.post("impatient", [&] { store->set("cat", StoreKind::layouts, "x", "1"); }, [&](const std::exception&) { note("cat gave up"); },
                    std::chrono::milliseconds(1));
        worker.post(lane_of_user("bob"), [&] { note("bob reads " + store->get("bob", StoreKind::layouts, "old")->json); }, failed);
        while (!has("bob reads 1") || !has("cat gave up")) std::this_thread::yield();
        CHECK_FALSE(has("ann wrote"));
        lock.reset();
        while (!has("ann reads 2")) std::this_thread::yield();
        CHECK(has("ann wrote"));
        lock = std::make_unique<Lock>(folder.file());
        worker.post("last", [&] { store->set("ann", StoreKind::layouts, "x", "3"); }, [&](const std::exception&) { note("given up at the end"); }, StoreWorker::endless);
    }
    CHECK(has("given up at the end"));
}

TEST_CASE("a user's share is bounded, in items and in bytes, and a refused change leaves all as it was") {
    auto store = Store::in_memory();
    const auto room = Store::room_of(StoreKind::layouts);
    const std::string half(static_cast<std::size_t>(room.bytes / 2 - 100), ' ');
    store->set("ann", StoreKind::layouts, "one", half);
    store->set("ann", StoreKind::layouts, "two", half);
    CHECK_THROWS_AS(store->set("ann", StoreKind::layouts, "three", std::string(300, ' ')), StoreFull);
    CHECK(store->list_names("ann", StoreKind::layouts).size() == 2);
    store->set("ann", StoreKind::layouts, "two", "{}");
    store->set("ann", StoreKind::layouts, "three", std::string(300, ' '));
    store->set("bob", StoreKind::layouts, "one", half); // another's share is another's

    std::vector<std::pair<std::string, std::string>> many;
    for (std::int64_t i = 0; i <= room.items; ++i) many.emplace_back(std::to_string(i), "1");
    CHECK_THROWS_AS(store->set_all("ann", StoreKind::preferences, many), StoreFull);
    CHECK(store->list_names("ann", StoreKind::preferences).empty());
    many.pop_back();
    store->set_all("ann", StoreKind::preferences, many);
    CHECK(store->list_names("ann", StoreKind::preferences).size() == static_cast<std::size_t>(room.items));
}
