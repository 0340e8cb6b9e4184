#pragma once
/// wcslib's scanners, and the one-time set-up inside it, must not run in two threads at once: this lock is held around them.

#include <mutex>

namespace cubelink::imaging {

inline std::mutex& wcslib_lock() {
    static std::mutex lock;
    return lock;
}

} // namespace cubelink::imaging
