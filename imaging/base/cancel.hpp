#pragma once
/// A flag that tells long work to stop. Copies share it; a token made below another one is cancelled with that, too. Thread-safe.

#include <atomic>
#include <exception>
#include <memory>
#include <utility>

namespace cubelink::imaging {

/// Thrown by work that has noticed that it is cancelled.
struct Cancelled : std::exception {
    const char* what() const noexcept override { return "cancelled"; }
};

class CancelToken {
public:
    CancelToken() : flag_(std::make_shared<Flag>(nullptr)) {}
    /// Cancelling it leaves `above` as it is.
    static CancelToken below(const CancelToken& above) { return CancelToken(std::make_shared<Flag>(above.flag_)); }
    void cancel() const { flag_->set.store(true, std::memory_order_relaxed); }
    bool cancelled() const {
        for (const Flag* flag = flag_.get(); flag; flag = flag->above.get())
            if (flag->set.load(std::memory_order_relaxed)) return true;
        return false;
    }
    void throw_if_cancelled() const {
        if (cancelled()) throw Cancelled();
    }

private:
    struct Flag {
        explicit Flag(std::shared_ptr<Flag> of) : above(std::move(of)) {}
        std::atomic<bool> set{false};
        const std::shared_ptr<Flag> above; // may be null
    };
    explicit CancelToken(std::shared_ptr<Flag> flag) : flag_(std::move(flag)) {}
    std::shared_ptr<Flag> flag_;
};

} // namespace cubelink::imaging
