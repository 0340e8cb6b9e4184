#pragma once
/// The threads that compute, shared fairly between sessions. Thread-safe.
///
/// General threads, as many as may compute at once, take jobs of all classes: interactive ones first, then view, block and bulk; within a class the
/// owners take turns. Bulk jobs never hold all of them. One thread more, the lane, takes interactive jobs alone, so that these find a thread
/// whatever else runs.
///
/// Jobs that take long don't delay other owners' jobs:
///  - If all general threads have been held for longer than Timing::patience, an owner of whom nothing runs but such jobs gets an overflow
///    thread.
///  - If the lane is held by a job for longer than Timing::lane_patience, an overflow thread takes over the lane's work. Until that job ends, further
///    interactive jobs of its owner run on general and overflow threads only.
/// The operating system then shares the processor. Overflow threads are bounded, and the last of them are kept for the classes that are more urgent.
///
/// Threads are started as they are needed: one that can't be started costs speed, and is tried again later. One thread is enough to run all
/// jobs, though not at once.

#include "server/compute/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace cubelink::server {

class Scheduler {
public:
    struct Timing {
        std::chrono::milliseconds patience{100};   // a job that has run for so long takes long
        std::chrono::milliseconds lane_patience{5}; // the same for an interactive job on the lane
        std::chrono::milliseconds linger{1000};    // how long an overflow thread waits for another job before it ends
    };

    /// `threads`: how many may compute at once, helpers of parallel loops included (it sets their upper bound, which is the process's). At
    /// most max_threads(threads) threads are started, and threads − 1 helpers. Throws std::runtime_error if not even one can be started.
    explicit Scheduler(int threads) : Scheduler(threads, Timing{}) {}
    Scheduler(int threads, Timing timing);
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    void post(Job job);

    /// Waiting jobs are dropped; running ones are asked to stop.
    void cancel_key(OwnerId owner, const std::string& key);
    void cancel_group(OwnerId owner, std::uint64_t group);
    void cancel_owner(OwnerId owner);
    /// Waiting jobs whose tokens have been cancelled are dropped now, and not at their turn.
    void drop_cancelled(OwnerId owner);

    /// Cancels everything, waits for running jobs, takes no more. Called by the destructor too.
    void stop();

    int threads() const { return threads_; }
    static std::size_t max_threads(int threads);

    struct Counters {
        std::size_t waiting = 0, running = 0;
        std::uint64_t done = 0, cancelled = 0, failed = 0;
        std::size_t general_threads = 0, overflow_threads = 0;
    };
    Counters counters() const;

private:
    struct Impl;
    int threads_;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
