#include "platform/mutex.hpp"

#include <doctest/doctest.h>
#include <thread>
#include <vector>

using namespace cubelink::platform;

namespace {

class Counter {
public:
    void add(int n) CUBELINK_EXCLUDES(mutex_) {
        const MutexLock lock(mutex_);
        count_ += n;
        changed_.notify_all();
    }
    int wait_for(int n) CUBELINK_EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        changed_.wait(lock, [this, n]() CUBELINK_REQUIRES(mutex_) { return count_ >= n; });
        return count_;
    }
    bool reaches(int n, std::chrono::milliseconds limit) CUBELINK_EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        const auto end = std::chrono::steady_clock::now() + limit;
        const bool by_duration = changed_.wait_for(lock, limit, [this, n]() CUBELINK_REQUIRES(mutex_) { return count_ >= n; });
        return changed_.wait_until(lock, end, [this, n]() CUBELINK_REQUIRES(mutex_) { return count_ >= n; }) && by_duration;
    }
    int try_read() CUBELINK_EXCLUDES(mutex_) {
        if (!mutex_.try_lock()) return -1;
        const MutexLock lock(mutex_, std::adopt_lock);
        return count_;
    }
    /// Reads twice, with the mutex free in between, where `meanwhile` runs.
    template <class F>
    std::pair<int, int> around(F meanwhile) CUBELINK_EXCLUDES(mutex_) {
        MutexLock lock(mutex_);
        const int before = count_;
        lock.unlock();
        meanwhile();
        lock.lock();
        return {before, count_};
    }

private:
    Mutex mutex_;
    CondVar changed_;
    int count_ CUBELINK_GUARDED_BY(mutex_) = 0;
};

} // namespace

TEST_CASE("a mutex excludes, and its condition wakes") {
    Counter counter;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int k = 0; k < 5000; ++k) counter.add(1);
        });
    CHECK(counter.wait_for(20000) == 20000);
    for (auto& thread : threads) thread.join();
    CHECK(counter.reaches(20000, std::chrono::milliseconds(0)));
    CHECK_FALSE(counter.reaches(20001, std::chrono::milliseconds(1)));
    CHECK(counter.try_read() == 20000);
}

TEST_CASE("a lock can be given up for a while") {
    Counter counter;
    const auto [before, after] = counter.around([&] { counter.add(7); });
    CHECK(before == 0);
    CHECK(after == 7);
    const auto [third, fourth] = counter.around([&] { CHECK(counter.try_read() == 7); });
    CHECK(third == fourth);
}
