#pragma once
/// What a session computes from its images because a client has asked for it and waits: moments, fits and so on; how they are found to be stopped. Thread-safe.

#include "imaging/base/cancel.hpp"
#include "platform/mutex.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace cubelink::server {

enum class CalculationKind { moments, position_velocity, pv_preview, fitting, saving };

class Calculations {
public:
    /// `number`: of its job's group.
    void add(std::uint64_t number, CalculationKind kind, std::int32_t file_id, const imaging::CancelToken& cancel) {
        const platform::MutexLock lock(mutex_);
        running_.emplace(number, Entry{kind, file_id, cancel});
    }
    void remove(std::uint64_t number) {
        const platform::MutexLock lock(mutex_);
        running_.erase(number);
    }
    /// Cancels those of a kind (all kinds, if none is given) on a file (-1: on all), and returns their numbers.
    std::vector<std::uint64_t> cancel(std::optional<CalculationKind> kind, std::int32_t file_id) {
        const platform::MutexLock lock(mutex_);
        std::vector<std::uint64_t> numbers;
        for (const auto& [number, entry] : running_) {
            if ((kind && entry.kind != *kind) || (file_id != -1 && entry.file_id != file_id)) continue;
            entry.cancel.cancel();
            numbers.push_back(number);
        }
        return numbers;
    }

private:
    struct Entry {
        CalculationKind kind;
        std::int32_t file_id;
        imaging::CancelToken cancel;
    };
    platform::Mutex mutex_;
    std::map<std::uint64_t, Entry> running_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::server
