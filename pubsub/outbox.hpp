#pragma once
/// What waits for one connection: a bounded queue of encoded messages, and the order in which answers leave.
///
/// push() and answer() may be called from any thread; take() on the network thread only. Bytes are counted with a fixed overhead
/// for each message, so that a million small ones are not free. Once a message that must arrive no longer fits, the outbox is
/// *overflowed*: it forgets everything, takes nothing more, and its connection is to be closed with 1013.
///
/// The order of answers: calls take a ticket when they come, and their answers leave in the order of the tickets. An answer that is
/// given before that of an earlier ticket is held, and everything pushed after it waits behind it: what a call published never
/// overtakes its answer. Answers without a ticket (long work) are not held.

#include "platform/mutex.hpp"
#include "pubsub/delivery.hpp"
#include "rpc/message.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace cubelink::pubsub {

class Outbox;

/// Bytes that wait for all connections together, and what became of messages. Thread-safe; shared by all outboxes.
/// When the process's limit is reached, the fullest outbox overflows, not the one whose message did not fit.
class OutboxBudget {
public:
    explicit OutboxBudget(std::size_t limit) : limit_(limit) {}
    std::size_t limit() const { return limit_; }
    std::size_t used() const { return used_.load(std::memory_order_relaxed); }

    std::atomic<std::uint64_t> pushed{0};    // messages taken in
    std::atomic<std::uint64_t> dropped{0};   // droppable ones left out under pressure
    std::atomic<std::uint64_t> merged{0};    // replaced by a newer one with the same key
    std::atomic<std::uint64_t> overtaken{0}; // of tile sets that a newer generation made superfluous
    std::atomic<std::uint64_t> overflows{0}; // connections that did not read and were given up

private:
    friend class Outbox;
    const std::size_t limit_;
    std::atomic<std::size_t> used_{0};
    platform::Mutex mutex_;
    std::vector<Outbox*> outboxes_ CUBELINK_GUARDED_BY(mutex_);

    void enter(Outbox* outbox);
    void leave(Outbox* outbox);
    /// Has the fullest outbox overflow. False if none holds anything.
    bool relieve();
};

class Outbox {
public:
    /// What became of a message.
    enum class Pushed { queued, left_out, closed };
    using Ticket = std::uint64_t;

    /// Cost of a message beyond its bytes.
    static constexpr std::size_t overhead = 256;

    /// `limit` in bytes. One message of more than half of it may wait besides: a large answer neither fails nor leaves no room for small ones.
    Outbox(std::size_t limit, std::shared_ptr<OutboxBudget> budget);
    ~Outbox();
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    Pushed push(rpc::EncodedPtr message, const Delivery& delivery = {});

    /// The next place in the order of answers.
    Ticket open_ticket();
    /// The answer of the call with this ticket; nullptr: it has none to send. Each ticket is answered once.
    Pushed answer(Ticket ticket, rpc::EncodedPtr message);
    /// An answer outside of the order: ahead of what is held.
    Pushed answer_unordered(rpc::EncodedPtr message);
    /// Calls whose tickets are open.
    std::size_t open_tickets() const;

    /// One frame that is to be sent: `message->frames[frame]`.
    struct Taken {
        rpc::EncodedPtr message;
        std::size_t frame = 0;
    };
    /// Frames to send next, in order, one at least, no more than `max_frames`, and none once they have `max_bytes`: the last may pass that, so that
    /// a large frame leaves in one go with the small one ahead of it. A message of several frames may be handed out in parts; nothing
    /// comes between them. Empty if nothing is ready. Replaces what `frames` held.
    void take(std::size_t max_frames, std::size_t max_bytes, std::vector<Taken>& frames);
    /// Whether take() would give nothing.
    bool idle() const;

    bool overflowed() const;
    /// Called, outside of this outbox's lock, when the process's limit made it overflow on another one's behalf. Set before use.
    std::function<void()> on_relieved;
    /// Bytes that wait, overhead included.
    std::size_t used() const { return used_.load(std::memory_order_relaxed); }
    std::size_t limit() const { return limit_; }
    /// Bytes of payload that take() has handed out so far.
    std::uint64_t taken_bytes() const { return taken_bytes_.load(std::memory_order_relaxed); }

    /// Calls `ready` once so many bytes more would leave half of the limit free, or nothing waits: at once on this thread, or later on the one
    /// that calls take(), outside of locks. For producers of much data, which would otherwise make a client overflow that reads
    /// more slowly than they work. Called at once when closed; callbacks that wait when it is closed are dropped.
    /// `turn`: who has been called and then found that the room was gone waits ahead of all others again.
    enum class Turn { new_in_line, has_been_called };
    void when_room(std::size_t bytes, std::function<void()> ready, Turn turn = Turn::new_in_line);
    /// Whether when_room() would call at once. Others that wait come first, unless it is one's own turn.
    bool has_room(std::size_t bytes, Turn turn = Turn::new_in_line) const;

    /// As if a set of that generation had been pushed: of older sets with the key, those that have not begun to leave are forgotten, and so is what
    /// is still pushed of them.
    void overtake_sets(const std::string& set_key, std::uint64_t generation);

    /// The connection is gone: forgets everything and takes nothing more.
    void close();

private:
    struct Item {
        rpc::EncodedPtr message;
        DeliveryClass delivery_class = DeliveryClass::must_arrive;
        bool set_end = false;
        std::uint64_t set_id = 0, generation = 0;
        std::string key; // of a replaceable message, or of a set
        std::uint64_t sequence = 0;
        std::size_t cost = 0; // what is charged for it and has not been given back
        bool large = false;   // see large_
    };
    using Items = std::list<Item>;
    using Position = Items::iterator;
    struct Replaceable { // the messages of one key that wait: one or two, see push_replaceable()
        Position first, last;
    };
    struct SetKey {
        std::uint64_t generation = 0;
        std::size_t waiting = 0; // messages of sets with this key
    };

    const std::size_t limit_;
    const std::shared_ptr<OutboxBudget> budget_;
    std::atomic<std::size_t> used_{0};
    std::atomic<std::uint64_t> taken_bytes_{0};

    mutable platform::Mutex mutex_;
    Items items_ CUBELINK_GUARDED_BY(mutex_);
    Position held_ CUBELINK_GUARDED_BY(mutex_) = items_.end(); // the first item that may not leave yet, always the answer of a ticket; or end()
    std::size_t next_frame_ CUBELINK_GUARDED_BY(mutex_) = 0;   // of the first item: frames before it have left
    std::uint64_t sequence_ CUBELINK_GUARDED_BY(mutex_) = 0, last_must_arrive_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::size_t droppables_ CUBELINK_GUARDED_BY(mutex_) = 0; // that wait
    std::unordered_map<std::string, Replaceable> replaceables_ CUBELINK_GUARDED_BY(mutex_);
    std::unordered_map<std::string, SetKey> sets_ CUBELINK_GUARDED_BY(mutex_);
    std::unordered_set<std::uint64_t> begun_ CUBELINK_GUARDED_BY(mutex_); // sets of which something has left and the end has not
    Ticket next_ticket_ CUBELINK_GUARDED_BY(mutex_) = 0, next_answer_ CUBELINK_GUARDED_BY(mutex_) = 0;
    std::map<Ticket, Position> held_answers_ CUBELINK_GUARDED_BY(mutex_); // end(): an answer that sends nothing
    std::size_t large_ CUBELINK_GUARDED_BY(mutex_) = 0; // of used_, what large messages take: it does not count against the others
    struct Waiter {
        std::size_t bytes;
        std::function<void()> ready;
    };
    std::deque<Waiter> waiters_ CUBELINK_GUARDED_BY(mutex_); // of when_room()
    bool closed_ CUBELINK_GUARDED_BY(mutex_) = false, overflowed_ CUBELINK_GUARDED_BY(mutex_) = false;

    friend class OutboxBudget;
    using Lock = platform::MutexLock;
    Pushed push_of_set(rpc::EncodedPtr&& message, const Delivery& delivery, Lock& lock) CUBELINK_REQUIRES(mutex_);
    Pushed push_replaceable(rpc::EncodedPtr&& message, const Delivery& delivery, Lock& lock) CUBELINK_REQUIRES(mutex_);
    Position insert(Position before, rpc::EncodedPtr&& message) CUBELINK_REQUIRES(mutex_);
    bool comes_too_late(const Delivery& delivery) const CUBELINK_REQUIRES(mutex_);
    bool fits(std::size_t bytes) const CUBELINK_REQUIRES(mutex_);
    bool room_for(std::size_t bytes) const CUBELINK_REQUIRES(mutex_);
    bool may_go(std::size_t bytes, Turn turn) const CUBELINK_REQUIRES(mutex_) { return closed_ || ((turn == Turn::has_been_called || waiters_.empty()) && room_for(bytes)); }
    bool make_room(std::size_t bytes, bool must, Lock& lock) CUBELINK_REQUIRES(mutex_);
    /// Unlocks the caller's lock meanwhile, which the analysis cannot follow.
    bool relieve_budget(Lock& lock) CUBELINK_REQUIRES(mutex_) CUBELINK_NO_THREAD_SAFETY_ANALYSIS;
    void remove(Position position) CUBELINK_REQUIRES(mutex_);
    void leave_index(Position position) CUBELINK_REQUIRES(mutex_);
    void remove_droppables() CUBELINK_REQUIRES(mutex_);
    void remove_older_sets(const std::string& set_key, std::uint64_t generation) CUBELINK_REQUIRES(mutex_);
    void forget_idle_sets() CUBELINK_REQUIRES(mutex_);
    void take_ready_waiters(std::vector<std::function<void()>>& ready) CUBELINK_REQUIRES(mutex_);
    void take_cost(Item& item, std::size_t bytes) CUBELINK_REQUIRES(mutex_);
    void give_back(Item& item, std::size_t bytes) CUBELINK_REQUIRES(mutex_);
    void refund(std::size_t bytes);
    bool is_large(std::size_t bytes) const { return bytes > limit_ / 2; }
    void overflow() CUBELINK_REQUIRES(mutex_);
    void clear() CUBELINK_REQUIRES(mutex_);
};

} // namespace cubelink::pubsub
