#pragma once
/// What a session computes from its images because a client has asked for it and waits: moments, fits and so on; how they are found to be stopped. Thread-safe.

#include "imaging/base/cancel.hpp"
#include "platform/mutex.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

enum class CalculationKind { moments, position_velocity, pv_preview, fitting, saving };

class Calculations {
public:
    /// `number`: of its job's group. `label`: by which some of a kind can be told apart; may be empty.
    void add(std::uint64_t number, CalculationKind kind, std::int32_t file_id, const imaging::CancelToken& cancel, std::string label = {}) {
        const platform::MutexLock lock(mutex_);
        running_.emplace(number, Entry{kind, file_id, cancel, std::move(label)});
    }
    void remove(std::uint64_t number) {
        const platform::MutexLock lock(mutex_);
        running_.erase(number);
    }
    /// Cancels those of a kind (all kinds, if none is given) on a file (-1: on all), with that label if one is given, and returns their numbers.
    std::vector<std::uint64_t> cancel(std::optional<CalculationKind> kind, std::int32_t file_id, const std::optional<std::string>& label = {}) {
        const platform::MutexLock lock(mutex_);
        std::vector<std::uint64_t> numbers;
        for (const auto& [number, entry] : running_) {
            if ((kind && entry.kind != *kind) || (file_id != -1 && entry.file_id != file_id) || (label && entry.label != *label)) continue;
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
        std::string label;
    };
    platform::Mutex mutex_;
    std::map<std::uint64_t, Entry> running_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::server
