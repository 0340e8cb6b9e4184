#pragma once
/// Jobs that wait, by class and owner, and how many of each run. Used by one thread at a time (the scheduler's lock).
///
/// Within a class owners take turns: an owner with a thousand jobs waits longer, and another does not. An owner's jobs of a class are taken in
/// the order in which they came.

#include "server/compute/job.hpp"

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <vector>

namespace cubelink::server {

class JobQueue {
public:
    /// How many jobs of an owner run, by class.
    using Running = std::array<std::size_t, job_classes>;

    void push(Job job);

    /// Takes the next job of a class, of the first owner in turn for whom `may_run` holds, and counts it as running. At most one block and one
    /// bulk job of an owner run at a time. False if there is none.
    bool take(JobClass job_class, const std::function<bool(OwnerId, const Running&)>& may_run, Job& job);
    /// Whether take() would find one.
    bool has(JobClass job_class, const std::function<bool(OwnerId, const Running&)>& may_run) const;
    /// A job that was taken has ended.
    void finished(OwnerId owner, JobClass job_class);

    /// Removes waiting jobs of an owner, cancels them and returns them: the caller destroys them where no lock is held.
    std::vector<Job> remove_if(OwnerId owner, const std::function<bool(const Job&)>& fits);
    /// The same for all jobs.
    std::vector<Job> remove_all();

    std::size_t waiting() const { return waiting_; }
    bool waiting(JobClass job_class) const { return !turns_[index(job_class)].empty(); }

private:
    struct Owner {
        std::array<std::deque<Job>, job_classes> waiting;
        Running running{};
    };
    static std::size_t index(JobClass job_class) { return static_cast<std::size_t>(job_class); }
    static bool may_start(JobClass job_class, const Running& running);
    void forget_if_idle(OwnerId id);

    std::map<OwnerId, Owner> owners_;                        // those with a job that waits or runs
    std::array<std::deque<OwnerId>, job_classes> turns_; // owners with waiting jobs of the class; the next one in front
    std::size_t waiting_ = 0;
};

} // namespace cubelink::server
