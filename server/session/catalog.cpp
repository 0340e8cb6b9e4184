#include "server/session/catalog.hpp"

#include "server/session/session.hpp"

#include <vector>

namespace cubelink::server {

std::string Catalog::rows_key() const { return "catalog_rows:" + std::to_string(number); }

Catalog::RowsTicket Catalog::begin_request(const std::shared_ptr<pubsub::Receiver>& receiver) const {
    const RowsTicket ticket{imaging::CancelToken(), next_number()};
    {
        const platform::MutexLock lock(mutex_);
        std::erase_if(requests_, [](const auto& entry) { return entry.second.receiver.expired(); });
        auto& entry = requests_[receiver->id()];
        entry.cancel.cancel();
        entry = {ticket.cancel, receiver, nullptr};
    }
    receiver->outbox().overtake_sets(rows_key(), ticket.number);
    return ticket;
}

void Catalog::end_requests() const {
    std::vector<std::shared_ptr<pubsub::Receiver>> receivers;
    {
        const platform::MutexLock lock(mutex_);
        for (const auto& entry : requests_) {
            entry.second.cancel.cancel();
            if (auto receiver = entry.second.receiver.lock()) receivers.push_back(std::move(receiver));
        }
        requests_.clear();
    }
    for (const auto& receiver : receivers) receiver->outbox().overtake_sets(rows_key(), next_number());
}

void Catalog::park(std::uint64_t connection, const imaging::CancelToken& cancel, imaging::TableViewPtr view) const {
    const platform::MutexLock lock(mutex_);
    if (!cancel.cancelled()) requests_[connection].parked = std::move(view);
}

imaging::TableViewPtr Catalog::take_parked(std::uint64_t connection, const imaging::CancelToken& cancel) const {
    const platform::MutexLock lock(mutex_);
    return cancel.cancelled() ? nullptr : std::move(requests_[connection].parked);
}

} // namespace cubelink::server
