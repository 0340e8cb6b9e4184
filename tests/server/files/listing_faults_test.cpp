// Listings of folders that fail, change, or don't answer.
#include "server/files/listing.hpp"
#include "server/files/listing_threads.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <new>
#include <thread>

using namespace cubelink::server;
using cubelink::imaging::CancelToken;
using cubelink::platform::JoiningThread;
using cubelink::test::Call;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

void wait_for_threads() {
    while (running_listing_threads() > 0) wait_for_listing_thread(20ms);
}

void fill(const TemporaryFolder& folder, int n) {
    for (int i = 0; i < n; ++i) folder.write("f" + std::to_string(i) + ".fits", "SIMPLE  =                    T");
}

std::ptrdiff_t open_descriptors() { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); }

} // namespace

TEST_CASE("refused threads cost speed only") {
    TemporaryFolder folder;
    fill(folder, 600);
    const Jail jail(folder.text());
    FaultyOs faults;
    for (int granted : {0, 1, 2}) {
        faults.refuse_threads(granted);
        std::size_t reported = 0;
        const auto listing = list_folder(jail, "", FilterMode::content, {}, [&](std::size_t checked, std::size_t) { reported = checked; });
        CHECK(listing.files.size() == 600);
        CHECK_FALSE(listing.cancelled);
        if (granted == 0) CHECK(reported >= 576); // without threads, it is reported by the one that works
        wait_for_threads();
    }
}

TEST_CASE("an exception in a thread of a listing is the listing's error") {
    TemporaryFolder folder;
    fill(folder, 600);
    const Jail jail(folder.text());
    const auto here = std::this_thread::get_id();
    FaultyOs faults;
    for (const int at : {1, 2, 300, 599}) {
        std::atomic<int> reads{0};
        faults.before([&](Call call, int) {
            if (call == Call::read && ++reads == at) throw std::bad_alloc();
        });
        INFO("read " << at);
        CHECK_THROWS_AS(list_folder(jail, "", FilterMode::content, {}), PathError);
        wait_for_threads();
    }
    // In every thread at once.
    faults.before([&](Call call, int) {
        if (call == Call::read && std::this_thread::get_id() != here) throw 7;
    });
    CHECK_THROWS(list_folder(jail, "", FilterMode::content, {}));
    wait_for_threads();
    faults.heal();
    CHECK(list_folder(jail, "", FilterMode::content, {}).files.size() == 600);
    // An exception of the caller's own function is the caller's.
    std::atomic<int> reads{0};
    std::atomic<bool> told{false};
    faults.before([&](Call call, int) {
        while (call == Call::read && ++reads > 600 && !told) std::this_thread::sleep_for(1ms); // or all might be listed by then
    });
    const auto progress = [&](std::size_t, std::size_t) {
        told = true;
        throw 1;
    };
    CHECK_THROWS_AS(list_folder(jail, "", FilterMode::content, {}, progress), int);
    wait_for_threads();
}

TEST_CASE("a call that fails, whichever it is, is an error of the listing or costs one entry") {
    TemporaryFolder folder;
    folder.write("a.fits", "SIMPLE  = T");
    folder.write("b.fits", "SIMPLE  = T");
    folder.write("casa.im/table.info", "Type = Image\n");
    folder.write("casa.im/table.dat", "x");
    folder.write("sub/c", "x");
    std::filesystem::create_symlink("a.fits", folder.path() / "link.fits");
    const Jail jail(folder.text());
    const auto descriptors = open_descriptors();
    for (const auto mode : {FilterMode::content, FilterMode::extension, FilterMode::all_files})
        for (const int error : {EIO, ENOENT, EMFILE}) {
            FaultyOs faults;
            bool reached = true;
            int refused = 0, listed = 0;
            for (int n = 1; reached; ++n) {
                faults.fail_any(n, error);
                try {
                    const auto listing = list_folder(jail, "", mode, {});
                    CHECK(listing.files.size() + listing.folders.size() >= 4);
                    CHECK_FALSE(listing.cancelled);
                    ++listed;
                } catch (const PathError&) { ++refused; }
                wait_for_threads();
                reached = faults.count() >= n;
            }
            faults.heal();
            CHECK(refused > 0);
            CHECK(listed > 5);
        }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("a disk that fails in the middle of a folder's entries is an error, not a shorter list") {
    TemporaryFolder folder;
    fill(folder, 20);
    const Jail jail(folder.text());
    FaultyOs faults;
    faults.fail(Call::list, 10, EIO);
    std::string message;
    try {
        list_folder(jail, "", FilterMode::content, {});
    } catch (const PathError& error) { message = error.what(); }
    CHECK(message == "\"\": Input/output error.");
    wait_for_threads();
}

TEST_CASE("entries that vanish while they are listed are not in the list") {
    TemporaryFolder folder;
    fill(folder, 400);
    const Jail jail(folder.text());
    FaultyOs faults;
    faults.before([&](Call call, int n) {
        if (call == Call::status && n % 2 == 0) std::filesystem::remove(folder.path("f" + std::to_string(n % 400) + ".fits"));
    });
    const auto listing = list_folder(jail, "", FilterMode::content, {});
    CHECK(listing.files.size() >= 150);
    CHECK(listing.files.size() < 400);
    wait_for_threads();
}

TEST_CASE("a listing of a folder that doesn't answer can be cancelled") {
    TemporaryFolder folder;
    fill(folder, 300);
    folder.write("other/a.fits", "SIMPLE  = T");
    const Jail jail(folder.text());
    std::atomic<bool> answers{false};
    std::atomic<int> stuck{0};
    FaultyOs faults;
    faults.before([&](Call call, int n) {
        if (call != Call::read || n <= 100 || answers) return;
        ++stuck;
        while (!answers) std::this_thread::sleep_for(1ms);
        --stuck;
    });
    const CancelToken cancel;
    Listing listing;
    JoiningThread caller(std::thread([&] { listing = list_folder(jail, "", FilterMode::content, cancel, {}, 3); }));
    while (stuck < 3) std::this_thread::sleep_for(1ms);
    cancel.cancel();
    caller.join(); // or it hangs here
    CHECK(listing.cancelled);
    CHECK(stuck == 3);
    CHECK(running_listing_threads() == 3);
    CHECK_THROWS_AS(list_folder(jail, "", FilterMode::content, {}, {}, 3), PathError); // still stuck: no more threads for that folder
    CHECK(running_listing_threads() == 3);
    // Nobody else may start a thread either, but they can cancel.
    const CancelToken other;
    JoiningThread waiting(std::thread([&] { listing = list_folder(jail, "other", FilterMode::content, other, {}, 3); }));
    std::this_thread::sleep_for(50ms);
    other.cancel();
    waiting.join();
    CHECK(listing.cancelled);
    // A larger limit leaves room for other folders.
    faults.before([&](Call call, int) {
        while (call == Call::sync && !answers) {}
    });
    CHECK(list_folder(jail, "other", FilterMode::content, {}, {}, 4).files.size() == 1);
    answers = true;
    wait_for_threads();
    CHECK(list_folder(jail, "", FilterMode::content, {}, {}, 3).files.size() == 300);
    wait_for_threads();
}

TEST_CASE("a folder in which nothing moves for half a minute is an error") {
    TemporaryFolder folder;
    fill(folder, 3);
    const Jail jail(folder.text());
    std::atomic<bool> answers{false};
    FaultyOs faults;
    faults.before([&](Call call, int n) {
        while (call == Call::open && n >= 1 && !answers) std::this_thread::sleep_for(1ms);
    });
    std::atomic<bool> ended{false};
    std::string message;
    JoiningThread caller(std::thread([&] {
        try {
            list_folder(jail, "", FilterMode::content, {});
        } catch (const PathError& error) { message = error.what(); }
        ended = true;
    }));
    while (faults.count(Call::open) == 0) std::this_thread::sleep_for(1ms);
    while (!ended) {
        faults.advance(10s);
        std::this_thread::sleep_for(20ms);
    }
    CHECK(message == "\"\" does not answer.");
    answers = true;
    wait_for_threads();
    CHECK(list_folder(jail, "", FilterMode::content, {}).files.size() == 3);
    wait_for_threads();
}

TEST_CASE("all listings together use no more threads than they may") {
    TemporaryFolder folder;
    fill(folder, 400);
    const Jail jail(folder.text());
    FaultyOs faults;
    std::atomic<int> most{0};
    faults.before([&](Call call, int n) {
        if (call != Call::read || n % 16 != 0) return;
        const int now = running_listing_threads();
        for (int before = most; now > before && !most.compare_exchange_weak(before, now);) {}
    });
    std::atomic<int> complete{0};
    int limit = 0;
    SUBCASE("as the caller says") { limit = 3; }
    SUBCASE("or the process's bound") { limit = 64; }
    {
        std::vector<JoiningThread> callers;
        for (int i = 0; i < 12; ++i)
            callers.emplace_back(std::thread([&] {
                for (int k = 0; k < 4; ++k) complete += list_folder(jail, "", FilterMode::content, {}, {}, limit).files.size() == 400;
            }));
    }
    CHECK(complete == 48);
    CHECK(most >= 1);
    CHECK(most <= std::min(limit, max_listing_threads));
    wait_for_threads();
}
