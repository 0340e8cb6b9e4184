#pragma once
/// One connection's end in the hub: its dialect, its subscription, its outbox.
///
/// Thread-safe. Lives on after the connection while somebody publishes to it; its outbox is closed then.

#include "platform/mutex.hpp"
#include "pubsub/delivery.hpp"
#include "pubsub/outbox.hpp"
#include "pubsub/subscription.hpp"
#include "rpc/dialect.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace cubelink::pubsub {

class Receiver {
public:
    /// `id` of the connection. `wake` is called, from any thread and outside of locks, whenever something was put into the outbox.
    Receiver(std::uint64_t id, std::unique_ptr<Outbox> outbox, std::function<void()> wake);

    std::uint64_t id() const { return id_; }
    Outbox& outbox() { return *outbox_; }
    const Outbox& outbox() const { return *outbox_; }

    /// Once, before the receiver is attached to a hub.
    void set_dialect(std::shared_ptr<const rpc::Dialect> dialect) { dialect_ = std::move(dialect); }
    const rpc::Dialect* dialect() const { return dialect_.get(); }

    /// Encodes the publication, unless another receiver of this dialect has done so, and puts it into the outbox.
    void deliver(const rpc::Publication& publication, const Delivery& delivery);
    /// Puts an encoded message into the outbox.
    Outbox::Pushed push(rpc::EncodedPtr message, const Delivery& delivery = {});
    void wake() const { wake_(); }

    /// As of its Subscription.
    bool may_accept(std::string_view topic, Address address) const;
    bool accepts(std::string_view topic, Address address, const Fields& fields) const;

    /// The subscription, for Hub to change and others to look at; `work` runs under the lock.
    template <class Work>
    auto with_subscription(Work work) {
        const platform::MutexLock lock(mutex_);
        struct Update { // also when `work` throws
            const Subscription& subscription;
            std::atomic<bool>& selective;
            ~Update() { selective.store(subscription.selective(), std::memory_order_release); }
        } update{subscription_, selective_};
        return work(subscription_);
    }

private:
    const std::uint64_t id_;
    const std::unique_ptr<Outbox> outbox_;
    const std::function<void()> wake_;
    std::shared_ptr<const rpc::Dialect> dialect_;
    std::atomic<bool> selective_{false}; // most connections subscribe to nothing by name: no lock then
    mutable platform::Mutex mutex_;
    Subscription subscription_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::pubsub
