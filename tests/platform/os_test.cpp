#include "platform/os.hpp"
#include "tests/support/faulty_os.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <string>
#include <thread>
#include <unistd.h>

using namespace cubelink::platform;
using cubelink::test::Call;
using cubelink::test::FaultyOs;
using cubelink::test::TemporaryFolder;

namespace {

std::size_t entries(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

} // namespace

TEST_CASE("the plain one is the system's") {
    TemporaryFolder folder;
    const auto path = folder.path("file").string();
    const int file = os().open(path.c_str(), O_CREAT | O_RDWR, 0600);
    REQUIRE(file >= 0);
    CHECK((::fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(os().pwrite(file, "content", 7, 3) == 7);
    char read[8] = {};
    CHECK(os().pread(file, read, 7, 3) == 7);
    CHECK(std::string(read) == "content");
    struct stat status;
    CHECK(os().stat(path.c_str(), &status) == 0);
    CHECK(status.st_size == 10);
    CHECK(os().openat(AT_FDCWD, folder.path("missing").c_str(), O_RDONLY) == -1);
    CHECK(errno == ENOENT);
    CHECK(os().close(file) == 0);
    const auto earlier = os().steady_now();
    CHECK((earlier <= os().steady_now()));
}

TEST_CASE("a thread's time is the time that it works") {
    const auto begin = os().thread_cpu_time();
    const auto begun = os().steady_now();
    while (os().thread_cpu_time() - begin < std::chrono::milliseconds(20)) {}
    CHECK(os().steady_now() - begun >= std::chrono::milliseconds(19)); // the two clocks tick apart
    const auto asleep = os().thread_cpu_time();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(os().thread_cpu_time() - asleep < std::chrono::milliseconds(200));
}

TEST_CASE("scratch files have no name") {
    TemporaryFolder folder;
    SUBCASE("by O_TMPFILE") {
        const int file = os().open_scratch(folder.text().c_str());
        REQUIRE(file >= 0);
        CHECK(entries(folder.path()) == 0);
        CHECK(os().pwrite(file, "x", 1, 0) == 1);
        os().close(file);
    }
    SUBCASE("where the file system has no O_TMPFILE") {
        FaultyOs faults;
        faults.no_unnamed_files();
        const int file = os().open_scratch(folder.text().c_str());
        REQUIRE(file >= 0);
        CHECK(entries(folder.path()) == 0);
        CHECK(os().pwrite(file, "x", 1, 0) == 1);
        os().close(file);
    }
    SUBCASE("in a folder that isn't there") {
        CHECK(os().open_scratch(folder.path("missing").c_str()) == -1);
        CHECK(errno == ENOENT);
    }
}

TEST_CASE("an interrupted call is made again") {
    struct sigaction action {}, former {};
    static std::atomic<int> signals{0};
    action.sa_handler = [](int) { signals.fetch_add(1); }; // without SA_RESTART
    REQUIRE(::sigaction(SIGUSR1, &action, &former) == 0);
    TemporaryFolder folder;
    const auto fifo = folder.path("fifo").string();
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    // Opening a FIFO waits for its other end: a call that a signal is sure to find in progress.
    std::atomic<int> opened{-2};
    JoiningThread reader(os().start_thread([&] { opened = os().open(fifo.c_str(), O_RDONLY); }));
    // ThreadSanitizer runs the handler only when the call has returned, so it is not counted on.
    for (int i = 0; i < 2000 && signals < 20; ++i) {
        ::pthread_kill(reader.native_handle(), SIGUSR1);
        ::usleep(1000);
    }
    CHECK(opened == -2);
    const int writer = os().open(fifo.c_str(), O_WRONLY);
    reader.join();
    CHECK(opened >= 0);
    CHECK(signals > 0);
    os().close(opened);
    os().close(writer);
    ::sigaction(SIGUSR1, &former, nullptr);
}

TEST_CASE("faults come when they are asked for, and end") {
    TemporaryFolder folder;
    const auto path = folder.write("file", "0123456789").string();
    char read[16];
    {
        FaultyOs faults;
        const int file = os().open(path.c_str(), O_RDWR);
        REQUIRE(file >= 0);
        faults.fail(Call::read, 2, EIO);
        CHECK(os().pread(file, read, 4, 0) == 4);
        CHECK(os().pread(file, read, 4, 0) == -1);
        CHECK(errno == EIO);
        CHECK(os().pread(file, read, 4, 0) == 4);
        faults.short_reads(3);
        CHECK(os().pread(file, read, 10, 0) == 3);
        faults.full_after(5);
        CHECK(os().pwrite(file, "abcd", 4, 10) == 4);
        CHECK(os().pwrite(file, "abcd", 4, 14) == 1);
        CHECK(os().pwrite(file, "abcd", 4, 15) == -1);
        CHECK(errno == ENOSPC);
        faults.heal();
        CHECK(os().pwrite(file, "abcd", 4, 15) == 4);

        faults.refuse_threads(1);
        std::atomic<int> ran{0};
        JoiningThread(os().start_thread([&] { ++ran; })).join();
        CHECK_THROWS_AS(os().start_thread([&] { ++ran; }), std::system_error);
        CHECK_THROWS_AS(os().start_thread([&] { ++ran; }), std::system_error);
        CHECK(ran == 1);

        const auto before = os().steady_now();
        faults.advance(std::chrono::hours(1));
        CHECK(os().steady_now() - before >= std::chrono::hours(1));

        faults.fail_any(2, EIO);
        struct stat status;
        CHECK(os().fstat(file, &status) == 0);
        CHECK(os().fsync(file) == -1);
        CHECK(os().fsync(file) == 0);
        CHECK(faults.count() == 3);
        os().close(file);
    }
    CHECK_NOTHROW(JoiningThread(os().start_thread([] {})).join());
}
