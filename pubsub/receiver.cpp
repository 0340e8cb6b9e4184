#include "pubsub/receiver.hpp"

namespace cubelink::pubsub {

Receiver::Receiver(std::uint64_t id, std::unique_ptr<Outbox> outbox, std::function<void()> wake)
    : id_(id), outbox_(std::move(outbox)), wake_(std::move(wake)) {
    outbox_->on_relieved = wake_;
}

void Receiver::deliver(const rpc::Publication& publication, const Delivery& delivery) {
    if (!dialect_) return;
    if (auto encoded = publication.encoded_for(*dialect_)) push(std::move(encoded), delivery);
}

Outbox::Pushed Receiver::push(rpc::EncodedPtr message, const Delivery& delivery) {
    const auto result = outbox_->push(std::move(message), delivery);
    if (result != Outbox::Pushed::left_out) wake_();
    return result;
}

bool Receiver::may_accept(std::string_view topic, Address address) const {
    if (!selective_.load(std::memory_order_acquire)) return address == Address::addressed;
    const platform::MutexLock lock(mutex_);
    return subscription_.may_accept(topic, address);
}

bool Receiver::accepts(std::string_view topic, Address address, const Fields& fields) const {
    if (!selective_.load(std::memory_order_acquire)) return address == Address::addressed;
    const platform::MutexLock lock(mutex_);
    return subscription_.accepts(topic, address, fields);
}

} // namespace cubelink::pubsub
