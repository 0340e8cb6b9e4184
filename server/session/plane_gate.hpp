#pragma once
/// What a plane's tiles wait for: its histogram, statistics and cursor profiles, which a client wants to have before it. Thread-safe.

#include <functional>
#include <mutex>
#include <vector>

namespace cubelink::server {

class PlaneGate {
public:
    bool open() const {
        const std::lock_guard lock(mutex_);
        return open_;
    }
    /// Opens it for good and calls those who wait, on this thread.
    void open_now() {
        std::vector<std::function<void()>> waiting;
        {
            const std::lock_guard lock(mutex_);
            open_ = true;
            waiting.swap(waiting_);
        }
        for (auto& call : waiting) call();
    }
    /// Calls back when it is open: at once if it is.
    void when_open(std::function<void()> call) {
        {
            const std::lock_guard lock(mutex_);
            if (!open_) {
                waiting_.push_back(std::move(call));
                return;
            }
        }
        call();
    }

private:
    mutable std::mutex mutex_;
    bool open_ = false;
    std::vector<std::function<void()>> waiting_;
};

struct PlaneGates {
    PlaneGate pyramid; // made, or given up: tiles can be cut from it without many of them waiting for it
    PlaneGate data;    // histogram, statistics and profiles have been sent, or given up
};

} // namespace cubelink::server
