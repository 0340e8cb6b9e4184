#pragma once
/// A flag that tells long work to stop. Copies share it; thread-safe.

#include <atomic>
#include <exception>
#include <memory>

namespace cubelink::imaging {

/// Thrown by work that has noticed that it is cancelled.
struct Cancelled : std::exception {
    const char* what() const noexcept override { return "cancelled"; }
};

class CancelToken {
public:
    CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
    void cancel() const { flag_->store(true, std::memory_order_relaxed); }
    bool cancelled() const { return flag_->load(std::memory_order_relaxed); }
    void throw_if_cancelled() const {
        if (cancelled()) throw Cancelled();
    }

private:
    std::shared_ptr<std::atomic<bool>> flag_;
};

} // namespace cubelink::imaging
