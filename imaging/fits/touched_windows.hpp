#pragma once
/// Which parts of an image's planes spectra were lately read from. Any thread.
///
/// The first spectrum at a place takes a page fault for each channel, and the kernel then maps the pages around it too, 64 KiB at a time: 512 channels
/// cost 1.4 ms by faults, 0.5 ms by pread(), and 0.02 ms once their pages are mapped. So a place is mapped only when a cursor stays near it.

#include "platform/mutex.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace cubelink::imaging {

class TouchedWindows {
public:
    /// What the kernel maps around a page that is touched.
    static constexpr std::size_t window = 64 << 10; // bytes

    /// Spectra within a window after which the next one maps it.
    static constexpr std::uint64_t enough = 8;

    /// Whether so many spectra have begun within the window of this one. `offset`: of its pixel in each plane, in bytes. `begins`: false for the further
    /// parts of one that is read in several.
    bool is_worth_mapping(std::size_t offset, bool begins) {
        const std::uint64_t id = offset / window + 1;
        const platform::MutexLock lock(mutex_);
        for (auto& one : windows_)
            if (one.id == id) return (one.touches += begins ? 1 : 0) > enough;
        if (!begins) return false;
        windows_[next_] = {id, 1};
        next_ = (next_ + 1) % windows_.size();
        return false;
    }

private:
    struct Window {
        std::uint64_t id = 0; // 0: none
        std::uint64_t touches = 0;
    };
    platform::Mutex mutex_;
    std::array<Window, 64> windows_ CUBELINK_GUARDED_BY(mutex_){};
    std::size_t next_ CUBELINK_GUARDED_BY(mutex_) = 0; // the oldest
};

} // namespace cubelink::imaging
