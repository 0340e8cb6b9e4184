#include "server/store/store_worker.hpp"

#include "platform/os.hpp"
#include "server/net/log.hpp"
#include "server/store/store.hpp"

#include <algorithm>
#include <utility>

namespace cubelink::server {

namespace {
constexpr auto pause = std::chrono::milliseconds(20); // before what met a lock is tried again
constexpr auto grace = std::chrono::milliseconds(500);
} // namespace

StoreWorker::StoreWorker() : thread_(platform::os().start_thread([this] { run(); })) {}

StoreWorker::~StoreWorker() {
    {
        const platform::MutexLock lock(mutex_);
        stopping_ = true;
        last_call_ = Clock::now() + grace;
    }
    ready_.notify_all();
    thread_.join();
}

void StoreWorker::post(std::string lane, Work work, Failed failed, Clock::duration patience) {
    const auto give_up = patience == endless ? Clock::time_point::max() : Clock::now() + patience;
    {
        const platform::MutexLock lock(mutex_);
        const auto [it, is_new] = lanes_.try_emplace(std::move(lane));
        it->second.jobs.push_back({std::move(work), std::move(failed), give_up});
        if (is_new) turn_.push_back(it);
    }
    ready_.notify_one();
}

std::size_t StoreWorker::waiting() const {
    const platform::MutexLock lock(mutex_);
    std::size_t count = 0;
    for (const auto& [name, lane] : lanes_) count += lane.jobs.size();
    return count;
}

StoreWorker::Lanes::iterator StoreWorker::next_lane(Clock::time_point now) {
    const auto it = std::find_if(turn_.begin(), turn_.end(), [&](auto lane) { return lane->second.not_before <= now; });
    if (it == turn_.end()) return lanes_.end();
    const auto lane = *it;
    turn_.erase(it);
    turn_.push_back(lane);
    return lane;
}

bool StoreWorker::try_again_after(Job& job, Clock::time_point last_call) {
    try {
        try {
            job.work();
        } catch (const StoreBusy& e) {
            if (Clock::now() < std::min(job.give_up, last_call)) return true;
            job.failed(e);
        } catch (const std::exception& e) { job.failed(e); }
    } catch (const std::exception& e) { // out of memory: nobody can be answered
        log::error(std::string("a failure of the store could not be reported: ") + e.what());
    }
    return false;
}

void StoreWorker::run() {
    platform::MutexLock lock(mutex_);
    for (;;) {
        if (turn_.empty()) {
            if (stopping_) return;
            ready_.wait(lock);
            continue;
        }
        const auto lane = next_lane(Clock::now());
        if (lane == lanes_.end()) {
            const auto first = *std::min_element(turn_.begin(), turn_.end(), [](auto a, auto b) { return a->second.not_before < b->second.not_before; });
            ready_.wait_until(lock, first->second.not_before);
            continue;
        }
        auto job = std::move(lane->second.jobs.front());
        lane->second.jobs.pop_front();
        const auto last_call = last_call_;
        lock.unlock();
        const bool again = try_again_after(job, last_call);
        if (!again) job = {}; // what it holds is released without the lock
        lock.lock();
        if (again) {
            lane->second.jobs.push_front(std::move(job));
            lane->second.not_before = Clock::now() + pause;
        } else if (lane->second.jobs.empty()) {
            turn_.erase(std::find(turn_.begin(), turn_.end(), lane));
            lanes_.erase(lane);
        }
    }
}

} // namespace cubelink::server
