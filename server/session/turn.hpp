#pragma once
/// Which of several jobs speaks of the newest state. Jobs run side by side: whoever was told to stop may be past its last look at the
/// token, and what it does would then follow what is newer. Thread-safe.

#include <cstdint>
#include <mutex>

namespace cubelink::server {

class Turn {
public:
    struct Next {
        std::uint64_t number = 0;
        bool skipped = false; // the turn before has not acted, and will not any more
    };

    /// A newer state: nobody acts for earlier ones any more.
    Next next() {
        const std::lock_guard lock(mutex_);
        const bool skipped = acted_ != turn_;
        return {++turn_, skipped};
    }
    std::uint64_t current() const {
        const std::lock_guard lock(mutex_);
        return turn_;
    }
    /// Calls `act` unless a newer turn has come; none comes meanwhile.
    template <class Act>
    void if_current(std::uint64_t turn, Act&& act) const {
        const std::lock_guard lock(mutex_);
        if (turn != turn_) return;
        acted_ = turn;
        act();
    }

private:
    mutable std::mutex mutex_;
    std::uint64_t turn_ = 0;
    mutable std::uint64_t acted_ = 0; // the last turn that did
};

} // namespace cubelink::server
