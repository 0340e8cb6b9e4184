#include "server/compute/job_queue.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

bool JobQueue::may_start(JobClass job_class, const Running& running) {
    return (job_class != JobClass::block && job_class != JobClass::bulk) || running[index(job_class)] == 0;
}

void JobQueue::push(Job job) {
    const auto c = index(job.job_class);
    const OwnerId id = job.owner;
    auto& queue = owners_[id].waiting[c];
    queue.push_back(std::move(job));
    if (queue.size() == 1) turns_[c].push_back(id);
    ++waiting_;
}

bool JobQueue::take(JobClass job_class, const std::function<bool(OwnerId, const Running&)>& may_run, Job& job) {
    const auto c = index(job_class);
    auto& turns = turns_[c];
    for (auto turn = turns.begin(); turn != turns.end(); ++turn) {
        const OwnerId id = *turn;
        auto& owner = owners_[id];
        if (!may_start(job_class, owner.running) || !may_run(id, owner.running)) continue;
        auto& queue = owner.waiting[c];
        job = std::move(queue.front());
        queue.pop_front();
        std::rotate(turn, turn + 1, turns.end()); // allocates nothing: this is called where nothing may be thrown
        if (queue.empty()) turns.pop_back();
        --waiting_;
        ++owner.running[c];
        return true;
    }
    return false;
}

bool JobQueue::has(JobClass job_class, const std::function<bool(OwnerId, const Running&)>& may_run) const {
    const auto& turns = turns_[index(job_class)];
    return std::any_of(turns.begin(), turns.end(), [&](OwnerId id) {
        const auto& running = owners_.at(id).running;
        return may_start(job_class, running) && may_run(id, running);
    });
}

void JobQueue::finished(OwnerId owner, JobClass job_class) {
    --owners_[owner].running[index(job_class)];
    forget_if_idle(owner);
}

std::vector<Job> JobQueue::remove_if(OwnerId id, const std::function<bool(const Job&)>& fits) {
    std::vector<Job> removed;
    const auto found = owners_.find(id);
    if (found == owners_.end()) return removed;
    for (std::size_t c = 0; c < job_classes; ++c) {
        auto& queue = found->second.waiting[c];
        if (queue.empty()) continue;
        const auto rest = std::stable_partition(queue.begin(), queue.end(), [&](const Job& job) { return !fits(job); });
        for (auto job = rest; job != queue.end(); ++job) {
            job->cancel.cancel();
            removed.push_back(std::move(*job));
            --waiting_;
        }
        queue.erase(rest, queue.end());
        if (queue.empty()) std::erase(turns_[c], id);
    }
    forget_if_idle(id);
    return removed;
}

std::vector<Job> JobQueue::remove_all() {
    std::vector<OwnerId> ids;
    for (const auto& [id, owner] : owners_) ids.push_back(id);
    std::vector<Job> removed;
    for (const OwnerId id : ids)
        for (auto& job : remove_if(id, [](const Job&) { return true; })) removed.push_back(std::move(job));
    return removed;
}

void JobQueue::forget_if_idle(OwnerId id) {
    const auto found = owners_.find(id);
    if (found == owners_.end()) return;
    const auto& owner = found->second;
    for (std::size_t c = 0; c < job_classes; ++c)
        if (owner.running[c] > 0 || !owner.waiting[c].empty()) return;
    owners_.erase(found);
}

} // namespace cubelink::server
