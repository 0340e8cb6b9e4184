#include "server/files/listing_threads.hpp"

#include "platform/mutex.hpp"
#include "platform/os.hpp"

#include <set>
#include <system_error>

namespace cubelink::server {

using platform::MutexLock;

namespace {

struct Shared {
    platform::Mutex mutex;
    platform::CondVar ended;
    int running CUBELINK_GUARDED_BY(mutex) = 0;
    std::multiset<std::string> unanswering CUBELINK_GUARDED_BY(mutex);
};

/// Never destroyed: threads may still run when the process ends.
Shared& shared() {
    static Shared* const one = new Shared;
    return *one;
}

void thread_ended() {
    const MutexLock lock(shared().mutex);
    --shared().running;
    shared().ended.notify_all();
}

} // namespace

ThreadStart start_listing_thread(int limit, std::function<void()> body) {
    {
        const MutexLock lock(shared().mutex);
        if (shared().running >= limit) return ThreadStart::busy;
        ++shared().running;
    }
    try {
        platform::os()
            .start_thread([body = std::move(body)]() mutable {
                body();
                body = nullptr; // what it holds is gone before the thread no longer counts
                thread_ended();
            })
            .detach();
    } catch (const std::exception&) { // std::system_error, or no memory
        thread_ended();
        return ThreadStart::refused;
    }
    return ThreadStart::started;
}

int running_listing_threads() {
    const MutexLock lock(shared().mutex);
    return shared().running;
}

void wait_for_listing_thread(std::chrono::milliseconds time) {
    MutexLock lock(shared().mutex);
    shared().ended.wait_for(lock, time);
}

UnansweringFolder::UnansweringFolder(std::string folder) : folder_(std::move(folder)) {
    const MutexLock lock(shared().mutex);
    shared().unanswering.insert(folder_);
}

UnansweringFolder::~UnansweringFolder() {
    const MutexLock lock(shared().mutex);
    shared().unanswering.erase(shared().unanswering.find(folder_));
}

bool is_unanswering(const std::string& folder) {
    const MutexLock lock(shared().mutex);
    return shared().unanswering.contains(folder);
}

} // namespace cubelink::server
