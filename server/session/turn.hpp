#pragma once
/// Which of several jobs speaks of the newest state. Jobs run side by side: whoever was told to stop may be past its last look at the
/// token, and what it sends would then follow what is newer. Thread-safe.

#include <cstdint>
#include <mutex>
#include <utility>

namespace cubelink::server {

class Turn {
public:
    /// A newer state: what belongs to earlier ones is not sent any more. Returns its number.
    std::uint64_t next() {
        const std::lock_guard lock(mutex_);
        return ++turn_;
    }
    std::uint64_t current() const {
        const std::lock_guard lock(mutex_);
        return turn_;
    }
    /// Calls `act` unless a newer turn has come; none comes meanwhile.
    template <class Act>
    void if_current(std::uint64_t turn, Act&& act) const {
        const std::lock_guard lock(mutex_);
        if (turn == turn_) act();
    }

private:
    mutable std::mutex mutex_;
    std::uint64_t turn_ = 0;
};

/// Spectra follow the spatial profiles of the same cursor; those of an earlier one must not, however late its job is.
class CursorTurn {
public:
    /// A newer cursor, or other requirements. True if the spectra of the last turn have not been asked for yet.
    bool next() {
        const std::lock_guard lock(mutex_);
        ++turn_;
        return std::exchange(pending_, true);
    }
    std::uint64_t current() const {
        const std::lock_guard lock(mutex_);
        return turn_;
    }
    /// Calls `post` unless a newer turn has come.
    template <class Post>
    void if_current(std::uint64_t turn, Post&& post) {
        const std::lock_guard lock(mutex_);
        if (turn != turn_) return;
        pending_ = false;
        post();
    }

private:
    mutable std::mutex mutex_;
    std::uint64_t turn_ = 0;
    bool pending_ = false;
};

} // namespace cubelink::server
