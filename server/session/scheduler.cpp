#include "server/session/scheduler.hpp"

#include "server/log.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace cubelink::server {

struct Scheduler::Impl {
    static constexpr std::size_t classes = 3;
    /// Every so many jobs a worker looks at the classes from the other end, so that bulk work goes on beside a user who never rests.
    static constexpr std::uint64_t turn_of_bulk = 8;

    struct Owner {
        std::array<std::deque<Job>, classes> waiting;
        bool bulk_running = false;
    };
    struct Running {
        OwnerId owner;
        std::uint64_t group;
        std::string key;
        imaging::CancelToken cancel;
        JobClass job_class;
    };

    mutable std::mutex mutex;
    std::condition_variable general_wake, reserved_wake;
    std::map<OwnerId, Owner> owners;
    std::array<std::deque<OwnerId>, classes> rings; // owners that have jobs of the class, the one whose turn it is in front
    std::list<Running> running;
    std::size_t bulk_running = 0, general_running = 0, general = 2;
    std::uint64_t picks = 0;
    Counters counters;
    bool stopping = false;
    int threads = 1;
    std::vector<std::thread> workers;

    /// Takes the next job of a class; false if there is none that may run.
    bool take(JobClass job_class, Job& job) {
        auto& ring = rings[static_cast<std::size_t>(job_class)];
        for (std::size_t i = 0; i < ring.size(); ++i) {
            const OwnerId id = ring[i];
            auto& owner = owners[id];
            if (job_class == JobClass::bulk && (owner.bulk_running || bulk_running + 1 >= general)) continue;
            auto& queue = owner.waiting[static_cast<std::size_t>(job_class)];
            job = std::move(queue.front());
            queue.pop_front();
            ring.erase(ring.begin() + static_cast<std::ptrdiff_t>(i));
            if (!queue.empty()) ring.push_back(id);
            --counters.waiting;
            if (job_class == JobClass::bulk) {
                owner.bulk_running = true;
                ++bulk_running;
            }
            forget_if_idle(id);
            return true;
        }
        return false;
    }

    bool take_any(bool reserved, Job& job) {
        if (reserved) return take(JobClass::interactive, job);
        if (++picks % turn_of_bulk == 0 && (take(JobClass::bulk, job) || take(JobClass::view, job))) return true;
        return take(JobClass::interactive, job) || take(JobClass::view, job) || take(JobClass::bulk, job);
    }

    void forget_if_idle(OwnerId id) {
        const auto it = owners.find(id);
        if (it == owners.end() || it->second.bulk_running) return;
        for (const auto& queue : it->second.waiting)
            if (!queue.empty()) return;
        owners.erase(it);
    }

    void work(bool reserved) {
        std::unique_lock lock(mutex);
        for (;;) {
            Job job;
            auto& wake = reserved ? reserved_wake : general_wake;
            wake.wait(lock, [&] { return stopping || take_any(reserved, job); });
            if (stopping && !job.work) return;
            const auto entry = running.insert(running.end(), {job.owner, job.group, job.key, job.cancel, job.job_class});
            if (!reserved) ++general_running;
            JobContext context{job.cancel, 1};
            if (job.job_class != JobClass::interactive)
                context.threads = std::max(1, threads / static_cast<int>(std::max<std::size_t>(1, general_running)));
            ++counters.running;
            lock.unlock();
            const bool was_bulk = job.job_class == JobClass::bulk;
            const OwnerId owner = job.owner;
            const int outcome = run(job, context);
            job = Job{}; // what it captured goes before it counts as done
            lock.lock();
            running.erase(entry);
            --counters.running;
            if (!reserved) --general_running;
            ++(outcome == 0 ? counters.done : outcome == 1 ? counters.cancelled : counters.failed);
            if (was_bulk) {
                --bulk_running;
                if (const auto it = owners.find(owner); it != owners.end()) it->second.bulk_running = false;
                forget_if_idle(owner);
                general_wake.notify_one();
            }
        }
    }

    static int run(Job& job, const JobContext& context) {
        if (context.cancel.cancelled()) return 1;
        try {
            job.work(context);
            return 0;
        } catch (const imaging::Cancelled&) {
            return 1;
        } catch (const std::exception& e) {
            report(job, e);
            return 2;
        } catch (...) {
            report(job, std::runtime_error("unknown error"));
            return 2;
        }
    }

    static void report(Job& job, const std::exception& e) {
        try {
            if (job.on_error) job.on_error(e);
            else log::warn("a job of session " + std::to_string(job.owner) + " failed: " + e.what());
        } catch (const std::exception& second) {
            log::error("while reporting \"" + std::string(e.what()) + "\": " + second.what());
        }
    }

    /// Cancels what fits; gives the dropped jobs to the caller, who lets go of them outside the lock.
    template <class Fits>
    std::vector<Job> cancel_if(OwnerId id, Fits&& fits) {
        std::vector<Job> dropped;
        for (auto& job : running)
            if (job.owner == id && fits(job.group, job.key)) job.cancel.cancel();
        const auto it = owners.find(id);
        if (it == owners.end()) return dropped;
        for (std::size_t c = 0; c < classes; ++c) {
            auto& queue = it->second.waiting[c];
            for (auto job = queue.begin(); job != queue.end();) {
                if (!fits(job->group, job->key)) {
                    ++job;
                    continue;
                }
                job->cancel.cancel();
                dropped.push_back(std::move(*job));
                job = queue.erase(job);
                --counters.waiting;
                ++counters.cancelled;
            }
            if (queue.empty()) std::erase(rings[c], id);
        }
        forget_if_idle(id);
        return dropped;
    }
};

Scheduler::Scheduler(int threads) : threads_(std::max(1, threads)), impl_(std::make_unique<Impl>()) {
    impl_->threads = threads_;
    impl_->general = static_cast<std::size_t>(std::max(2, threads_));
    impl_->workers.emplace_back([this] { impl_->work(true); });
    for (std::size_t i = 0; i < impl_->general; ++i) impl_->workers.emplace_back([this] { impl_->work(false); });
}

Scheduler::~Scheduler() { stop(); }

int Scheduler::general_workers() const { return static_cast<int>(impl_->general); }

void Scheduler::post(Job job) {
    std::vector<Job> dropped;
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->stopping) {
            job.cancel.cancel();
            dropped.push_back(std::move(job));
        } else {
            if (!job.key.empty())
                dropped = impl_->cancel_if(job.owner, [&](std::uint64_t, const std::string& key) { return key == job.key; });
            const auto c = static_cast<std::size_t>(job.job_class);
            const OwnerId id = job.owner;
            auto& queue = impl_->owners[id].waiting[c];
            if (queue.empty()) impl_->rings[c].push_back(id);
            queue.push_back(std::move(job));
            ++impl_->counters.waiting;
            if (c == 0) impl_->reserved_wake.notify_one();
            impl_->general_wake.notify_one();
        }
    }
}

void Scheduler::cancel_key(OwnerId owner, const std::string& key) {
    std::vector<Job> dropped;
    const std::lock_guard lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [&](std::uint64_t, const std::string& k) { return k == key; });
}

void Scheduler::cancel_group(OwnerId owner, std::uint64_t group) {
    std::vector<Job> dropped;
    const std::lock_guard lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [&](std::uint64_t g, const std::string&) { return g == group; });
}

void Scheduler::cancel_owner(OwnerId owner) {
    std::vector<Job> dropped;
    const std::lock_guard lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [](std::uint64_t, const std::string&) { return true; });
}

void Scheduler::stop() {
    std::vector<Job> dropped;
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
        for (auto& job : impl_->running) job.cancel.cancel();
        std::vector<OwnerId> ids;
        for (const auto& [id, owner] : impl_->owners) ids.push_back(id);
        for (const auto id : ids)
            for (auto& job : impl_->cancel_if(id, [](std::uint64_t, const std::string&) { return true; })) dropped.push_back(std::move(job));
    }
    impl_->general_wake.notify_all();
    impl_->reserved_wake.notify_all();
    for (auto& worker : impl_->workers)
        if (worker.joinable()) worker.join();
}

Scheduler::Counters Scheduler::counters() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->counters;
}

} // namespace cubelink::server
