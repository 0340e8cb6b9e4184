#include "imaging/base/budget_cache.hpp"

#include "platform/mutex.hpp"

#include <array>
#include <chrono>
#include <exception>
#include <list>
#include <typeindex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cubelink::imaging {

namespace detail {

namespace {
struct KeyHash {
    std::size_t operator()(const CacheKey& key) const {
        std::size_t h = 0;
        for (std::uint64_t part : {key.image.file.device, key.image.file.inode, key.image.file.size, std::uint64_t(key.image.file.mtime_ns), key.image.computed,
                                   std::uint64_t(std::uint32_t(key.hdu)), std::uint64_t(std::uint32_t(key.plane.channel)),
                                   std::uint64_t(std::uint32_t(key.plane.stokes)), std::uint64_t(key.kind), std::uint64_t(key.level)}) {
            h = (h ^ part) * 0x9e3779b97f4a7c15u;
            h ^= h >> 29;
        }
        return h;
    }
};
} // namespace

/// A computation in progress, shared by the threads that wait for it.
struct Making {
    bool done = false;
    std::exception_ptr failure; // not Cancelled
    std::shared_ptr<const void> value;
};

struct CachedValue {
    CacheKey key;
    std::type_index type;
    std::shared_ptr<const void> value; // its deleter gives the bytes back
    std::size_t bytes = 0;
};

struct CacheState {
    explicit CacheState(std::size_t limit_bytes, int wait) : limit(limit_bytes), max_wait_ms(wait) {}

    const std::size_t limit;
    const int max_wait_ms;
    platform::Mutex mutex;
    platform::CondVar changed; // bytes came back, or a computation ended
    std::size_t used CUBELINK_GUARDED_BY(mutex) = 0;
    CacheStatistics counts CUBELINK_GUARDED_BY(mutex);
    std::array<std::size_t, 8> of_kind CUBELINK_GUARDED_BY(mutex){}; // bytes that the cache itself holds of each CacheKind
    std::list<CachedValue> values CUBELINK_GUARDED_BY(mutex); // most recently used first
    std::unordered_map<CacheKey, std::list<CachedValue>::iterator, KeyHash> index CUBELINK_GUARDED_BY(mutex);
    std::unordered_map<CacheKey, std::shared_ptr<Making>, KeyHash> making CUBELINK_GUARDED_BY(mutex);

    void give_back(std::size_t bytes) {
        {
            const platform::MutexLock lock(mutex);
            used -= bytes;
        }
        changed.notify_all();
    }

    std::list<CachedValue>::iterator unlink(std::list<CachedValue>::iterator it, std::vector<std::shared_ptr<const void>>& dropped)
        CUBELINK_REQUIRES(mutex) {
        dropped.push_back(std::move(it->value));
        counts.cached -= it->bytes;
        of_kind[std::size_t(it->key.kind)] -= it->bytes;
        index.erase(it->key);
        return values.erase(it);
    }

    /// Unlinks values that are not in use, oldest first, until `bytes` could be free. They must be destroyed after the lock is released: their
    /// deleters take it.
    void evict(std::size_t bytes, std::vector<std::shared_ptr<const void>>& dropped) CUBELINK_REQUIRES(mutex) {
        std::size_t freed = 0;
        for (auto it = values.end(); it != values.begin() && used - freed + bytes > limit;) {
            --it;
            if (it->value.use_count() > 1) continue;
            freed += it->bytes;
            ++counts.evictions;
            it = unlink(it, dropped);
        }
    }
};

} // namespace detail

using detail::CacheState;
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kCancelPoll{20};

Reservation::Reservation(Reservation&& other) noexcept : state_(std::move(other.state_)), bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    if (this != &other) {
        if (state_) state_->give_back(bytes_);
        state_ = std::move(other.state_);
        bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
}

Reservation::~Reservation() {
    if (state_) state_->give_back(bytes_);
}

void Reservation::shrink(std::size_t bytes) {
    if (!state_ || bytes >= bytes_) return;
    state_->give_back(bytes_ - bytes);
    bytes_ = bytes;
}

BudgetCache::BudgetCache(std::size_t limit_bytes, int max_wait_ms) : state_(std::make_shared<CacheState>(limit_bytes, max_wait_ms)) {}

BudgetCache::~BudgetCache() {
    std::vector<std::shared_ptr<const void>> dropped;
    CacheState& s = *state_;
    const platform::MutexLock lock(s.mutex);
    for (auto it = s.values.begin(); it != s.values.end();) it = s.unlink(it, dropped);
    // `dropped` is declared before the lock, so its values die after it.
}

std::size_t BudgetCache::limit() const { return state_->limit; }

Reservation BudgetCache::reserve(std::size_t bytes, const CancelToken& cancel) {
    CacheState& s = *state_;
    const auto refuse = [&](const std::string& why) CUBELINK_REQUIRES(s.mutex) -> OverBudget {
        ++s.counts.refused;
        return OverBudget(std::to_string((bytes >> 20) + (bytes % (1u << 20) != 0)) + " MiB are needed, but " + why + " (memory limit " + std::to_string(s.limit >> 20) +
                          " MiB)");
    };
    const auto deadline = Clock::now() + std::chrono::milliseconds(s.max_wait_ms);
    platform::MutexLock lock(s.mutex);
    if (bytes > s.limit) throw refuse("that is more than all of it");
    while (s.used > s.limit - bytes) {
        std::vector<std::shared_ptr<const void>> dropped;
        s.evict(bytes, dropped);
        if (!dropped.empty()) {
            lock.unlock();
            dropped.clear();
            lock.lock();
            continue;
        }
        cancel.throw_if_cancelled();
        if (Clock::now() >= deadline) throw refuse("the rest is in use");
        s.changed.wait_for(lock, kCancelPoll);
    }
    s.used += bytes;
    Reservation reservation;
    reservation.state_ = state_;
    reservation.bytes_ = bytes;
    return reservation;
}

std::optional<Reservation> BudgetCache::try_reserve(std::size_t bytes) {
    CacheState& s = *state_;
    std::vector<std::shared_ptr<const void>> dropped;
    platform::MutexLock lock(s.mutex);
    if (bytes > s.limit) return std::nullopt;
    while (s.used > s.limit - bytes) {
        s.evict(bytes, dropped);
        if (dropped.empty()) return std::nullopt;
        lock.unlock();
        dropped.clear();
        lock.lock();
    }
    s.used += bytes;
    Reservation reservation;
    reservation.state_ = state_;
    reservation.bytes_ = bytes;
    return reservation;
}

std::shared_ptr<const void> BudgetCache::find_erased(const CacheKey& key, const std::type_info& type) {
    CacheState& s = *state_;
    const platform::MutexLock lock(s.mutex);
    const auto found = s.index.find(key);
    if (found == s.index.end() || found->second->type != type) return nullptr;
    ++s.counts.hits;
    s.values.splice(s.values.begin(), s.values, found->second);
    return found->second->value;
}

std::shared_ptr<const void> BudgetCache::get_erased(const CacheKey& key, const std::type_info& type, std::size_t bytes,
                                                    const CancelToken& cancel, const std::function<std::shared_ptr<const void>()>& make) {
    CacheState& s = *state_;
    auto ours = std::make_shared<detail::Making>();
    {
        platform::MutexLock lock(s.mutex);
        bool joined = false;
        for (;;) {
            cancel.throw_if_cancelled();
            if (const auto found = s.index.find(key); found != s.index.end()) {
                if (found->second->type != type) throw std::logic_error("a cache key was used for values of two types");
                ++s.counts.hits;
                s.values.splice(s.values.begin(), s.values, found->second);
                return found->second->value;
            }
            const auto [theirs, first] = s.making.try_emplace(key, ours);
            if (first) break;
            if (!joined) ++s.counts.joined;
            joined = true;
            const std::shared_ptr<detail::Making> making = theirs->second;
            while (!making->done) {
                cancel.throw_if_cancelled();
                s.changed.wait_for(lock, kCancelPoll);
            }
            if (making->value) return making->value; // even if it is out of the cache again
            if (making->failure) std::rethrow_exception(making->failure);
            // The thread that made it was cancelled: one of those that waited makes it now.
        }
        ++s.counts.misses;
    }

    std::exception_ptr failure;
    std::shared_ptr<const void> value;
    bool cancelled = false;
    try {
        // The value and its part of the budget have the same lifetime.
        struct Holder {
            Reservation reservation;
            std::shared_ptr<const void> value;
        };
        auto holder = std::make_shared<Holder>();
        holder->reservation = reserve(bytes, cancel);
        holder->value = make();
        if (!holder->value) throw std::logic_error("nothing was made for a cache key");
        const void* address = holder->value.get();
        value = std::shared_ptr<const void>(std::move(holder), address);
    } catch (const Cancelled&) {
        cancelled = true;
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }

    {
        const platform::MutexLock lock(s.mutex);
        s.making.erase(key);
        if (value) {
            s.values.push_front({key, type, value, bytes});
            s.index[key] = s.values.begin();
            s.counts.cached += bytes;
            s.of_kind[std::size_t(key.kind)] += bytes;
        }
        ours->value = value;
        if (!cancelled) ours->failure = failure;
        ours->done = true;
    }
    s.changed.notify_all();
    if (failure) std::rethrow_exception(failure);
    return value;
}

bool BudgetCache::trim(CacheKind kind, std::size_t keep, std::size_t bytes) {
    std::vector<std::shared_ptr<const void>> dropped; // their bytes are returned after the lock is released, but counted here
    CacheState& s = *state_;
    const platform::MutexLock lock(s.mutex);
    std::size_t freed = 0;
    std::size_t& held = s.of_kind[std::size_t(kind)];
    for (auto it = s.values.end(); it != s.values.begin() && held > keep;) {
        --it;
        if (it->key.kind != kind || it->value.use_count() > 1) continue;
        freed += it->bytes;
        ++s.counts.evictions;
        it = s.unlink(it, dropped);
    }
    return held <= keep && s.used - freed + bytes <= s.limit;
}

void BudgetCache::drop(const ImageIdentity& image) {
    std::vector<std::shared_ptr<const void>> dropped;
    CacheState& s = *state_;
    const platform::MutexLock lock(s.mutex);
    for (auto it = s.values.begin(); it != s.values.end();) {
        it = it->key.image == image ? s.unlink(it, dropped) : std::next(it);
    }
}

CacheStatistics BudgetCache::statistics() const {
    CacheState& s = *state_;
    const platform::MutexLock lock(s.mutex);
    CacheStatistics counts = s.counts;
    counts.limit = s.limit;
    counts.used = s.used;
    counts.entries = s.values.size();
    return counts;
}

} // namespace cubelink::imaging
