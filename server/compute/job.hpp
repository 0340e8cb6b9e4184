#pragma once
/// A piece of work for the scheduler, and what it may use while it runs. Plain data.

#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>

namespace cubelink::server {

/// Whose work it is: a session's number. 0: the server's own.
using OwnerId = std::uint64_t;

/// interactive: known to be over within milliseconds, and never to wait for a disk. view: what a user waits for. block: pixels for
/// programs, one job at a time for an owner. bulk: takes minutes, one job at a time for an owner.
enum class JobClass { interactive, view, block, bulk };
inline constexpr std::size_t job_classes = 4;

struct JobContext {
    imaging::CancelToken cancel; // look at it at least every 100 ms
    /// For parallel loops inside the job: its share of the processor. It changes while the job runs, as other jobs begin and end.
    imaging::ThreadShare threads = 1;
};

struct Job {
    OwnerId owner = 0;
    JobClass job_class = JobClass::view;
    std::uint64_t group = 0; // what it belongs to (an open image), for cancel_group(); 0: nothing
    std::string key{};       // a newer job of the same owner with the same key cancels the older; "": none
    /// Not called at all if the job is cancelled before it starts: what must happen anyway belongs into the destructor of something captured.
    std::function<void(const JobContext&)> work;
    /// What to do with an exception other than Cancelled. Empty: it is logged.
    std::function<void(const std::exception&)> on_error{};
    imaging::CancelToken cancel{};
};

} // namespace cubelink::server
