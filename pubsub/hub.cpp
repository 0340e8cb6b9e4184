#include "pubsub/hub.hpp"

#include "pubsub/reply_first.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/values/weight.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace cubelink::pubsub {

namespace {

using Receivers = std::vector<std::shared_ptr<Receiver>>;
using ReceiversPtr = std::shared_ptr<const Receivers>;

constexpr std::size_t topics_counted = 200, topic_counted_size = 256;

/// Roughly what a publication keeps in memory; what has no value takes next to none.
std::size_t memory_of(const rpc::Publication& publication) {
    try {
        return sizeof publication + (publication.body() ? rpc::weight(publication.body()->value()) : 0);
    } catch (const rpc::CallError&) {
        return sizeof publication;
    }
}

} // namespace

struct Hub::Impl {
    struct Member {
        GroupId group;
        std::shared_ptr<Receiver> receiver;
    };
    mutable std::shared_mutex mutex;
    std::unordered_map<GroupId, ReceiversPtr> groups; // replaced as a whole, so that publishers iterate without the lock
    std::unordered_map<std::uint64_t, Member> members;

    mutable std::mutex count_mutex;
    std::map<std::string, std::uint64_t, std::less<>> counts;

    ReceiversPtr receivers(GroupId group) const {
        const std::shared_lock lock(mutex);
        const auto found = groups.find(group);
        return found == groups.end() ? nullptr : found->second;
    }

    void remove(std::unordered_map<std::uint64_t, Member>::iterator member) {
        const auto [group, receiver] = member->second;
        members.erase(member);
        auto& slot = groups[group];
        auto rest = std::make_shared<Receivers>(*slot);
        std::erase(*rest, receiver);
        if (rest->empty()) {
            groups.erase(group);
        } else {
            slot = std::move(rest);
        }
    }

    void count(const std::string& topic) {
        const std::lock_guard lock(count_mutex);
        const auto found = counts.find(topic);
        if (found != counts.end()) {
            ++found->second;
        } else {
            ++counts[counts.size() < topics_counted && topic.size() <= topic_counted_size ? topic : "other"];
        }
    }
};

Hub::Hub() : impl_(std::make_unique<Impl>()) {}
Hub::~Hub() = default;

void Hub::attach(GroupId group, std::shared_ptr<Receiver> receiver) {
    const std::unique_lock lock(impl_->mutex);
    if (const auto known = impl_->members.find(receiver->id()); known != impl_->members.end()) {
        if (known->second.group == group) return;
        impl_->remove(known);
    }
    auto& slot = impl_->groups[group];
    auto all = slot ? std::make_shared<Receivers>(*slot) : std::make_shared<Receivers>();
    all->push_back(receiver);
    slot = std::move(all);
    const auto id = receiver->id();
    impl_->members.emplace(id, Impl::Member{group, std::move(receiver)});
}

void Hub::detach(std::uint64_t receiver_id) {
    const std::unique_lock lock(impl_->mutex);
    if (const auto known = impl_->members.find(receiver_id); known != impl_->members.end()) impl_->remove(known);
}

void Hub::subscribe(std::uint64_t receiver_id, const std::string& topic, const rpc::Value& filter) {
    {
        const std::shared_lock lock(impl_->mutex);
        const auto known = impl_->members.find(receiver_id);
        if (known == impl_->members.end()) return;
        const bool is_new = known->second.receiver->with_subscription([&](Subscription& subscription) {
            const auto before = subscription.size();
            subscription.subscribe(topic, filter);
            return subscription.size() > before;
        });
        if (!is_new) return;
    }
    if (on_subscribed) on_subscribed(receiver_id);
}

bool Hub::unsubscribe(std::uint64_t receiver_id, const std::string& topic) {
    const std::shared_lock lock(impl_->mutex);
    const auto known = impl_->members.find(receiver_id);
    return known != impl_->members.end() && known->second.receiver->with_subscription([&](Subscription& s) { return s.unsubscribe(topic); });
}

rpc::Value Hub::subscriptions(std::uint64_t receiver_id) const {
    const std::shared_lock lock(impl_->mutex);
    const auto known = impl_->members.find(receiver_id);
    if (known == impl_->members.end()) return rpc::Array{};
    return known->second.receiver->with_subscription([](Subscription& s) { return s.list(); });
}

void Hub::publish(GroupId group, const rpc::PublicationPtr& publication, const Delivery& delivery, const Audience& audience) {
    if (auto* reply_first = ReplyFirst::of_this_thread())
        return reply_first->keep(memory_of(*publication), [=, this] { publish(group, publication, delivery, audience); });
    impl_->count(publication->topic());
    const auto receivers = impl_->receivers(group);
    if (!receivers) return;
    const Fields fields(*publication);
    for (const auto& receiver : *receivers)
        if (receiver->accepts(publication->topic(), audience.address(receiver->id()), fields)) receiver->deliver(*publication, delivery);
}

bool Hub::anyone_listens(GroupId group, std::string_view topic, const Audience& audience) const {
    const auto receivers = impl_->receivers(group);
    return receivers && std::any_of(receivers->begin(), receivers->end(), [&](const auto& receiver) {
        return receiver->may_accept(topic, audience.address(receiver->id()));
    });
}

std::vector<std::pair<std::string, std::uint64_t>> Hub::publications_by_topic() const {
    const std::lock_guard lock(impl_->count_mutex);
    return {impl_->counts.begin(), impl_->counts.end()};
}

} // namespace cubelink::pubsub
