#pragma once
/// Long work on shared state, by one thread at a time, for which others wait no longer than they want to.

#include "imaging/base/cancel.hpp"
#include "platform/mutex.hpp"

#include <chrono>

namespace cubelink::imaging {

/// As a mutex, but waiting ends when the token is cancelled. Thread-safe.
class CUBELINK_CAPABILITY("turn") CancellableTurn {
public:
    /// Throws Cancelled within some 50 ms of it.
    void take(const CancelToken& cancel) CUBELINK_ACQUIRE() {
        platform::MutexLock lock(mutex_);
        while (taken_) {
            cancel.throw_if_cancelled();
            given_.wait_for(lock, std::chrono::milliseconds(50));
        }
        taken_ = true;
    }
    void give() CUBELINK_RELEASE() {
        {
            const platform::MutexLock lock(mutex_);
            taken_ = false;
        }
        given_.notify_one();
    }

private:
    platform::Mutex mutex_;
    platform::CondVar given_;
    bool taken_ CUBELINK_GUARDED_BY(mutex_) = false;
};

class CUBELINK_SCOPED_CAPABILITY TakenTurn {
public:
    TakenTurn(CancellableTurn& turn, const CancelToken& cancel) CUBELINK_ACQUIRE(turn) : turn_(turn) { turn_.take(cancel); }
    ~TakenTurn() CUBELINK_RELEASE() { turn_.give(); }
    TakenTurn(const TakenTurn&) = delete;
    TakenTurn& operator=(const TakenTurn&) = delete;

private:
    CancellableTurn& turn_;
};

} // namespace cubelink::imaging
