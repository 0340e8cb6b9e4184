#include "server/net/workers.hpp"

#include "platform/mutex.hpp"
#include "platform/os.hpp"
#include "server/net/log.hpp"

#include <deque>
#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace cubelink::server {

namespace {

/// Without work for so long, a thread gives freed memory back: not between the messages of a client that sends many.
constexpr auto idle_before_trim = std::chrono::seconds(1);

void give_freed_memory_back() {
#if defined(__GLIBC__)
    ::malloc_trim(0);
#endif
}

} // namespace

struct Workers::Shared {
    Shared(std::size_t max, FreedMemory freed) : max_threads(max), freed_memory(freed) {}

    const std::size_t max_threads;
    const FreedMemory freed_memory;
    platform::Mutex mutex;
    platform::CondVar changed;
    std::deque<std::function<void()>> queue CUBELINK_GUARDED_BY(mutex);
    std::size_t idle CUBELINK_GUARDED_BY(mutex) = 0, running CUBELINK_GUARDED_BY(mutex) = 0; // threads
    std::vector<std::thread> threads CUBELINK_GUARDED_BY(mutex);
    bool stopping CUBELINK_GUARDED_BY(mutex) = false;

    void run() {
        bool trim = false; // after work
        platform::MutexLock lock(mutex);
        for (;;) {
            ++idle;
            while (!stopping && queue.empty()) {
                if (!trim) {
                    changed.wait(lock);
                } else if (changed.wait_for(lock, idle_before_trim) == std::cv_status::timeout && !stopping && queue.empty()) {
                    trim = false;
                    lock.unlock();
                    give_freed_memory_back();
                    lock.lock();
                }
            }
            --idle;
            if (stopping) break;
            auto work = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            attempt(work);
            work = nullptr; // what it holds is released without the lock
            trim = freed_memory == FreedMemory::given_back;
            lock.lock();
        }
        --running;
        changed.notify_all();
    }

    static void attempt(const std::function<void()>& work) noexcept {
        try {
            work();
        } catch (const std::exception& error) {
            log::error(std::string("background work failed: ") + error.what());
        } catch (...) {
            log::error("background work failed");
        }
    }
};

Workers::Workers(std::size_t max_threads, FreedMemory freed_memory) : shared_(std::make_shared<Shared>(max_threads, freed_memory)) {}

Workers::~Workers() { stop(std::chrono::hours(24)); }

void Workers::post(std::function<void()> work) {
    auto& shared = *shared_;
    {
        platform::MutexLock lock(shared.mutex);
        if (shared.stopping) return;
        if (shared.idle <= shared.queue.size() && shared.running < shared.max_threads) {
            try {
                shared.threads.push_back(platform::os().start_thread([state = shared_] { state->run(); }));
                ++shared.running;
            } catch (const std::system_error& error) {
                if (shared.running == 0) {
                    lock.unlock();
                    log::warn(std::string("no thread can be started: ") + error.what());
                    return Shared::attempt(work);
                }
            }
        }
        shared.queue.push_back(std::move(work));
    }
    shared.changed.notify_one();
}

bool Workers::stop(std::chrono::milliseconds patience) {
    auto& shared = *shared_;
    std::deque<std::function<void()>> dropped;
    std::vector<std::thread> threads;
    bool ended = true;
    {
        platform::MutexLock lock(shared.mutex);
        if (shared.stopping) return shared.running == 0; // nothing is waited for twice
        shared.stopping = true;
        dropped.swap(shared.queue);
        shared.changed.notify_all();
        const auto until = std::chrono::steady_clock::now() + patience;
        while (shared.running > 0 && ended) ended = shared.changed.wait_until(lock, until) == std::cv_status::no_timeout;
        ended = shared.running == 0;
        threads.swap(shared.threads);
    }
    for (auto& thread : threads) ended ? thread.join() : thread.detach();
    return ended;
}

std::size_t Workers::waiting() const {
    const platform::MutexLock lock(shared_->mutex);
    return shared_->queue.size();
}

} // namespace cubelink::server
