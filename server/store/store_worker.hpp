#pragma once
/// The thread that asks the store, so that nobody else waits for the disk.
///
/// Work of one lane (a user, a session) is done in the order in which it came. What meets another program's lock on the file is put off
/// and tried again, while the work of other lanes goes on: only who asked for it waits.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace cubelink::server {

/// The lane of what a user asks for.
inline std::string lane_of_user(const std::string& user) { return "user " + user; }

class StoreWorker {
public:
    using Clock = std::chrono::steady_clock;
    /// Asks the store and says what came of it. Run again from its beginning if it throws StoreBusy.
    using Work = std::function<void()>;
    /// Told what the work has thrown, once it is not tried again. Must not throw.
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
    Lanes::iterator next_lane(Clock::time_point now);
    /// Whether it is to be tried again.
    static bool try_again_after(Job& job, Clock::time_point last_call);

    mutable std::mutex mutex_;
    std::condition_variable ready_;
    Lanes lanes_; // those with jobs
    std::deque<Lanes::iterator> turn_; // all of them, the one that was served longest ago first
    bool stopping_ = false;
    Clock::time_point last_call_ = Clock::time_point::max(); // nothing is tried again after it
    std::thread thread_;
};

} // namespace cubelink::server
