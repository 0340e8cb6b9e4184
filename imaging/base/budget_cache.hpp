#pragma once
/// The process's one budget of bytes (--memory-limit) and the cache that fills it: the least recently used values are evicted first, values in
/// use never.
/// All members of all types here may be called from any thread.
///
/// A value's bytes count from before it is made until its last user has released it, even after the cache has dropped it. Memory that is not
/// cached is counted through reserve().

#include "imaging/base/cancel.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/base/image_identity.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <typeinfo>

namespace cubelink::imaging {

/// A request exceeds the budget: it is larger than all of it, or too much of it stayed in use for too long.
class OverBudget : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class CacheKind : std::uint8_t { pyramid, quick_pyramid, histogram, tile, decoded_tile, region_mask, other };

struct CacheKey {
    ImageIdentity image;
    std::int32_t hdu = 0;
    PlaneId plane;
    CacheKind kind = CacheKind::other;
    std::int64_t level = 0; // which of several of that kind
    friend bool operator==(const CacheKey&, const CacheKey&) = default;
};

struct CacheStatistics {
    std::size_t limit = 0, used = 0;                               // bytes; used counts cached values, values in use, and reservations
    std::size_t cached = 0, entries = 0;                           // bytes and number of values that the cache itself holds
    std::uint64_t hits = 0, misses = 0, evictions = 0, joined = 0; // joined: waited for another's computation of the same key
    std::uint64_t refused = 0;                                     // OverBudget thrown
};

class BudgetCache;
namespace detail {
struct CacheState;
}

/// A part of the budget, returned on destruction.
class Reservation {
public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation();
    std::size_t bytes() const { return bytes_; }
    /// Returns all but `bytes`.
    void shrink(std::size_t bytes);

private:
    friend class BudgetCache;
    std::shared_ptr<detail::CacheState> state_;
    std::size_t bytes_ = 0;
};

class BudgetCache {
public:
    /// `max_wait_ms`: how long reserve() waits for memory in use elsewhere.
    explicit BudgetCache(std::size_t limit_bytes, int max_wait_ms = 10000);
    ~BudgetCache();
    BudgetCache(const BudgetCache&) = delete;
    BudgetCache& operator=(const BudgetCache&) = delete;

    std::size_t limit() const;

    /// Takes bytes from the budget; evicts, then waits. Throws OverBudget, Cancelled (within 50 ms).
    Reservation reserve(std::size_t bytes, const CancelToken& cancel);
    /// The same without waiting: nothing where reserve() would wait or throw.
    std::optional<Reservation> try_reserve(std::size_t bytes);

    /// The cached value, or the one that `make()` returns as a shared_ptr<const T>, at a cost of `bytes`. One thread makes it, others that
    /// ask for the key meanwhile wait for it, or throw Cancelled. If the making thread is cancelled, a waiting one takes over; if it throws
    /// another exception, all waiting threads throw that. Values of one key must always be of one type.
    template <class T, class Make>
    std::shared_ptr<const T> get(const CacheKey& key, std::size_t bytes, const CancelToken& cancel, Make&& make) {
        auto erased = [&]() -> std::shared_ptr<const void> { return std::shared_ptr<const T>(make()); };
        return std::static_pointer_cast<const T>(get_erased(key, typeid(T), bytes, cancel, erased));
    }

    /// The cached value or null; makes nothing and waits for nothing.
    template <class T>
    std::shared_ptr<const T> find(const CacheKey& key) {
        return std::static_pointer_cast<const T>(find_erased(key, typeid(T)));
    }

    /// Forgets the oldest values of a kind until those that are left take `keep` bytes at most, or are in use. True if so, and if `bytes` more
    /// fit into the budget as it is.
    bool trim(CacheKind kind, std::size_t keep, std::size_t bytes);

    /// Forgets all values of an image, e.g. when its file has changed. Values in use live on until their last user releases them.
    void drop(const ImageIdentity& image);

    CacheStatistics statistics() const;

private:
    std::shared_ptr<const void> get_erased(const CacheKey& key, const std::type_info& type, std::size_t bytes, const CancelToken& cancel,
                                           const std::function<std::shared_ptr<const void>()>& make);
    std::shared_ptr<const void> find_erased(const CacheKey& key, const std::type_info& type);

    std::shared_ptr<detail::CacheState> state_;
};

} // namespace cubelink::imaging
