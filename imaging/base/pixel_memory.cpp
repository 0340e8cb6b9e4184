#include "imaging/base/pixel_memory.hpp"

#include "platform/mutex.hpp"

#include <list>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace cubelink::imaging {

namespace {

constexpr std::size_t kSmall = std::size_t(64) << 10; // smaller blocks are left to the C library's allocator
constexpr std::size_t kHuge = std::size_t(2) << 20;

std::size_t alignment(std::size_t capacity) { return capacity >= 2 * kHuge ? kHuge : 64; }

void release(void* memory, std::size_t capacity) { ::operator delete(memory, std::align_val_t(alignment(capacity))); }

struct Spare {
    void* memory;
    std::size_t capacity;
};

class SpareBlocks {
public:
    void* take(std::size_t bytes, std::size_t& capacity) {
        const platform::MutexLock lock(mutex_);
        auto best = blocks_.end();
        for (auto it = blocks_.begin(); it != blocks_.end(); ++it) {
            if (it->capacity < bytes || it->capacity > bytes + bytes / 4) continue;
            if (best == blocks_.end() || it->capacity < best->capacity) best = it;
        }
        if (best == blocks_.end()) return nullptr;
        void* memory = best->memory;
        capacity = best->capacity;
        held_ -= capacity;
        blocks_.erase(best);
        return memory;
    }

    /// False if it is too large to be kept, or there is no memory for the entry in the list.
    bool keep(void* memory, std::size_t capacity) noexcept try {
        std::list<Spare> one{{memory, capacity}}, dropped;
        {
            const platform::MutexLock lock(mutex_);
            if (capacity > limit_) return false;
            held_ += capacity;
            blocks_.splice(blocks_.begin(), one);
            shrink(dropped);
        }
        for (const Spare& spare : dropped) release(spare.memory, spare.capacity);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }

    void limit(std::size_t bytes) {
        std::list<Spare> dropped;
        {
            const platform::MutexLock lock(mutex_);
            limit_ = bytes;
            shrink(dropped);
        }
        for (const Spare& spare : dropped) release(spare.memory, spare.capacity);
    }

    std::size_t held() {
        const platform::MutexLock lock(mutex_);
        return held_;
    }

private:
    /// Removes the oldest ones.
    void shrink(std::list<Spare>& dropped) CUBELINK_REQUIRES(mutex_) {
        while (held_ > limit_) {
            held_ -= blocks_.back().capacity;
            dropped.splice(dropped.begin(), blocks_, std::prev(blocks_.end()));
        }
    }

    platform::Mutex mutex_;
    std::list<Spare> blocks_ CUBELINK_GUARDED_BY(mutex_); // latest first: most likely still in the processor's caches
    std::size_t held_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::size_t limit_ CUBELINK_GUARDED_BY(mutex_) = std::size_t(16) << 20;
};

/// Never destroyed: blocks may be released while the process ends.
SpareBlocks& spare_blocks() {
    static auto* const blocks = new SpareBlocks;
    return *blocks;
}

} // namespace

namespace detail {

void* take_block(std::size_t bytes, std::size_t& capacity) {
    if (bytes >= kSmall) {
        if (void* memory = spare_blocks().take(bytes, capacity)) return memory;
    }
    capacity = bytes;
    void* memory = ::operator new(bytes, std::align_val_t(alignment(bytes)));
#if defined(__linux__)
    if (bytes >= 2 * kHuge) ::madvise(memory, bytes / kHuge * kHuge, MADV_HUGEPAGE);
#endif
    return memory;
}

void ReleaseBlock::operator()(void* memory) const noexcept {
    if (capacity < kSmall || !spare_blocks().keep(memory, capacity)) release(memory, capacity);
}

} // namespace detail

void keep_spare_pixels(std::size_t bytes) { spare_blocks().limit(bytes); }
std::size_t spare_pixels() { return spare_blocks().held(); }

} // namespace cubelink::imaging
