#pragma once
/// A thread that does one thing after another: what takes its time and must not hold up the network.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace cubelink::server {

class SerialWorker {
public:
    SerialWorker() : thread_([this] { run(); }) {}
    /// Finishes what was posted.
    ~SerialWorker() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        ready_.notify_all();
        thread_.join();
    }
    SerialWorker(const SerialWorker&) = delete;
    SerialWorker& operator=(const SerialWorker&) = delete;

    /// Thread-safe. `work` must not throw.
    void post(std::function<void()> work) {
        {
            std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(work));
        }
        ready_.notify_one();
    }

    std::size_t waiting() const {
        std::lock_guard lock(mutex_);
        return waiting_.size();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            ready_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            auto work = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            work();
            work = nullptr; // what it holds is released outside of the lock
            lock.lock();
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> waiting_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace cubelink::server
