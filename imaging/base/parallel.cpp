#include "imaging/base/parallel.hpp"

#include "platform/mutex.hpp"
#include "platform/os.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace {

using Clock = std::chrono::steady_clock;

/// How long after the system refused a thread the next one is tried.
constexpr auto retry_interval = std::chrono::seconds(1);

/// One call of parallel_for(), on the stack of the calling thread.
class Loop {
public:
    Loop(const ThreadShare& threads, std::int64_t n, const CancelToken& cancel, detail::LoopBody body, void* context)
        : threads_(threads), cancel_(cancel), body_(body), context_(context), n_(n) {}
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// How many helpers more could work here now.
    int helpers_missing() const {
        const std::int64_t left = n_ - next_.load(std::memory_order_relaxed);
        if (left <= 0) return 0;
        return static_cast<int>(std::min<std::int64_t>(left, threads_.now() - 1 - helpers_.load(std::memory_order_relaxed)));
    }
    bool grows() const { return threads_.most() > 1 && n_ > 1; }

    /// Runs the next index. False if there is none.
    bool run_next(int thread) {
        const std::int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
        if (i >= n_) return false;
        try {
            cancel_.throw_if_cancelled();
            body_(context_, i, thread);
        } catch (...) {
            next_.store(n_, std::memory_order_relaxed);
            if (!failed_.exchange(true)) failure_ = std::current_exception();
        }
        return true;
    }

    /// For the calling thread, when no helper is in the loop any more.
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    friend class Helpers;

    /// True if this helper is one too many; it doesn't count as one of this loop's then.
    bool leaves_for_others() {
        int count = helpers_.load(std::memory_order_relaxed);
        while (count > threads_.now() - 1)
            if (helpers_.compare_exchange_weak(count, count - 1, std::memory_order_relaxed)) return true;
        return false;
    }

    const ThreadShare& threads_;
    const CancelToken& cancel_;
    const detail::LoopBody body_;
    void* const context_;
    const std::int64_t n_;
    std::atomic<std::int64_t> next_{0};
    std::atomic<int> helpers_{0}; // that work here and have not decided to leave
    std::atomic<bool> failed_{false};
    std::exception_ptr failure_; // set by the thread that has set failed_

    // Guarded by Helpers::mutex_.
    std::vector<bool> slots_;    // thread numbers in use; 0 is the caller's
    int inside_ = 0;             // helpers that have not left yet
    platform::CondVar all_left_;
};

/// The process's helpers. Never destroyed: they are idle when the process ends.
class Helpers {
public:
    static Helpers& instance() {
        static Helpers* const helpers = new Helpers;
        return *helpers;
    }

    void set_max(std::size_t count) CUBELINK_EXCLUDES(mutex_) {
        const platform::MutexLock lock(mutex_);
        max_ = count;
    }
    std::size_t start(std::size_t count) CUBELINK_EXCLUDES(mutex_) {
        for (;;) {
            {
                const platform::MutexLock lock(mutex_);
                if (count_ >= count || !may_start()) return count_;
                ++count_;
            }
            if (!start_one()) return this->count();
        }
    }
    std::size_t count() const CUBELINK_EXCLUDES(mutex_) {
        const platform::MutexLock lock(mutex_);
        return count_;
    }

    /// Makes a loop known to helpers, from then on until finish().
    void offer(Loop& loop) CUBELINK_EXCLUDES(mutex_) {
        {
            const platform::MutexLock lock(mutex_);
            loop.slots_.assign(loop.threads_.slots(), false);
            loops_.push_back(&loop);
        }
        call_helper();
    }
    /// A helper more for whichever loop lacks one: an idle one, or a new one.
    void call_helper() CUBELINK_EXCLUDES(mutex_) {
        platform::MutexLock lock(mutex_);
        if (Idle* const chosen = idle_) {
            idle_ = chosen->next;
            chosen->called = true;
            lock.unlock();
            chosen->wake.notify_one();
            return;
        }
        if (!may_start()) return;
        ++count_;
        lock.unlock();
        start_one();
    }
    /// Waits until no helper is in the loop.
    void finish(Loop& loop) CUBELINK_EXCLUDES(mutex_) {
        platform::MutexLock lock(mutex_);
        std::erase(loops_, &loop);
        while (loop.inside_ > 0) loop.all_left_.wait(lock);
    }

private:
    /// On the stack of a helper, as long as the process lives: so it can be notified without the lock.
    struct Idle {
        platform::CondVar wake;
        Idle* next = nullptr;
        bool called = false;
    };

    bool may_start() const CUBELINK_REQUIRES(mutex_) { return count_ < max_ && (refused_ == Clock::time_point{} || Clock::now() - refused_ > retry_interval); }

    /// Starts a helper that has been counted already.
    bool start_one() CUBELINK_EXCLUDES(mutex_) {
        try {
            platform::os().start_thread([this] { serve(); }).detach();
            return true;
        } catch (const std::exception&) { // std::system_error, std::bad_alloc
            const platform::MutexLock lock(mutex_);
            --count_;
            refused_ = Clock::now();
            return false;
        }
    }

    /// The loop that lacks most helpers, in proportion to what it could have.
    Loop* neediest() const CUBELINK_REQUIRES(mutex_) {
        Loop* found = nullptr;
        double most = 0;
        for (Loop* const loop : loops_) {
            const int missing = loop->helpers_missing();
            if (missing <= 0) continue;
            const double need = double(missing) / double(missing + loop->helpers_.load(std::memory_order_relaxed));
            if (need > most) {
                most = need;
                found = loop;
            }
        }
        return found;
    }

    void serve() CUBELINK_EXCLUDES(mutex_) {
        Idle idle;
        platform::MutexLock lock(mutex_);
        for (;;) {
            Loop* const loop = neediest();
            // A free thread number: a helper that is leaving keeps its own until it has left.
            const auto slot = loop != nullptr ? std::find(loop->slots_.begin() + 1, loop->slots_.end(), false) : std::vector<bool>::iterator{};
            if (loop == nullptr || slot == loop->slots_.end()) {
                idle.called = false;
                idle.next = std::exchange(idle_, &idle);
                while (!idle.called) idle.wake.wait(lock);
                continue;
            }
            *slot = true;
            const auto number = static_cast<int>(slot - loop->slots_.begin());
            ++loop->inside_;
            const bool more = loop->helpers_.fetch_add(1, std::memory_order_relaxed) + 2 < loop->threads_.most() && neediest() != nullptr;
            lock.unlock();
            if (more) call_helper(); // each calls the next, so that a loop's caller can go on
            const bool counted = help(*loop, number);
            lock.lock();
            if (counted) loop->helpers_.fetch_sub(1, std::memory_order_relaxed);
            loop->slots_[static_cast<std::size_t>(number)] = false;
            if (--loop->inside_ == 0) loop->all_left_.notify_one(); // with the lock held: the loop may be gone right after
        }
    }

    /// False if the helper has left because the share has shrunk.
    static bool help(Loop& loop, int number) {
        for (;;) {
            if (loop.leaves_for_others()) return false;
            if (!loop.run_next(number)) return true;
        }
    }

    mutable platform::Mutex mutex_;
    std::size_t max_ CUBELINK_GUARDED_BY(mutex_) = 15, count_ CUBELINK_GUARDED_BY(mutex_) = 0;
    Clock::time_point refused_ CUBELINK_GUARDED_BY(mutex_){};
    std::vector<Loop*> loops_ CUBELINK_GUARDED_BY(mutex_);
    Idle* idle_ CUBELINK_GUARDED_BY(mutex_) = nullptr; // a list: the one that has worked last is called first
};

} // namespace

namespace detail {

void parallel_for(const ThreadShare& threads, std::int64_t n, const CancelToken& cancel, LoopBody body, void* context) {
    if (n <= 0) return;
    Loop loop(threads, n, cancel, body, context);
    if (!loop.grows()) {
        for (std::int64_t i = 0; i < n; ++i) {
            cancel.throw_if_cancelled();
            body(context, i, 0);
        }
        return;
    }
    auto& helpers = Helpers::instance();
    bool offered = false;
    int called = 0; // how many helpers were missing when the last one was called
    do {
        const int missing = loop.helpers_missing();
        if (missing > 0 && !offered) {
            helpers.offer(loop);
            offered = true;
        } else if (missing > called) { // the share has grown
            helpers.call_helper();
        }
        called = missing;
    } while (loop.run_next(0));
    if (offered) helpers.finish(loop);
    loop.rethrow();
}

} // namespace detail

void set_max_loop_helpers(std::size_t count) { Helpers::instance().set_max(count); }
std::size_t start_loop_helpers(std::size_t count) { return Helpers::instance().start(count); }
std::size_t loop_helpers() { return Helpers::instance().count(); }

} // namespace cubelink::imaging
