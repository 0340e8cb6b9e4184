#pragma once
/// std::mutex, std::unique_lock and std::condition_variable with the attributes that clang's -Wthread-safety checks
/// (platform/thread_annotations.hpp). They cost nothing beyond what they wrap.

#include "platform/thread_annotations.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace cubelink::platform {

class CUBELINK_CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() CUBELINK_ACQUIRE() { mutex_.lock(); }
    void unlock() CUBELINK_RELEASE() { mutex_.unlock(); }
    bool try_lock() CUBELINK_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
    /// For the analysis alone, where it can't know that the mutex is locked (a callback that is called with the lock held).
    void assert_locked() const CUBELINK_ASSERT_CAPABILITY(this) {}

private:
    friend class MutexLock;
    std::mutex mutex_;
};

/// Keeps a mutex locked until its end. It can be unlocked earlier, and locked again. Used by one thread.
class CUBELINK_SCOPED_CAPABILITY MutexLock {
public:
    explicit MutexLock(Mutex& mutex) CUBELINK_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
    /// The caller has locked it already (Mutex::try_lock).
    MutexLock(Mutex& mutex, std::adopt_lock_t adopt) CUBELINK_REQUIRES(mutex) : lock_(mutex.mutex_, adopt) {}
    ~MutexLock() CUBELINK_RELEASE() {}
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;

    void lock() CUBELINK_ACQUIRE() { lock_.lock(); }
    void unlock() CUBELINK_RELEASE() { lock_.unlock(); }

private:
    friend class CondVar;
    std::unique_lock<std::mutex> lock_;
};

/// All waits take a lock that is held, and hold it again when they return. A predicate that uses guarded variables says so:
/// `[this]() CUBELINK_REQUIRES(mutex_) { return ready_; }`.
class CondVar {
public:
    void notify_one() noexcept { condition_.notify_one(); }
    void notify_all() noexcept { condition_.notify_all(); }

    void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
    template <class Predicate>
    void wait(MutexLock& lock, Predicate predicate) {
        condition_.wait(lock.lock_, std::move(predicate));
    }
    template <class Rep, class Period>
    std::cv_status wait_for(MutexLock& lock, const std::chrono::duration<Rep, Period>& time) {
        return condition_.wait_for(lock.lock_, time);
    }
    /// What the predicate says at the end.
    template <class Rep, class Period, class Predicate>
    bool wait_for(MutexLock& lock, const std::chrono::duration<Rep, Period>& time, Predicate predicate) {
        return condition_.wait_for(lock.lock_, time, std::move(predicate));
    }
    template <class Clock, class Duration>
    std::cv_status wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& time) {
        return condition_.wait_until(lock.lock_, time);
    }
    template <class Clock, class Duration, class Predicate>
    bool wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& time, Predicate predicate) {
        return condition_.wait_until(lock.lock_, time, std::move(predicate));
    }

private:
    std::condition_variable condition_;
};

} // namespace cubelink::platform
