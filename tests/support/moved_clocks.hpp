#pragma once
/// Clocks that stand still until they are moved, so that what goes by the time depends on no machine.

#include "platform/os.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cubelink::test {

/// Takes the place of the system's clocks while it lives. Any thread.
class MovedClocks : public platform::Os {
public:
    std::atomic<std::int64_t> now{1'000'000};    // ms
    std::atomic<std::int64_t> work_of_a_look{0}; // ms that the thread has worked more each time it looks how long it has

    std::chrono::steady_clock::time_point steady_now() override { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now)); }
    std::chrono::nanoseconds thread_cpu_time() override { return std::chrono::milliseconds(worked_.fetch_add(work_of_a_look)); }

private:
    std::atomic<std::int64_t> worked_{0}; // ms, by whatever thread
    platform::OsOverride override_{*this};
};

} // namespace cubelink::test
