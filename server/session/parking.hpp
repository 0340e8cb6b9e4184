#pragma once
/// What waits for something outside of the session (a client that reads) and uses an object. The object owns it meanwhile, and whoever wakes it
/// holds a Place, which owns neither: when the object is closed, all of it goes, though the client never reads on. Thread-safe.

#include "platform/mutex.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace cubelink::server {

class Parking {
public:
    /// Where something was parked. It gives back what it parked once, and lets go of it if it is destroyed before.
    class Place {
    public:
        Place(std::weak_ptr<Parking> parking, const void* what) : parking_(std::move(parking)), what_(what) {}
        Place(const Place&) = delete;
        ~Place() { take(); }
        /// nullptr: the object has been closed meanwhile.
        std::shared_ptr<void> take() {
            const auto* what = std::exchange(what_, nullptr);
            const auto parking = what ? parking_.lock() : nullptr;
            return parking ? parking->take(what) : nullptr;
        }

    private:
        const std::weak_ptr<Parking> parking_;
        const void* what_;
    };

    /// The place of `what`, which may be parked several times. If the parking has been closed, it keeps nothing.
    static std::shared_ptr<Place> park(const std::shared_ptr<Parking>& parking, std::shared_ptr<void> what) {
        auto place = std::make_shared<Place>(parking, what.get());
        const platform::MutexLock lock(parking->mutex_);
        if (!parking->closed_) parking->parked_.push_back(std::move(what));
        return place;
    }

    /// Lets go of all that is parked, and of what comes later.
    void close() {
        std::vector<std::shared_ptr<void>> parked; // goes without the lock: its end may lead back here
        const platform::MutexLock lock(mutex_);
        closed_ = true;
        parked.swap(parked_);
    }

private:
    std::shared_ptr<void> take(const void* what) {
        const platform::MutexLock lock(mutex_);
        const auto found = std::find_if(parked_.begin(), parked_.end(), [&](const auto& one) { return one.get() == what; });
        if (found == parked_.end()) return nullptr;
        auto taken = std::move(*found);
        *found = std::move(parked_.back());
        parked_.pop_back();
        return taken;
    }

    platform::Mutex mutex_;
    std::vector<std::shared_ptr<void>> parked_ CUBELINK_GUARDED_BY(mutex_);
    bool closed_ CUBELINK_GUARDED_BY(mutex_) = false;
};

} // namespace cubelink::server
