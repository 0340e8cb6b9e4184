#pragma once
/// The threads that compute, shared fairly between sessions. Thread-safe.
///
/// Jobs have a class: interactive ones (a command's check, a cursor profile) are taken first and always find a thread, because one is kept
/// for them; view jobs (tiles) come next; blocks (pixels for programs) run one at a time for a session; bulk jobs (a cube's histogram) too, and
/// never on all threads. Within a class the owners take turns, so that a session with a thousand jobs waits longer, and another does not.
///
/// Where all threads are held by jobs that take long, whatever their class, owners of whom nothing runs get overflow threads: how long one
/// waits does not depend on what others have asked for. The operating system then shares the processor.

#include "imaging/base/cancel.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

namespace cubelink::server {

/// Whose work it is: a session's number. 0: the server's own.
using OwnerId = std::uint64_t;

enum class JobClass { interactive, view, block, bulk };

/// What a running job may use.
struct JobContext {
    imaging::CancelToken cancel; // look at it at least every 100 ms
    int threads = 1;             // for parallel loops inside the job: its owner's share of the processor at this moment
};

struct Job {
    OwnerId owner = 0;
    JobClass job_class = JobClass::view;
    std::uint64_t group = 0; // what it belongs to (an open image), for cancel_group(); 0: nothing
    std::string key{};       // a newer job of the same owner with the same key cancels the older; "": none
    /// Not called at all if it is cancelled before it starts: what must happen anyway belongs into the destructor of something captured.
    std::function<void(const JobContext&)> work;
    /// What to do with an exception other than Cancelled. Empty: it is logged.
    std::function<void(const std::exception&)> on_error{};
    imaging::CancelToken cancel{};
};

class Scheduler {
public:
    /// `threads`: how many may compute at once (there are at least two workers, and one more for interactive jobs). `patience`: a job that has
    /// run for so long takes long.
    explicit Scheduler(int threads, std::chrono::milliseconds patience = std::chrono::milliseconds(100));
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    void post(Job job);

    /// Jobs that wait are dropped; running ones are told to stop.
    void cancel_key(OwnerId owner, const std::string& key);
    void cancel_group(OwnerId owner, std::uint64_t group);
    void cancel_owner(OwnerId owner);

    /// Cancels everything, waits for running jobs, takes no more. Called by the destructor too.
    void stop();

    int threads() const { return threads_; }
    struct Counters {
        std::size_t waiting = 0, running = 0;
        std::uint64_t done = 0, cancelled = 0, failed = 0;
    };
    Counters counters() const;

private:
    struct Impl;
    int threads_;
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
