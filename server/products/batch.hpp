#pragma once
/// How the board keeps products: what it knows of each, and the batches in which they are computed. For the board only.

#include "platform/mutex.hpp"
#include "server/products/product.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

struct ProductBatch;
using BatchPtr = std::shared_ptr<ProductBatch>;
using EntryPtr = std::shared_ptr<struct ProductEntry>;
using Connections = std::vector<std::uint64_t>; // ascending
using Callbacks = std::vector<std::function<void()>>;

inline Connections minus(const Connections& from, const Connections& others) {
    Connections rest;
    std::set_difference(from.begin(), from.end(), others.begin(), others.end(), std::back_inserter(rest));
    return rest;
}
inline Connections both(const Connections& a, const Connections& b) {
    Connections common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
    return common;
}
inline Connections either(const Connections& a, const Connections& b) {
    Connections all;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
    return all;
}

/// A product as the board knows it: its newest state. Guarded by the board's mutex, except for what `publishing` guards.
struct ProductEntry {
    enum class Progress {
        finished, // published, or failed
        pending,  // in a batch
        skipped,  // nobody listened
    };
    std::vector<std::int64_t> input;
    Progress progress = Progress::finished;
    Connections served; // of those that require it, the ones that have got this state
    Connections target; // the ones that will get it when it is published
    imaging::CancelToken cancel;
    std::weak_ptr<ProductBatch> batch; // in which it is pending, and where in it
    std::size_t index = 0;
    std::uint64_t pending_epoch = 0; // of the newest state that has been pending
    std::uint64_t computing = 0; // the state whose computation began last and goes on; 0: none
    imaging::CancelToken computing_cancel;
    /// What begins when an older state of a live product has ended.
    std::shared_ptr<ProductBatch> deferred;
    std::size_t deferred_index = 0;

    /// Held while something is published: so nothing is published of a state once a newer one has begun. Locked after the board's mutex.
    platform::Mutex publishing;
    std::uint64_t epoch CUBELINK_GUARDED_BY(publishing) = 0; // of the state that may be published; 0: none
    std::uint64_t live_epoch CUBELINK_GUARDED_BY(publishing) = 0; // of an older one that may be published too, while that one waits for it
    std::chrono::steady_clock::time_point last_published CUBELINK_GUARDED_BY(publishing){}; // anything of it
    bool published CUBELINK_GUARDED_BY(publishing) = false;  // something of that state
    Connections recipients CUBELINK_GUARDED_BY(publishing);  // of those that require it, the ones that it was sent to
    pubsub::Audience audience CUBELINK_GUARDED_BY(publishing);

    void set_epoch(std::uint64_t newest, const pubsub::Audience& to, std::uint64_t older = 0) {
        const platform::MutexLock lock(publishing);
        epoch = newest;
        live_epoch = older;
        published = false;
        recipients.clear();
        audience = to;
    }
    void forget_older() {
        const platform::MutexLock lock(publishing);
        live_epoch = 0;
    }
    bool waits_for_older() {
        const platform::MutexLock lock(publishing);
        return live_epoch != 0;
    }
    bool published_within(std::chrono::milliseconds interval) {
        const platform::MutexLock lock(publishing);
        return std::chrono::steady_clock::now() - last_published < interval;
    }
    /// False if those that have joined the audience would miss something.
    bool set_audience(const pubsub::Audience& to, bool joined) {
        const platform::MutexLock lock(publishing);
        if (joined && published) return false;
        audience = to;
        return true;
    }
};

/// A job that has been posted. Its batch is exchanged when it has become pointless: so there are never more of them than products.
struct BatchSlot {
    BatchPtr batch;
    bool waiting = true;       // the job has not started
    bool is_pointless = false; // and is known as one whose batch may be exchanged
};

/// The products that one change has made due. Guarded by the board's mutex; what is const once it has been started may be read without.
struct ProductBatch {
    struct Item {
        std::size_t kind = 0;
        std::shared_ptr<const Product> product;
        std::shared_ptr<ProductEntry> entry;
        std::uint64_t epoch = 0;
        bool settled = false;         // published, or given up
        bool stopgap_published = false;
    };
    struct Step {
        std::size_t item = 0;
        bool stopgap = false;
    };
    struct Waiter {
        Rank rank;
        bool computed;
        std::function<void()> callback;
        bool unless_paused = false; // does not wait for clients
    };

    std::uint64_t image = 0;
    JobClass job_class = JobClass::view; // const, as are items (but for their flags), steps and front
    bool quick = true;
    std::vector<Item> items; // in the order of their ranks once prepared; those that join are separate
    std::vector<Step> steps;
    std::size_t front = 0; // steps before the slow ones
    std::vector<std::shared_ptr<ProductBatch>> separate; // until they are posted
    /// Those that have been posted. The plane's batch must not keep what they have computed: where one has expired, all of it is settled.
    std::vector<std::weak_ptr<ProductBatch>> posted;
    std::size_t compact_at = 64; // items of a batch that products may join as long as it waits
    bool open = false;           // products may join it
    std::weak_ptr<BatchSlot> slot; // that of this one or, of a separate one that has not been posted, of what it follows from
    const std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

    bool late = false;
    bool paused = false; // until clients have room
    std::vector<Waiter> waiters;

    /// The order in which the items are computed.
    void prepare() {
        std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.product->rank < b.product->rank; });
        job_class = JobClass::interactive;
        for (std::size_t i = 0; i < items.size(); ++i) {
            const auto& product = *items[i].product;
            if (product.job_class != JobClass::interactive) job_class = product.job_class;
            quick = quick && product.quick && !product.slow;
            items[i].entry->index = i;
            if (!product.slow || product.stopgap) steps.push_back({i, product.slow});
        }
        front = steps.size();
        for (std::size_t i = 0; i < items.size(); ++i)
            if (items[i].product->slow) steps.push_back({i, false});
    }

    /// Adds a product to a batch that others have not joined in vain: what is settled makes room. It has not been started.
    void join(Item item) {
        auto& entry = *item.entry;
        if (entry.batch.lock().get() == this && entry.index < items.size() && items[entry.index].entry == item.entry && items[entry.index].settled) {
            first_unsettled_ = std::min(first_unsettled_, entry.index);
            items[entry.index] = std::move(item);
            return;
        }
        if (items.size() >= compact_at) {
            std::erase_if(items, [](const Item& one) { return one.settled; });
            for (std::size_t i = 0; i < items.size(); ++i) items[i].entry->index = i;
            first_unsettled_ = 0;
            compact_at = 2 * items.size() + 64;
        }
        entry.index = items.size();
        items.push_back(std::move(item));
    }

    bool satisfies(const Waiter& waiter) const {
        if (paused && waiter.unless_paused) return true;
        for (std::size_t i = first_unsettled(); i < items.size() && items[i].product->rank <= waiter.rank; ++i) {
            const Item& item = items[i];
            if (item.settled) continue;
            if (waiter.computed) return false;
            if (item.product->stopgap ? !item.stopgap_published : !item.product->slow && !late) return false;
        }
        return true;
    }
    void take_satisfied(Callbacks& callbacks) {
        const auto rest = std::stable_partition(waiters.begin(), waiters.end(), [&](const Waiter& waiter) { return !satisfies(waiter); });
        for (auto it = rest; it != waiters.end(); ++it) callbacks.push_back(std::move(it->callback));
        waiters.erase(rest, waiters.end());
    }
    void wait_in(const std::shared_ptr<BatchSlot>& its_slot) {
        slot = its_slot;
        for (const auto& one : separate) one->slot = its_slot;
    }
    /// Not while products are still added.
    bool all_settled() const {
        while (settled_separate_ < separate.size() && separate[settled_separate_]->all_settled()) ++settled_separate_;
        return first_unsettled() == items.size() && settled_separate_ >= separate.size();
    }

private:
    /// Those before it stay settled, unless one joins: so that many items that are settled one after the other are not looked at again each time.
    std::size_t first_unsettled() const {
        while (first_unsettled_ < items.size() && items[first_unsettled_].settled) ++first_unsettled_;
        return first_unsettled_;
    }
    mutable std::size_t first_unsettled_ = 0; // at most
    mutable std::size_t settled_separate_ = 0; // nothing joins separate ones before they are posted
};

} // namespace cubelink::server
