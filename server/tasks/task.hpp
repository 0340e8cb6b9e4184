#pragma once
/// A task is long work that a client asked for and waits for: opening, resuming, listing. It runs as a job, reports progress, is stopped within
/// 100 ms when what it makes is closed, and ends in a command that changes objects and answers.

#include "imaging/base/thread_share.hpp"
#include "server/session/session.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::server {

struct TaskContext {
    imaging::CancelToken cancel;
    imaging::ThreadShare threads = 1; // the job's share, as it is at each moment
    /// 0 to 1. Sent as session.changed {"what": "progress", "task", "file_id", "progress"}, at most every 200 ms.
    std::function<void(double)> progress;
};

struct Task {
    SessionPtr session;
    std::string name;                    // "open_file": in progress messages and in the log
    std::optional<std::int32_t> file_id; // named by progress messages
    Touches makes;                       // commands that touch these wait until the task has ended
    JobClass job_class = JobClass::view;
    rpc::CallPtr call; // whose answer `end` gives; may be null
    /// The long part, in a job.
    std::function<void(const TaskContext&)> work;
    /// By a command, once: `failure` is null, or what `work` has thrown; Cancelled if what it makes was closed meanwhile.
    std::function<void(std::exception_ptr failure)> end;
    /// Instead of `end` if the session was closed; from any thread.
    std::function<void()> on_session_closed;
    /// `end` says in its own words that the call was cancelled. Otherwise the call fails as cancelled, and `end` only cleans up.
    bool tells_cancelled = false;
};

/// By a command of the task's session. Returns its number, which is the group of its job, and the token that cancels it.
CommandQueue::Making start(Task task);

/// For rpc::Call::on_cancel: cancels jobs of the session, and drops those that wait.
std::function<void()> canceller(const SessionPtr& session, std::vector<imaging::CancelToken> jobs);

/// What an exception says, for users: "cancelled" for Cancelled.
std::string text_of(const std::exception_ptr& failure);
bool is_cancelled(const std::exception_ptr& failure);

/// Long work for one caller that changes no object: `work` answers the call from a job.
struct AnsweringJob {
    SessionPtr session;
    rpc::CallPtr call;
    JobClass job_class = JobClass::view;
    std::uint64_t group = 0; // as Job::group
    imaging::CancelToken cancel{};
    std::function<void(const JobContext&)> work;
    /// Answers the call, which `work` has not done, because the job was cancelled or dropped.
    std::function<void()> on_cancelled;
    /// Empty: the call fails with the exception's text.
    std::function<void(const std::exception&)> on_error{};
    /// What ends the work if the call is cancelled: `work` then answers. Empty: the job is cancelled, and the call fails.
    std::function<void()> stop{};
};
void start(AnsweringJob job);

} // namespace cubelink::server
