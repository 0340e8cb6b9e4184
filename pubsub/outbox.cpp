#include "pubsub/outbox.hpp"

#include <algorithm>
#include <iterator>

namespace cubelink::pubsub {

namespace {

constexpr std::size_t max_idle_sets = 1000;

bool sends_nothing(const rpc::EncodedPtr& message) { return !message || message->frames.empty(); }

std::size_t cost_of(const rpc::EncodedPtr& message) { return message->bytes + Outbox::overhead; }

} // namespace

void OutboxBudget::enter(Outbox* outbox) {
    const platform::MutexLock lock(mutex_);
    outboxes_.push_back(outbox);
}

void OutboxBudget::leave(Outbox* outbox) {
    const platform::MutexLock lock(mutex_);
    std::erase(outboxes_, outbox);
}

bool OutboxBudget::relieve() {
    // The lock is held to the end, so that the outbox cannot be destroyed under our hands.
    const platform::MutexLock lock(mutex_);
    Outbox* fullest = nullptr;
    for (auto* outbox : outboxes_) {
        if (outbox->used() > (fullest ? fullest->used() : 0)) fullest = outbox;
    }
    if (!fullest) return false;
    {
        const Outbox::Lock its_lock(fullest->mutex_);
        if (fullest->closed_) return true;
        fullest->overflow();
    }
    if (fullest->on_relieved) fullest->on_relieved();
    return true;
}

Outbox::Outbox(std::size_t limit, std::shared_ptr<OutboxBudget> budget) : limit_(limit), budget_(std::move(budget)) { budget_->enter(this); }

Outbox::~Outbox() {
    budget_->leave(this);
    clear();
}

Outbox::Pushed Outbox::push(rpc::EncodedPtr message, const Delivery& delivery) {
    if (sends_nothing(message)) return Pushed::left_out;
    Lock lock(mutex_);
    if (closed_) return Pushed::closed;
    if (delivery.set_id != 0) return push_of_set(std::move(message), delivery, lock);
    if (delivery.delivery_class == DeliveryClass::replaceable) return push_replaceable(std::move(message), delivery, lock);

    const auto bytes = cost_of(message);
    const bool must = delivery.delivery_class == DeliveryClass::must_arrive;
    if (!must && (used() + bytes > limit_ / 2 || budget_->used() + bytes > budget_->limit() / 2)) {
        budget_->dropped.fetch_add(1, std::memory_order_relaxed);
        return Pushed::left_out;
    }
    if (!make_room(bytes, must, lock)) return closed_ ? Pushed::closed : Pushed::left_out;
    const auto position = insert(items_.end(), std::move(message));
    if (must) {
        last_must_arrive_ = position->sequence;
    } else {
        position->delivery_class = DeliveryClass::droppable;
        ++droppables_;
    }
    return Pushed::queued;
}

Outbox::Pushed Outbox::push_of_set(rpc::EncodedPtr&& message, const Delivery& delivery, Lock& lock) {
    if (const auto known = sets_.find(delivery.set_key); known != sets_.end() && delivery.generation > known->second.generation) {
        remove_older_sets(delivery.set_key, delivery.generation);
        known->second.generation = delivery.generation;
    }
    if (comes_too_late(delivery)) return Pushed::left_out;
    if (!make_room(cost_of(message), true, lock)) return Pushed::closed;
    if (comes_too_late(delivery)) return Pushed::left_out; // the lock may have been released in between
    const auto position = insert(items_.end(), std::move(message));
    position->set_id = delivery.set_id;
    position->set_end = delivery.set_end;
    position->generation = delivery.generation;
    position->key = delivery.set_key;
    // Keys that nothing waits under are kept to know stragglers by; those of a connection that shows another file every second would be many.
    forget_idle_sets();
    auto& set = sets_[delivery.set_key];
    set.generation = std::max(set.generation, delivery.generation);
    ++set.waiting;
    last_must_arrive_ = position->sequence;
    return Pushed::queued;
}

/// The newest takes the place of the one that waits, unless a message that must arrive came in between: it may be the answer of
/// the very call that made the new one, and must not be overtaken. Then the new one goes to the end and may be replaced there, while
/// the old one keeps its place: were it moved to the end each time, a client that is slow enough would never see any.
Outbox::Pushed Outbox::push_replaceable(rpc::EncodedPtr&& message, const Delivery& delivery, Lock& lock) {
    const auto bytes = cost_of(message);
    auto known = replaceables_.find(delivery.key);
    const bool stays = known != replaceables_.end() && known->second.first == known->second.last && known->second.last->sequence < last_must_arrive_;
    const std::size_t freed = known == replaceables_.end() || stays ? 0 : known->second.last->cost;
    if (bytes > freed && !make_room(bytes - freed, false, lock)) return Pushed::left_out;

    if (known != replaceables_.end()) {
        auto& [first, last] = known->second;
        if (last->sequence > last_must_arrive_) {
            budget_->merged.fetch_add(1, std::memory_order_relaxed);
            give_back(*last, last->cost);
            last->message = std::move(message);
            take_cost(*last, bytes);
            return Pushed::queued;
        }
        if (first != last) {
            budget_->merged.fetch_add(1, std::memory_order_relaxed);
            remove(last);
            known = replaceables_.find(delivery.key);
        }
    }
    const auto position = insert(items_.end(), std::move(message));
    position->delivery_class = DeliveryClass::replaceable;
    position->key = delivery.key;
    if (known == replaceables_.end()) {
        replaceables_.emplace(delivery.key, Replaceable{position, position});
    } else {
        known->second.last = position;
    }
    return Pushed::queued;
}

Outbox::Ticket Outbox::open_ticket() {
    const platform::MutexLock lock(mutex_);
    return next_ticket_++;
}

std::size_t Outbox::open_tickets() const {
    const platform::MutexLock lock(mutex_);
    return next_ticket_ - next_answer_ - held_answers_.size();
}

Outbox::Pushed Outbox::answer(Ticket ticket, rpc::EncodedPtr message) {
    Lock lock(mutex_);
    if (closed_) return Pushed::closed;
    const bool silent = sends_nothing(message);
    if (!silent && !make_room(cost_of(message), true, lock)) return Pushed::closed;

    if (ticket == next_answer_) {
        if (!silent) last_must_arrive_ = insert(held_, std::move(message))->sequence;
        ++next_answer_;
        while (!held_answers_.empty() && held_answers_.begin()->first == next_answer_) {
            held_answers_.erase(held_answers_.begin());
            ++next_answer_;
        }
        // Held answers stand in the order of their tickets: all before the first that remains may leave.
        const auto silent_answer = items_.end();
        const auto first = std::find_if(held_answers_.begin(), held_answers_.end(), [&](const auto& held) { return held.second != silent_answer; });
        held_ = first == held_answers_.end() ? items_.end() : first->second;
        return Pushed::queued;
    }
    auto position = items_.end();
    if (!silent) {
        auto later = held_answers_.upper_bound(ticket);
        while (later != held_answers_.end() && later->second == items_.end()) ++later;
        const auto before = later == held_answers_.end() ? items_.end() : later->second;
        position = insert(before, std::move(message));
        last_must_arrive_ = position->sequence;
        if (before == held_) held_ = position; // it is the first that is held, or the only one
    }
    held_answers_.emplace(ticket, position);
    return Pushed::queued;
}

Outbox::Pushed Outbox::answer_unordered(rpc::EncodedPtr message) {
    if (sends_nothing(message)) return Pushed::left_out;
    Lock lock(mutex_);
    if (closed_) return Pushed::closed;
    if (!make_room(cost_of(message), true, lock)) return Pushed::closed;
    last_must_arrive_ = insert(held_, std::move(message))->sequence;
    return Pushed::queued;
}

void Outbox::take(std::size_t max_frames, std::size_t max_bytes, std::vector<Taken>& frames) {
    frames.clear();
    std::vector<std::function<void()>> ready; // called at the end of the block, without the lock
    struct Call {
        std::vector<std::function<void()>>& all;
        ~Call() {
            for (auto& one : all) one();
        }
    } const call{ready};
    const platform::MutexLock lock(mutex_);
    std::size_t bytes = 0, given_back = 0;
    const auto count_back = [&](Item& item, std::size_t part) CUBELINK_REQUIRES(mutex_) {
        given_back += part;
        item.cost -= part;
        if (item.large) large_ -= part;
    };
    while (frames.size() < max_frames && (frames.empty() || bytes < max_bytes) && items_.begin() != held_) {
        const auto item = items_.begin();
        const auto size = item->message->frames[next_frame_].size();
        if (next_frame_ == 0) {
            leave_index(item); // from here on it can be neither replaced nor removed
            if (item->set_id != 0) begun_.insert(item->set_id);
        }
        bytes += size;
        if (next_frame_ + 1 < item->message->frames.size()) {
            count_back(*item, std::min(item->cost, size));
            frames.push_back({item->message, next_frame_++});
            continue;
        }
        frames.push_back({std::move(item->message), next_frame_});
        next_frame_ = 0;
        count_back(*item, item->cost);
        if (item->set_end) begun_.erase(item->set_id);
        items_.erase(item);
    }
    if (given_back > 0) refund(given_back);
    taken_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    take_ready_waiters(ready);
}

void Outbox::take_ready_waiters(std::vector<std::function<void()>>& ready) {
    for (std::size_t promised = 0; !waiters_.empty() && room_for(promised + waiters_.front().bytes); waiters_.pop_front()) {
        promised += waiters_.front().bytes;
        ready.push_back(std::move(waiters_.front().ready));
    }
}

void Outbox::overtake_sets(const std::string& set_key, std::uint64_t generation) {
    std::vector<std::function<void()>> ready;
    {
        const platform::MutexLock lock(mutex_);
        if (closed_) return;
        remove_older_sets(set_key, generation);
        forget_idle_sets();
        auto& set = sets_[set_key];
        set.generation = std::max(set.generation, generation);
        take_ready_waiters(ready);
    }
    for (const auto& one : ready) one();
}

bool Outbox::idle() const {
    const platform::MutexLock lock(mutex_);
    return items_.empty() || items_.begin() == Items::const_iterator(held_);
}

bool Outbox::overflowed() const {
    const platform::MutexLock lock(mutex_);
    return overflowed_;
}

void Outbox::when_room(std::size_t bytes, std::function<void()> ready, Turn turn) {
    {
        const platform::MutexLock lock(mutex_);
        if (!may_go(bytes, turn)) {
            if (turn == Turn::has_been_called) waiters_.push_front({bytes, std::move(ready)});
            else waiters_.push_back({bytes, std::move(ready)});
            return;
        }
    }
    ready();
}

bool Outbox::has_room(std::size_t bytes, Turn turn) const {
    const platform::MutexLock lock(mutex_);
    return may_go(bytes, turn);
}

void Outbox::close() {
    std::deque<Waiter> waiters; // what they hold may lead back here: they go without the lock
    const platform::MutexLock lock(mutex_);
    closed_ = true;
    waiters.swap(waiters_);
    clear();
}

Outbox::Position Outbox::insert(Position before, rpc::EncodedPtr&& message) {
    const auto bytes = cost_of(message);
    Item item;
    item.message = std::move(message);
    item.sequence = ++sequence_;
    const auto position = items_.insert(before, std::move(item));
    take_cost(*position, bytes);
    budget_->pushed.fetch_add(1, std::memory_order_relaxed);
    return position;
}

/// As far as this outbox's own limit goes.
bool Outbox::fits(std::size_t bytes) const {
    if (items_.empty() || used() + bytes <= limit_) return true;
    return is_large(bytes) ? large_ == 0 : used() - large_ + bytes <= limit_;
}

/// Whether it is of a set that was removed, or of an older generation altogether; counts it then.
bool Outbox::comes_too_late(const Delivery& delivery) const {
    const auto known = sets_.find(delivery.set_key);
    if (known == sets_.end() || delivery.generation >= known->second.generation || begun_.contains(delivery.set_id)) return false;
    budget_->overtaken.fetch_add(1, std::memory_order_relaxed);
    return true;
}

/// Whether a producer that can wait may go on.
bool Outbox::room_for(std::size_t bytes) const { return items_.empty() || used() + bytes <= limit_ / 2; }

/// Whether so many bytes more may be taken in; droppable messages give way. If a message that `must` arrive does not fit, the
/// outbox overflows; for such a message the lock is released for a moment where the process's limit is what was reached.
bool Outbox::make_room(std::size_t bytes, bool must, Lock& lock) {
    if (!fits(bytes)) {
        if (droppables_ > 0) remove_droppables();
        if (!fits(bytes)) {
            if (must) overflow();
            return false;
        }
    }
    while (budget_->used() + bytes > budget_->limit()) {
        if (droppables_ > 0) {
            remove_droppables();
            continue;
        }
        if (!must) return false;
        const bool relieved = relieve_budget(lock);
        if (closed_) return false;
        if (!relieved) {
            overflow(); // larger, on its own, than the process has room for
            return false;
        }
    }
    return true;
}

bool Outbox::relieve_budget(Lock& lock) {
    lock.unlock();
    const bool relieved = budget_->relieve();
    lock.lock();
    return relieved;
}

void Outbox::remove(Position position) {
    leave_index(position);
    give_back(*position, position->cost);
    items_.erase(position);
}

/// Takes the item out of the tables by which it could be replaced or removed.
void Outbox::leave_index(Position position) {
    if (position->set_id != 0) {
        --sets_[position->key].waiting;
    } else if (position->delivery_class == DeliveryClass::droppable) {
        --droppables_;
    } else if (position->delivery_class == DeliveryClass::replaceable) {
        const auto known = replaceables_.find(position->key);
        auto& [first, last] = known->second;
        if (first == last) {
            replaceables_.erase(known);
        } else if (position == first) {
            first = last;
        } else {
            last = first;
        }
    }
    position->delivery_class = DeliveryClass::must_arrive;
}

void Outbox::remove_droppables() {
    for (auto item = items_.begin(); item != items_.end();) {
        const auto next = std::next(item);
        if (item->delivery_class == DeliveryClass::droppable) {
            remove(item);
            budget_->dropped.fetch_add(1, std::memory_order_relaxed);
        }
        item = next;
    }
}

void Outbox::forget_idle_sets() {
    if (sets_.size() >= max_idle_sets) std::erase_if(sets_, [](const auto& entry) { return entry.second.waiting == 0; });
}

void Outbox::remove_older_sets(const std::string& set_key, std::uint64_t generation) {
    if (sets_[set_key].waiting == 0) return;
    for (auto item = items_.begin(); item != items_.end();) {
        const auto next = std::next(item);
        if (item->set_id != 0 && item->generation < generation && item->key == set_key && !begun_.contains(item->set_id)) {
            remove(item);
            budget_->overtaken.fetch_add(1, std::memory_order_relaxed);
        }
        item = next;
    }
}

void Outbox::take_cost(Item& item, std::size_t bytes) {
    item.cost = bytes;
    item.large = is_large(bytes);
    if (item.large) large_ += bytes;
    used_.fetch_add(bytes, std::memory_order_relaxed);
    budget_->used_.fetch_add(bytes, std::memory_order_relaxed);
}

void Outbox::give_back(Item& item, std::size_t bytes) {
    item.cost -= bytes;
    if (item.large) large_ -= bytes;
    refund(bytes);
}

void Outbox::refund(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    budget_->used_.fetch_sub(bytes, std::memory_order_relaxed);
}

void Outbox::overflow() {
    overflowed_ = closed_ = true;
    budget_->overflows.fetch_add(1, std::memory_order_relaxed);
    clear();
}

void Outbox::clear() {
    refund(used());
    large_ = 0;
    items_.clear();
    held_ = items_.end();
    next_frame_ = 0;
    droppables_ = 0;
    replaceables_.clear();
    sets_.clear();
    begun_.clear();
    held_answers_.clear();
}

} // namespace cubelink::pubsub
