#pragma once
/// A thread that does one thing after another: what takes its time and must not hold up the network.

#include "platform/mutex.hpp"
#include "platform/os.hpp"
#include "server/net/log.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

namespace cubelink::server {

class SerialWorker {
public:
    SerialWorker() : thread_(platform::os().start_thread([this] { run(); })) {}
    /// Finishes what was posted.
    ~SerialWorker() {
        {
            const platform::MutexLock lock(mutex_);
            stopping_ = true;
        }
        ready_.notify_all();
        thread_.join();
    }
    SerialWorker(const SerialWorker&) = delete;
    SerialWorker& operator=(const SerialWorker&) = delete;

    /// Thread-safe. What `work` throws is logged.
    void post(std::function<void()> work) {
        {
            const platform::MutexLock lock(mutex_);
            waiting_.push_back(std::move(work));
        }
        ready_.notify_one();
    }

    std::size_t waiting() const {
        const platform::MutexLock lock(mutex_);
        return waiting_.size();
    }

private:
    void run() {
        platform::MutexLock lock(mutex_);
        for (;;) {
            while (!stopping_ && waiting_.empty()) ready_.wait(lock);
            if (waiting_.empty()) return;
            auto work = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            try {
                work();
            } catch (const std::exception& error) {
                log::error(std::string("background work failed: ") + error.what());
            }
            work = nullptr; // what it holds is released without the lock
            lock.lock();
        }
    }

    mutable platform::Mutex mutex_;
    platform::CondVar ready_;
    std::deque<std::function<void()>> waiting_ CUBELINK_GUARDED_BY(mutex_);
    bool stopping_ CUBELINK_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

} // namespace cubelink::server
