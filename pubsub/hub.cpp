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
    std::map<std::pair<GroupId, std::string>, std::size_t> listeners; // connections that named the topic

    mutable std::mutex count_mutex;
    std::map<std::string, std::uint64_t, std::less<>> counts;

    /// Topics that got their first listener or lost their last one, told once the lock is released.
    using Changes = std::vector<std::pair<GroupId, std::string>>;

    ReceiversPtr receivers(GroupId group) const {
        const std::shared_lock lock(mutex);
        const auto found = groups.find(group);
        return found == groups.end() ? nullptr : found->second;
    }

    void listen(GroupId group, const std::string& topic, Changes& first) {
        if (++listeners[{group, topic}] == 1) first.emplace_back(group, topic);
    }

    void unlisten(GroupId group, const std::string& topic, Changes& gone) {
        const auto found = listeners.find({group, topic});
        if (found == listeners.end() || --found->second > 0) return;
        listeners.erase(found);
        gone.emplace_back(group, topic);
    }

    void remove(std::unordered_map<std::uint64_t, Member>::iterator member, Changes& gone) {
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
        for (const auto& topic : receiver->with_subscription([](Subscription& s) { return s.topics(); })) unlisten(group, topic, gone);
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
    Impl::Changes first, gone;
    {
        const std::unique_lock lock(impl_->mutex);
        if (const auto known = impl_->members.find(receiver->id()); known != impl_->members.end()) {
            if (known->second.group == group) return;
            impl_->remove(known, gone);
        }
        for (const auto& topic : receiver->with_subscription([](Subscription& s) { return s.topics(); })) impl_->listen(group, topic, first);
        auto& slot = impl_->groups[group];
        auto all = slot ? std::make_shared<Receivers>(*slot) : std::make_shared<Receivers>();
        all->push_back(receiver);
        slot = std::move(all);
        const auto id = receiver->id();
        impl_->members.emplace(id, Impl::Member{group, std::move(receiver)});
    }
    if (on_first_listener) {
        for (const auto& [of, topic] : first) on_first_listener(of, topic);
    }
    if (on_last_listener_gone) {
        for (const auto& [of, topic] : gone) on_last_listener_gone(of, topic);
    }
}

void Hub::detach(std::uint64_t receiver_id) {
    Impl::Changes gone;
    {
        const std::unique_lock lock(impl_->mutex);
        const auto known = impl_->members.find(receiver_id);
        if (known == impl_->members.end()) return;
        impl_->remove(known, gone);
    }
    if (on_last_listener_gone) {
        for (const auto& [group, topic] : gone) on_last_listener_gone(group, topic);
    }
}

void Hub::subscribe(std::uint64_t receiver_id, const std::string& topic, const rpc::Value& filter) {
    Impl::Changes first;
    {
        const std::unique_lock lock(impl_->mutex);
        const auto known = impl_->members.find(receiver_id);
        if (known == impl_->members.end()) return;
        const bool is_new = known->second.receiver->with_subscription([&](Subscription& subscription) {
            const bool named = subscription.names(topic);
            subscription.subscribe(topic, filter);
            return !named;
        });
        if (is_new) impl_->listen(known->second.group, topic, first);
    }
    if (on_first_listener) {
        for (const auto& [group, name] : first) on_first_listener(group, name);
    }
}

bool Hub::unsubscribe(std::uint64_t receiver_id, const std::string& topic) {
    Impl::Changes gone;
    {
        const std::unique_lock lock(impl_->mutex);
        const auto known = impl_->members.find(receiver_id);
        if (known == impl_->members.end()) return false;
        if (!known->second.receiver->with_subscription([&](Subscription& s) { return s.unsubscribe(topic); })) return false;
        impl_->unlisten(known->second.group, topic, gone);
    }
    if (on_last_listener_gone) {
        for (const auto& [group, name] : gone) on_last_listener_gone(group, name);
    }
    return true;
}

rpc::Value Hub::subscriptions(std::uint64_t receiver_id) const {
    const std::shared_lock lock(impl_->mutex);
    const auto known = impl_->members.find(receiver_id);
    if (known == impl_->members.end()) return rpc::Array{};
    return known->second.receiver->with_subscription([](Subscription& s) { return s.list(); });
}

void Hub::publish(GroupId group, const rpc::PublicationPtr& publication, const Delivery& delivery, std::uint64_t view_of) {
    if (auto* hold = ReplyFirst::of_this_thread())
        return hold->keep(memory_of(*publication), [=, this] { publish(group, publication, delivery, view_of); });
    impl_->count(publication->topic());
    const auto receivers = impl_->receivers(group);
    if (!receivers) return;
    const Fields fields(*publication);
    for (const auto& receiver : *receivers) {
        const bool others_view = view_of != 0 && view_of != receiver->id();
        if (receiver->wants(publication->topic(), others_view, fields)) receiver->deliver(*publication, delivery);
    }
}

bool Hub::anyone_listens(GroupId group, std::string_view topic, std::uint64_t view_of) const {
    const auto receivers = impl_->receivers(group);
    return receivers && std::any_of(receivers->begin(), receivers->end(), [&](const auto& receiver) {
        return receiver->may_want(topic, view_of != 0 && view_of != receiver->id());
    });
}

std::vector<std::pair<std::string, std::uint64_t>> Hub::publications_by_topic() const {
    const std::lock_guard lock(impl_->count_mutex);
    return {impl_->counts.begin(), impl_->counts.end()};
}

} // namespace cubelink::pubsub
