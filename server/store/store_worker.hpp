#pragma once
/// The thread that uses the store, so that no other thread waits for the disk.
///
/// Work of one lane (a user, a session) is done in the order in which it came. What meets another program's lock on the file is tried again
/// later, and the work of other lanes goes on meanwhile.

#include "platform/mutex.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace cubelink::server {

/// The lane of what a user asks for.
inline std::string lane_of_user(const std::string& user) { return "user " + user; }

class StoreWorker {
public:
    using Clock = std::chrono::steady_clock;
    /// Uses the store and answers. Run again from its beginning if it throws StoreBusy.
    using Work = std::function<void()>;
    /// Called with what the work has thrown, once it is not tried again.
    using Failed = std::function<void(const std::exception&)>;
    static constexpr Clock::duration usual_patience = std::chrono::seconds(10), endless = Clock::duration::max();

    StoreWorker();
    /// Finishes what was posted, and gives up half a second later what another program still keeps from being done.
    ~StoreWorker();
    StoreWorker(const StoreWorker&) = delete;
    StoreWorker& operator=(const StoreWorker&) = delete;

    /// Thread-safe. The work is tried for that long.
    void post(std::string lane, Work work, Failed failed, Clock::duration patience = usual_patience);

    std::size_t waiting() const;

private:
    struct Job {
        Work work;
        Failed failed;
        Clock::time_point give_up;
    };
    struct Lane {
        std::deque<Job> jobs;
        Clock::time_point not_before{};
    };
    using Lanes = std::map<std::string, Lane>;
    void run();
    Lanes::iterator next_lane(Clock::time_point now) CUBELINK_REQUIRES(mutex_);
    /// Runs it. Returns whether it is to be tried again.
    static bool try_again_after(Job& job, Clock::time_point last_call);

    mutable platform::Mutex mutex_;
    platform::CondVar ready_;
    Lanes lanes_ CUBELINK_GUARDED_BY(mutex_); // those with jobs
    std::deque<Lanes::iterator> turn_ CUBELINK_GUARDED_BY(mutex_); // all of them, the one that was served longest ago first
    bool stopping_ CUBELINK_GUARDED_BY(mutex_) = false;
    Clock::time_point last_call_ CUBELINK_GUARDED_BY(mutex_) = Clock::time_point::max(); // nothing is tried again after it
    std::thread thread_;
};

} // namespace cubelink::server
