#include "server/compute/scheduler.hpp"

#include "server/net/log.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cubelink::server {

struct Scheduler::Impl {
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t classes = 4;
    /// Overflow threads, for those who wait behind jobs that take long.
    static constexpr std::size_t max_overflow_threads = 64;
    /// How long such a thread waits for another job before it ends.
    static constexpr auto linger = std::chrono::seconds(1);
    /// Every so many jobs a worker looks at the classes from the other end, so that bulk work goes on beside a user who never rests.
    static constexpr std::uint64_t turn_of_bulk = 8;

    struct Owner {
        std::array<std::deque<Job>, classes> waiting;
        std::array<std::size_t, classes> running{};
        bool idle() const {
            for (std::size_t c = 0; c < classes; ++c)
                if (running[c] > 0 || !waiting[c].empty()) return false;
            return true;
        }
        bool nothing_runs() const {
            return std::all_of(running.begin(), running.end(), [](std::size_t n) { return n == 0; });
        }
    };
    struct Running {
        OwnerId owner;
        std::uint64_t group;
        std::string key;
        imaging::CancelToken cancel;
        bool by_general;
        Clock::time_point begun;
        bool shares; // takes a part of the processor for as long as it runs; interactive jobs are over too soon for that
    };

    mutable std::mutex mutex;
    std::condition_variable general_wake, reserved_wake, overflow_wake, watcher_wake;
    std::map<OwnerId, Owner> owners;
    std::array<std::deque<OwnerId>, classes> rings; // owners that have jobs of the class, the one whose turn it is in front
    std::list<Running> running;
    std::size_t bulk_running = 0, general_running = 0, general = 2;
    std::uint64_t picks = 0;
    Counters counters;
    bool stopping = false;
    int threads = 1;
    std::chrono::milliseconds patience{100};
    std::vector<std::thread> workers;
    std::thread watcher;
    struct OverflowThread {
        std::thread thread;
        bool ended = false;
    };
    std::list<OverflowThread> overflow_threads;
    bool look_wanted = false; // something was posted that may have to wait

    enum class Worker { general, reserved, overflow };

    /// Takes the next job of a class; false if there is none that may run.
    bool take(JobClass job_class, Worker worker, Job& job) {
        const auto c = static_cast<std::size_t>(job_class);
        const bool one_at_a_time = job_class == JobClass::block || job_class == JobClass::bulk;
        if (job_class == JobClass::bulk && worker == Worker::general && bulk_running + 1 >= general) return false;
        auto& ring = rings[c];
        for (std::size_t i = 0; i < ring.size(); ++i) {
            const OwnerId id = ring[i];
            auto& owner = owners[id];
            if (one_at_a_time && owner.running[c] > 0) continue;
            if (worker == Worker::overflow && !owner.nothing_runs()) continue;
            auto& queue = owner.waiting[c];
            job = std::move(queue.front());
            queue.pop_front();
            ring.erase(ring.begin() + static_cast<std::ptrdiff_t>(i));
            if (!queue.empty()) ring.push_back(id);
            --counters.waiting;
            ++owner.running[c];
            return true;
        }
        return false;
    }

    bool take_any(Worker worker, Job& job) {
        using enum JobClass;
        if (worker == Worker::reserved) return take(interactive, worker, job);
        if (worker == Worker::general && ++picks % turn_of_bulk == 0 && (take(bulk, worker, job) || take(block, worker, job) || take(view, worker, job)))
            return true;
        return take(interactive, worker, job) || take(view, worker, job) || take(block, worker, job) || take(bulk, worker, job);
    }

    void forget_if_idle(OwnerId id) {
        if (const auto it = owners.find(id); it != owners.end() && it->second.idle()) owners.erase(it);
    }

    void work(Worker worker) {
        std::unique_lock lock(mutex);
        for (;;) {
            Job job;
            auto& wake = worker == Worker::reserved ? reserved_wake : general_wake;
            wake.wait(lock, [&] { return stopping || take_any(worker, job); });
            if (stopping && !job.work) return;
            execute(std::move(job), worker, lock);
        }
    }

    /// The threads that are an owner's, of whom something runs. Shared by owners, not by jobs: a job that follows from another of the same
    /// owner, which is about to end, would go on with half of them to its own end.
    int share() const {
        std::vector<OwnerId> sharing;
        for (const auto& one : running)
            if (one.shares && std::find(sharing.begin(), sharing.end(), one.owner) == sharing.end()) sharing.push_back(one.owner);
        return std::max(1, threads / static_cast<int>(std::max<std::size_t>(1, sharing.size())));
    }

    /// Runs a job that was taken. The lock is released meanwhile.
    void execute(Job&& taken, Worker worker, std::unique_lock<std::mutex>& lock) {
        Job job = std::move(taken);
        const bool by_general = worker == Worker::general;
        const bool counted_bulk = by_general && job.job_class == JobClass::bulk;
        const bool shares = by_general && job.job_class != JobClass::interactive;
        const auto entry = running.insert(running.end(), {job.owner, job.group, job.key, job.cancel, by_general, Clock::now(), shares});
        if (by_general) ++general_running;
        if (counted_bulk) ++bulk_running;
        const JobContext context{job.cancel, shares ? share() : 1};
        ++counters.running;
        lock.unlock();
        const auto c = static_cast<std::size_t>(job.job_class);
        const OwnerId owner = job.owner;
        const int outcome = run(job, context);
        job = Job{}; // what it captured goes before it counts as done
        lock.lock();
        running.erase(entry);
        --counters.running;
        if (by_general) --general_running;
        ++(outcome == 0 ? counters.done : outcome == 1 ? counters.cancelled : counters.failed);
        --owners[owner].running[c];
        forget_if_idle(owner);
        if (counted_bulk) --bulk_running;
        // Jobs that had to let this one end first.
        if (c >= static_cast<std::size_t>(JobClass::block)) general_wake.notify_one();
    }

    // ---- Overflow threads

    /// Whether every general thread is held by a job that takes long, and so has been for a while.
    bool all_take_long() const {
        const auto before = Clock::now() - patience;
        return static_cast<std::size_t>(std::count_if(running.begin(), running.end(), [&](const Running& one) { return one.by_general && one.begun <= before; })) >=
               general;
    }
    /// The same for bulk jobs, of which the general threads take only so many.
    bool bulk_takes_long() const { return bulk_running + 1 >= general; }

    bool take_overflow(Job& job) {
        if (all_take_long()) return take_any(Worker::overflow, job);
        return bulk_takes_long() && take(JobClass::bulk, Worker::overflow, job);
    }

    void work_overflow(OverflowThread& self) {
        std::unique_lock lock(mutex);
        for (;;) {
            Job job;
            overflow_wake.wait_for(lock, linger, [&] { return stopping || take_overflow(job); });
            if (!job.work) break;
            execute(std::move(job), Worker::overflow, lock);
        }
        self.ended = true;
    }

    void watch() {
        std::unique_lock lock(mutex);
        while (!stopping) {
            watcher_wake.wait(lock, [&] { return stopping || look_wanted; });
            watcher_wake.wait_for(lock, patience, [&] { return stopping; });
            if (stopping) return;
            for (auto it = overflow_threads.begin(); it != overflow_threads.end();) {
                if (!it->ended) {
                    ++it;
                    continue;
                }
                it->thread.join(); // it has released the lock for the last time, or is about to
                it = overflow_threads.erase(it);
            }
            look_wanted = counters.waiting > 0;
            if (look_wanted) let_one_in_if_it_helps();
        }
    }

    void let_one_in_if_it_helps() {
        const bool all = all_take_long(), bulk = bulk_takes_long();
        const auto helps = [&](const auto& entry) {
            const auto& waiting = entry.second.waiting[static_cast<std::size_t>(JobClass::bulk)];
            return entry.second.nothing_runs() && (all || (bulk && !waiting.empty()));
        };
        if (overflow_threads.size() >= max_overflow_threads || std::none_of(owners.begin(), owners.end(), helps)) return;
        try {
            auto& self = overflow_threads.emplace_back();
            self.thread = std::thread([this, &self] { work_overflow(self); });
        } catch (const std::system_error& e) {
            overflow_threads.pop_back();
            log::warn(std::string("no thread could be started for those who wait: ") + e.what());
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

Scheduler::Scheduler(int threads, std::chrono::milliseconds patience) : threads_(std::max(1, threads)), impl_(std::make_unique<Impl>()) {
    impl_->threads = threads_;
    impl_->patience = patience;
    impl_->general = static_cast<std::size_t>(std::max(2, threads_));
    try {
        impl_->workers.emplace_back([this] { impl_->work(Impl::Worker::reserved); });
        for (std::size_t i = 0; i < impl_->general; ++i) impl_->workers.emplace_back([this] { impl_->work(Impl::Worker::general); });
        impl_->watcher = std::thread([this] { impl_->watch(); });
    } catch (const std::system_error& e) {
        stop();
        throw std::runtime_error(std::string("no more threads can be started: ") + e.what());
    }
}

Scheduler::~Scheduler() { stop(); }

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
            if (impl_->general_running >= impl_->general || c == static_cast<std::size_t>(JobClass::bulk)) {
                impl_->overflow_wake.notify_all();
                if (!std::exchange(impl_->look_wanted, true)) impl_->watcher_wake.notify_one();
            }
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
    impl_->overflow_wake.notify_all();
    impl_->watcher_wake.notify_all();
    if (impl_->watcher.joinable()) impl_->watcher.join();
    for (auto& worker : impl_->workers)
        if (worker.joinable()) worker.join();
    for (auto& one : impl_->overflow_threads)
        if (one.thread.joinable()) one.thread.join();
}

Scheduler::Counters Scheduler::counters() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->counters;
}

} // namespace cubelink::server
