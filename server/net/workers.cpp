#include "server/net/workers.hpp"

#include "server/net/log.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cubelink::server {

struct Workers::Shared {
    explicit Shared(std::size_t max) : max_threads(max) {}

    const std::size_t max_threads;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> queue;
    std::size_t idle = 0, running = 0; // threads
    std::vector<std::thread> threads;
    bool stopping = false;

    void run() {
        std::unique_lock lock(mutex);
        for (;;) {
            ++idle;
            while (!stopping && queue.empty()) changed.wait(lock);
            --idle;
            if (stopping) break;
            auto work = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            attempt(work);
            work = nullptr; // what it holds is released without the lock
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

Workers::Workers(std::size_t max_threads) : shared_(std::make_shared<Shared>(max_threads)) {}

Workers::~Workers() { stop(std::chrono::hours(24)); }

void Workers::post(std::function<void()> work) {
    auto& shared = *shared_;
    {
        std::unique_lock lock(shared.mutex);
        if (shared.stopping) return;
        if (shared.idle <= shared.queue.size() && shared.running < shared.max_threads) {
            try {
                shared.threads.emplace_back([state = shared_] { state->run(); });
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
        std::unique_lock lock(shared.mutex);
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
    const std::lock_guard lock(shared_->mutex);
    return shared_->queue.size();
}

} // namespace cubelink::server
