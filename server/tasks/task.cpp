#include "server/tasks/task.hpp"

#include "server/net/log.hpp"

#include <atomic>
#include <chrono>
#include <utility>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto progress_interval = std::chrono::milliseconds(200);

/// Held by the task's job alone: when that is dropped without being run, the task ends as cancelled.
class Running {
public:
    Running(Task task, CommandQueue::Making making) : task_(std::move(task)), making_(std::move(making)) {}
    ~Running() {
        if (!ended_) end(std::make_exception_ptr(imaging::Cancelled()));
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    void run(const JobContext& job) {
        std::exception_ptr failure;
        try {
            task_.work({job.cancel, job.threads, [this](double done) { tell_progress(done); }});
            job.cancel.throw_if_cancelled();
        } catch (...) {
            failure = std::current_exception();
        }
        end(failure);
    }

private:
    void tell_progress(double done) {
        const auto now = Clock::now();
        if (now < next_progress_) return;
        next_progress_ = now + progress_interval;
        rpc::Map what{{"what", "progress"}, {"task", task_.name}};
        std::string key = "progress:" + task_.name;
        if (task_.file_id) {
            what["file_id"] = *task_.file_id;
            key += ":" + std::to_string(*task_.file_id);
        }
        what["progress"] = done;
        task_.session->changed(std::move(what), key);
    }

    void end(const std::exception_ptr& failure) noexcept {
        ended_ = true;
        try {
            finish(failure);
        } catch (const std::exception& e) { // out of memory
            log::error(task_.name + ": " + e.what());
        }
    }

    void finish(const std::exception_ptr& failure) {
        const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_).count();
        log::debug("session " + std::to_string(task_.session->id()) + ": " + task_.name + (task_.file_id ? " " + std::to_string(*task_.file_id) : "") +
                   (failure ? " ended after " : " took ") + std::to_string(milliseconds) + " ms" + (failure ? ": " + text_of(failure) : ""));
        Command command;
        command.call = task_.call;
        command.on_dropped = task_.on_session_closed;
        command.run = [end = std::move(task_.end), failure, cancel = making_.cancel, call = task_.call, tells_cancelled = task_.tells_cancelled] {
            // Closed after the work was done, but before this.
            const auto why = !failure && cancel.cancelled() ? std::make_exception_ptr(imaging::Cancelled()) : failure;
            if (call && call->cancelled() && !tells_cancelled && is_cancelled(why)) call->fail_cancelled();
            end(why);
        };
        task_.session->queue().finish(making_, std::move(command));
    }

    Task task_;
    const CommandQueue::Making making_;
    const Clock::time_point begun_ = Clock::now();
    Clock::time_point next_progress_ = begun_ + progress_interval;
    bool ended_ = false;
};

} // namespace

std::function<void()> canceller(const SessionPtr& session, std::vector<imaging::CancelToken> jobs) {
    return [weak = std::weak_ptr(session), jobs = std::move(jobs)] {
        for (const auto& job : jobs) job.cancel();
        if (const auto of = weak.lock()) of->scheduler().drop_cancelled(of->number());
    };
}

CommandQueue::Making start(Task task) {
    const auto making = task.session->queue().begin_making(task.makes);
    Job job;
    job.owner = task.session->number();
    job.job_class = task.job_class;
    job.group = making.number;
    job.cancel = making.cancel;
    if (task.call) task.call->on_cancel(canceller(task.session, {making.cancel}));
    auto& scheduler = task.session->scheduler();
    job.work = [running = std::make_shared<Running>(std::move(task), making)](const JobContext& context) { running->run(context); };
    scheduler.post(std::move(job));
    return making;
}

std::string text_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "unknown error";
    }
}

bool is_cancelled(const std::exception_ptr& failure) {
    try {
        if (failure) std::rethrow_exception(failure);
    } catch (const imaging::Cancelled&) {
        return true;
    } catch (...) {
    }
    return false;
}

void start(AnsweringJob task) {
    Job job;
    job.owner = task.session->number();
    job.job_class = task.job_class;
    job.group = task.group;
    job.cancel = imaging::CancelToken::below(task.cancel);
    task.call->on_cancel(task.stop ? std::move(task.stop) : canceller(task.session, {job.cancel}));
    if (!task.on_error) task.on_error = [call = task.call](const std::exception& error) {
        if (const auto* known = dynamic_cast<const rpc::CallError*>(&error)) call->fail(known->error());
        else call->fail_with_exception(error.what());
    };
    job.on_error = std::move(task.on_error);
    // Also when the job is dropped without being run. A call that has its answer takes no other.
    job.work = [work = std::move(task.work),
                last = std::shared_ptr<void>(nullptr, [cancelled = std::move(task.on_cancelled), cancel = job.cancel, call = task.call](void*) {
                    if (!cancel.cancelled()) return;
                    if (call->cancelled()) call->fail_cancelled();
                    else cancelled();
                })](const JobContext& context) { work(context); };
    task.session->scheduler().post(std::move(job));
}

} // namespace cubelink::server
