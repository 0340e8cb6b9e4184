#include "server/compute/scheduler.hpp"

#include "imaging/base/parallel.hpp"
#include "platform/mutex.hpp"
#include "platform/os.hpp"
#include "server/compute/job_queue.hpp"
#include "server/compute/shares.hpp"
#include "server/net/log.hpp"

#include <algorithm>
#include <atomic>
#include <list>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;
using platform::MutexLock;
using enum JobClass;

/// A general thread looks at the classes from the other end at every n-th job, so that bulk work goes on while more urgent jobs keep coming.
constexpr std::uint64_t reversed_order_interval = 8;
/// How long after the system refused a thread the next one is tried.
constexpr auto retry_interval = std::chrono::seconds(1);
/// Jobs that wait are not looked for at every job that is posted.
constexpr auto look_interval = std::chrono::milliseconds(1);
constexpr auto refusal_log_interval = std::chrono::minutes(1);

constexpr std::size_t general_threads(int threads) { return static_cast<std::size_t>(std::max(2, threads)); }
constexpr std::size_t max_overflow_threads = 8;

/// How many overflow threads may be busy for a job of that class to get one more.
constexpr std::size_t overflow_limit(JobClass job_class, std::size_t most) {
    switch (job_class) {
    case interactive: return most;
    case view: return most - 2;
    case block: return most * 3 / 4;
    case bulk: return most / 2;
    }
    return 0;
}

void report(Job& job, const std::exception& e) {
    try {
        if (job.on_error) job.on_error(e);
        else log::warn("a job of session " + std::to_string(job.owner) + " failed: " + e.what());
    } catch (const std::exception& second) {
        log::error("while reporting \"" + std::string(e.what()) + "\": " + second.what());
    } catch (...) {
        log::error("while reporting \"" + std::string(e.what()) + "\": unknown error");
    }
}

enum class Outcome { done, cancelled, failed };

Outcome run(Job& job, const JobContext& context) {
    if (context.cancel.cancelled()) return Outcome::cancelled;
    try {
        job.work(context);
        return Outcome::done;
    } catch (const imaging::Cancelled&) {
        return Outcome::cancelled;
    } catch (const std::exception& e) {
        report(job, e);
    } catch (...) {
        report(job, std::runtime_error("unknown error"));
    }
    return Outcome::failed;
}

enum class Role { general, lane, overflow };

/// A thread and the job that it runs. All but `thread` is guarded by the scheduler's mutex; the share is read by the job at any time.
struct Worker {
    Worker(Role its_role, int threads)
        : role(its_role), share(std::make_shared<std::atomic<int>>(1)),
          threads(threads, [now = share] { return now->load(std::memory_order_relaxed); }) {}

    const Role role;
    std::thread thread;
    platform::CondVar wake;
    bool called = false; // was idle, and is about to look for a job
    bool ended = false;  // has left its function, or is about to: can be joined

    bool busy = false;
    OwnerId owner = 0;
    JobClass job_class = view;
    std::uint64_t group = 0;
    std::string key;
    imaging::CancelToken cancel;
    Clock::time_point begun;

    const std::shared_ptr<std::atomic<int>> share; // threads of its job at this moment
    const imaging::ThreadShare threads;            // the same as the job sees it

    /// Whether and for whom a share of the processor is reserved: from its job's begin until it has another one, or none. Interactive jobs
    /// have none: they are over too soon.
    bool sharing = false;
    RunningShare sharer;
};

} // namespace

struct Scheduler::Impl {
    Impl(int thread_count, Timing times) : threads(thread_count), general(general_threads(thread_count)), max_overflow(max_overflow_threads), timing(times) {}

    const int threads;
    const std::size_t general, max_overflow;
    const Timing timing;

    mutable platform::Mutex mutex;
    JobQueue queue CUBELINK_GUARDED_BY(mutex);
    std::list<Worker> workers CUBELINK_GUARDED_BY(mutex);
    std::vector<Worker*> idle_general CUBELINK_GUARDED_BY(mutex), idle_lane CUBELINK_GUARDED_BY(mutex), idle_overflow CUBELINK_GUARDED_BY(mutex);
    std::size_t general_count CUBELINK_GUARDED_BY(mutex) = 0, overflow_count CUBELINK_GUARDED_BY(mutex) = 0, lane_count CUBELINK_GUARDED_BY(mutex) = 0;
    std::size_t bulk_running CUBELINK_GUARDED_BY(mutex) = 0; // on general threads
    std::uint64_t picks CUBELINK_GUARDED_BY(mutex) = 0;
    std::vector<RunningShare> divided CUBELINK_GUARDED_BY(mutex);
    Counters counts CUBELINK_GUARDED_BY(mutex);
    bool stopping CUBELINK_GUARDED_BY(mutex) = false;
    Clock::time_point refused CUBELINK_GUARDED_BY(mutex){}, refusal_logged CUBELINK_GUARDED_BY(mutex){};

    std::thread watcher;
    platform::CondVar watcher_wake;
    /// When the watcher looks for jobs that wait too long; max(): nothing waits.
    Clock::time_point next_look CUBELINK_GUARDED_BY(mutex) = Clock::time_point::max();
    Clock::time_point last_look CUBELINK_GUARDED_BY(mutex){}; // when one was looked for as a job was posted

    // ---- Taking jobs

    bool has_run_for(const Worker& worker, std::chrono::milliseconds time) const CUBELINK_REQUIRES(mutex) {
        return worker.busy && Clock::now() - worker.begun >= time;
    }
    /// Whether an interactive job of that owner has held a thread for longer than such jobs are to take.
    bool overstays(OwnerId owner, const JobQueue::Running& running) const CUBELINK_REQUIRES(mutex) {
        if (running[static_cast<std::size_t>(interactive)] == 0) return false;
        return overstays(owner);
    }
    bool overstays(OwnerId owner) const CUBELINK_REQUIRES(mutex) {
        return std::any_of(workers.begin(), workers.end(), [&](const Worker& w) CUBELINK_REQUIRES(mutex) {
            return w.owner == owner && w.job_class == interactive && has_run_for(w, timing.lane_patience);
        });
    }
    bool general_take_long() const CUBELINK_REQUIRES(mutex) {
        std::size_t held = 0;
        for (const Worker& w : workers)
            if (w.role == Role::general) held += has_run_for(w, timing.patience) ? 1 : 0;
        return held >= general_count;
    }
    bool lane_takes_long() const CUBELINK_REQUIRES(mutex) {
        return std::all_of(workers.begin(), workers.end(), [&](const Worker& w) CUBELINK_REQUIRES(mutex) {
            return w.role != Role::lane || has_run_for(w, timing.lane_patience);
        });
    }
    /// General threads take only so many bulk jobs.
    bool bulk_at_limit() const CUBELINK_REQUIRES(mutex) { return bulk_running + 1 >= general; }
    bool bulk_take_long() const CUBELINK_REQUIRES(mutex) {
        return bulk_at_limit() && std::all_of(workers.begin(), workers.end(), [&](const Worker& w) CUBELINK_REQUIRES(mutex) {
            return w.role != Role::general || !w.busy || w.job_class != bulk || has_run_for(w, timing.patience);
        });
    }
    std::size_t busy_overflow() const CUBELINK_REQUIRES(mutex) {
        return static_cast<std::size_t>(std::count_if(workers.begin(), workers.end(), [](const Worker& w) { return w.role == Role::overflow && w.busy; }));
    }

    bool take(JobClass job_class, Job& job) CUBELINK_REQUIRES(mutex) {
        return queue.take(job_class, [](OwnerId, const JobQueue::Running&) { return true; }, job);
    }
    bool take_on_lane(Job& job) CUBELINK_REQUIRES(mutex) {
        return queue.take(interactive, [this](OwnerId owner, const JobQueue::Running& running) CUBELINK_REQUIRES(mutex) { return !overstays(owner, running); }, job);
    }
    bool take_general(Job& job) CUBELINK_REQUIRES(mutex) {
        if (++picks % reversed_order_interval == 0 && ((!bulk_at_limit() && take(bulk, job)) || take(block, job) || take(view, job))) return true;
        return take(interactive, job) || take(view, job) || take(block, job) || (!bulk_at_limit() && take(bulk, job));
    }
    /// Whether an owner may get an overflow thread: it has none, and nothing of it runs but what takes long.
    bool may_overflow(OwnerId owner, const JobQueue::Running& running) const CUBELINK_REQUIRES(mutex) {
        if (std::all_of(running.begin(), running.end(), [](std::size_t n) { return n == 0; })) return true;
        return std::none_of(workers.begin(), workers.end(), [&](const Worker& w) CUBELINK_REQUIRES(mutex) {
            return w.busy && w.owner == owner && (w.role == Role::overflow || !has_run_for(w, timing.patience));
        });
    }
    /// Tries the classes that overflow threads are for at this moment, until `attempt(class, who)` holds.
    template <class Attempt>
    bool for_overflow_classes(const Attempt& attempt) const CUBELINK_REQUIRES(mutex) {
        const std::size_t busy = busy_overflow();
        const auto room = [&](JobClass c) { return busy < overflow_limit(c, max_overflow); };
        if (queue.waiting(interactive) && room(interactive) && lane_takes_long() &&
            attempt(interactive, [this](OwnerId owner, const JobQueue::Running& running) CUBELINK_REQUIRES(mutex) { return !overstays(owner, running); }))
            return true;
        const bool all = general_take_long();
        const auto who = [this](OwnerId owner, const JobQueue::Running& running) CUBELINK_REQUIRES(mutex) { return may_overflow(owner, running); };
        for (const JobClass c : {interactive, view, block, bulk})
            if (queue.waiting(c) && room(c) && (all || (c == bulk && bulk_take_long())) && attempt(c, who)) return true;
        return false;
    }
    bool take_overflow(Job& job) CUBELINK_REQUIRES(mutex) {
        return for_overflow_classes([&](JobClass c, const auto& who) CUBELINK_REQUIRES(mutex) { return queue.take(c, who, job); });
    }
    bool overflow_would_help() const CUBELINK_REQUIRES(mutex) {
        return queue.waiting() > 0 && for_overflow_classes([&](JobClass c, const auto& who) CUBELINK_REQUIRES(mutex) { return queue.has(c, who); });
    }
    bool take_for(const Worker& worker, Job& job) CUBELINK_REQUIRES(mutex) {
        if (queue.waiting() == 0) return false;
        switch (worker.role) {
        case Role::general: return take_general(job);
        case Role::lane: return take_on_lane(job);
        case Role::overflow: return take_overflow(job);
        }
        return false;
    }

    // ---- Threads

    std::vector<Worker*>& idle_of(Role role) CUBELINK_REQUIRES(mutex) {
        return role == Role::general ? idle_general : role == Role::lane ? idle_lane : idle_overflow;
    }
    std::size_t& count_of(Role role) CUBELINK_REQUIRES(mutex) {
        return role == Role::general ? general_count : role == Role::lane ? lane_count : overflow_count;
    }
    std::size_t most_of(Role role) const { return role == Role::general ? general : role == Role::lane ? 1 : max_overflow; }

    /// The thread that was idle for the shortest time, whose caches are warm; it looks for a job as soon as it is notified.
    Worker* call_idle(Role role) CUBELINK_REQUIRES(mutex) {
        auto& idle = idle_of(role);
        if (idle.empty()) return nullptr;
        Worker* const worker = idle.back();
        idle.pop_back();
        worker->called = true;
        return worker;
    }

    /// One thread more of that role, if there may be one and the system grants it; it looks for a job at once.
    bool start(Role role) CUBELINK_REQUIRES(mutex) {
        auto& count = count_of(role);
        if (stopping || count >= most_of(role) || (refused != Clock::time_point{} && Clock::now() - refused < retry_interval)) return false;
        join_ended();
        try {
            idle_of(role).reserve(count + 1);
            divided.reserve(workers.size() + 1);
            Worker& worker = workers.emplace_back(role, threads);
            try {
                worker.thread = platform::os().start_thread([this, &worker] { serve(worker); });
            } catch (...) {
                workers.pop_back();
                throw;
            }
        } catch (const std::exception& e) { // std::system_error, std::bad_alloc
            thread_refused(e);
            return false;
        }
        ++count;
        return true;
    }
    void thread_refused(const std::exception& e) CUBELINK_REQUIRES(mutex) {
        refused = Clock::now();
        if (refusal_logged != Clock::time_point{} && refused - refusal_logged < refusal_log_interval) return;
        refusal_logged = refused;
        log::warn(std::string("a thread can't be started; computations take longer: ") + e.what());
    }
    void join_ended() CUBELINK_REQUIRES(mutex) {
        workers.remove_if([](Worker& worker) {
            if (worker.ended) worker.thread.join(); // it needs no lock any more
            return worker.ended;
        });
    }

    void serve(Worker& self) CUBELINK_EXCLUDES(mutex) {
        MutexLock lock(mutex);
        while (!stopping) {
            Job job;
            if (take_for(self, job)) {
                execute(self, job);
                continue;
            }
            share(self, false);
            self.called = false;
            auto& idle = idle_of(self.role);
            idle.push_back(&self); // start() has made room
            const auto called = [&]() CUBELINK_REQUIRES(mutex) { return self.called || stopping; };
            if (self.role != Role::overflow) {
                self.wake.wait(lock, called);
            } else if (!self.wake.wait_for(lock, timing.linger, called)) {
                std::erase(idle, &self);
                break;
            }
        }
        --count_of(self.role);
        self.ended = true;
    }

    /// Runs a job that was taken. The lock is released meanwhile.
    void execute(Worker& self, Job& job) CUBELINK_REQUIRES(mutex) {
        self.busy = true;
        self.owner = job.owner;
        self.job_class = job.job_class;
        self.group = job.group;
        self.key = std::move(job.key);
        self.cancel = job.cancel;
        self.begun = Clock::now();
        const bool counted_bulk = self.role == Role::general && self.job_class == bulk;
        if (counted_bulk) ++bulk_running;
        share(self, self.job_class != interactive);
        ++counts.running;
        if (self.role == Role::overflow) help_waiting(); // more jobs may be waiting too long
        mutex.unlock(); // serve()'s lock, which holds it again when this returns

        Outcome outcome;
        {
            const JobContext context{job.cancel, self.job_class == interactive ? imaging::ThreadShare(1) : self.threads};
            outcome = run(job, context);
        }
        job = Job{}; // what it captured is destroyed before it counts as done

        mutex.lock();
        self.busy = false;
        if (counted_bulk) --bulk_running;
        --counts.running;
        ++(outcome == Outcome::done ? counts.done : outcome == Outcome::cancelled ? counts.cancelled : counts.failed);
        queue.finished(self.owner, self.job_class);
        // Jobs that could not start because of this one.
        if (self.job_class == interactive && queue.waiting(interactive)) notify(call_idle(Role::lane));
        if ((self.job_class == block && queue.waiting(block)) || (self.job_class == bulk && queue.waiting(bulk))) notify(call_idle(Role::general));
    }

    static void notify(Worker* worker) {
        if (worker != nullptr) worker->wake.notify_one();
    }

    /// Reserves a share for the worker's job, or gives it up, and divides the threads anew. Nothing is to be divided when a job of the
    /// same kind follows another.
    void share(Worker& worker, bool wanted) CUBELINK_REQUIRES(mutex) {
        const RunningShare sharer{worker.owner, worker.job_class == bulk};
        if (worker.sharing == wanted && (!wanted || (worker.sharer.owner == sharer.owner && worker.sharer.bulk == sharer.bulk))) return;
        worker.sharing = wanted;
        worker.sharer = sharer;
        try {
            divided.clear();
            for (const Worker& w : workers)
                if (w.sharing) divided.push_back(w.sharer);
            divide_threads(threads, divided);
        } catch (const std::bad_alloc&) {
            return; // the shares stay what they are
        }
        auto next = divided.begin();
        for (const Worker& w : workers)
            if (w.sharing) w.share->store((next++)->threads, std::memory_order_relaxed);
    }

    // ---- Jobs that wait too long

    /// An overflow thread for them, if that helps now.
    void help_waiting() CUBELINK_REQUIRES(mutex) {
        if (!overflow_would_help()) return;
        if (Worker* const worker = call_idle(Role::overflow)) worker->wake.notify_one(); // locked: it could end otherwise
        else start(Role::overflow);
    }

    /// Has the watcher look by then.
    void look_by(Clock::time_point time) CUBELINK_REQUIRES(mutex) {
        if (time >= next_look) return;
        next_look = time;
        if (!watcher.joinable() && !stopping) {
            try {
                watcher = platform::os().start_thread([this] { watch(); });
            } catch (const std::exception& e) {
                next_look = Clock::time_point::max(); // tried again with the next job
                thread_refused(e);
            }
        }
        watcher_wake.notify_one();
    }
    Clock::time_point patience_end() const CUBELINK_REQUIRES(mutex) { return Clock::now() + (queue.waiting(interactive) ? timing.lane_patience : timing.patience); }

    void watch() CUBELINK_EXCLUDES(mutex) {
        MutexLock lock(mutex);
        while (!stopping) {
            if (next_look == Clock::time_point::max()) {
                watcher_wake.wait(lock);
            } else if (Clock::now() < next_look) {
                watcher_wake.wait_until(lock, next_look);
            } else {
                if (queue.waiting(interactive)) notify(call_idle(Role::lane));
                if (queue.waiting() > 0 && idle_general.empty()) start(Role::general); // one that was refused before
                help_waiting();
                next_look = queue.waiting() > 0 ? patience_end() : Clock::time_point::max();
            }
        }
    }

    /// A thread for a job that has just been put into the queue. To be notified when the lock is released; nothing if none is idle.
    Worker* thread_for(OwnerId owner, JobClass job_class) CUBELINK_REQUIRES(mutex) {
        const bool at_limit = job_class == bulk && bulk_at_limit();
        if (!at_limit) {
            if (Worker* const worker = call_idle(Role::general)) return worker;
            if (job_class == interactive && !idle_lane.empty() && !overstays(owner)) return call_idle(Role::lane);
            if (start(Role::general)) return nullptr;
        }
        // Not at every one of many jobs.
        const auto now = Clock::now();
        if (job_class == interactive || now - last_look > look_interval) {
            last_look = now;
            help_waiting();
        }
        look_by(now + (job_class == interactive ? timing.lane_patience : timing.patience));
        return nullptr;
    }
    template <class Fits>
    std::vector<Job> cancel_if(OwnerId owner, const Fits& fits) CUBELINK_REQUIRES(mutex) {
        for (Worker& w : workers)
            if (w.busy && w.owner == owner && fits(w.group, w.key)) w.cancel.cancel();
        auto dropped = queue.remove_if(owner, [&](const Job& job) { return fits(job.group, job.key); });
        counts.cancelled += dropped.size();
        return dropped;
    }
};

Scheduler::Scheduler(int threads, Timing timing) : threads_(std::max(1, threads)), impl_(std::make_unique<Impl>(threads_, timing)) {
    imaging::set_max_loop_helpers(static_cast<std::size_t>(threads_ - 1));
    const MutexLock lock(impl_->mutex);
    if (!impl_->start(Role::general)) throw std::runtime_error("no thread for computations can be started: the system's limit of threads is reached");
    impl_->start(Role::lane);
}

Scheduler::~Scheduler() { stop(); }

std::size_t Scheduler::max_threads(int threads) {
    return 2 + general_threads(std::max(1, threads)) + max_overflow_threads; // the lane and the watcher
}

void Scheduler::post(Job job) {
    std::vector<Job> dropped; // destroyed without the lock
    Worker* worker = nullptr;
    {
        const MutexLock lock(impl_->mutex);
        if (impl_->stopping) {
            job.cancel.cancel();
            dropped.push_back(std::move(job));
            return;
        }
        const OwnerId owner = job.owner;
        const JobClass job_class = job.job_class;
        if (!job.key.empty())
            dropped = impl_->cancel_if(owner, [&](std::uint64_t, const std::string& key) { return key == job.key; });
        impl_->queue.push(std::move(job));
        worker = impl_->thread_for(owner, job_class);
    }
    Impl::notify(worker);
}

void Scheduler::cancel_key(OwnerId owner, const std::string& key) {
    std::vector<Job> dropped;
    const MutexLock lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [&](std::uint64_t, const std::string& k) { return k == key; });
}

void Scheduler::cancel_group(OwnerId owner, std::uint64_t group) {
    std::vector<Job> dropped;
    const MutexLock lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [&](std::uint64_t g, const std::string&) { return g == group; });
}

void Scheduler::drop_cancelled(OwnerId owner) {
    std::vector<Job> dropped;
    const MutexLock lock(impl_->mutex);
    dropped = impl_->queue.remove_if(owner, [](const Job& job) { return job.cancel.cancelled(); });
    impl_->counts.cancelled += dropped.size();
}

void Scheduler::cancel_owner(OwnerId owner) {
    std::vector<Job> dropped;
    const MutexLock lock(impl_->mutex);
    dropped = impl_->cancel_if(owner, [](std::uint64_t, const std::string&) { return true; });
}

void Scheduler::stop() {
    std::vector<Job> dropped;
    std::vector<std::thread> threads;
    {
        const MutexLock lock(impl_->mutex);
        impl_->stopping = true;
        dropped = impl_->queue.remove_all();
        impl_->counts.cancelled += dropped.size();
        for (Worker& w : impl_->workers) {
            if (w.busy) w.cancel.cancel();
            w.wake.notify_all();
            if (w.thread.joinable()) threads.push_back(std::move(w.thread));
        }
        if (impl_->watcher.joinable()) threads.push_back(std::move(impl_->watcher));
        impl_->watcher_wake.notify_all();
    }
    for (auto& thread : threads) thread.join();
}

Scheduler::Counters Scheduler::counters() const {
    const MutexLock lock(impl_->mutex);
    Counters counters = impl_->counts;
    counters.waiting = impl_->queue.waiting();
    counters.general_threads = impl_->general_count;
    counters.overflow_threads = impl_->overflow_count;
    return counters;
}

} // namespace cubelink::server
