#include "server/products/board.hpp"

#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"
#include "server/products/batch.hpp"

#include <algorithm>
#include <atomic>
#include <climits>
#include <deque>
#include <set>
#include <tuple>

namespace cubelink::server {

using platform::MutexLock;
using Clock = std::chrono::steady_clock;
using Entry = ProductEntry;
using EntryPtr = std::shared_ptr<Entry>;
using BatchPtr = std::shared_ptr<ProductBatch>;

namespace {

/// Quick products that took longer than this are computed by jobs, until they are quick again: a disk that doesn't answer must not keep the thread of
/// the session's commands.
constexpr auto quick_limit = std::chrono::milliseconds(10);

void call_all(const Callbacks& callbacks) {
    for (const auto& callback : callbacks) {
        try {
            callback();
        } catch (const std::exception& e) { // those behind it must be called too
            log::error(std::string("after a product: ") + e.what());
        }
    }
}

Connections minus(const Connections& from, const Connections& others) {
    Connections rest;
    std::set_difference(from.begin(), from.end(), others.begin(), others.end(), std::back_inserter(rest));
    return rest;
}
Connections both(const Connections& a, const Connections& b) {
    Connections common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
    return common;
}
Connections either(const Connections& a, const Connections& b) {
    Connections all;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
    return all;
}

} // namespace

struct ProductBoard::State {
    struct Key {
        std::size_t kind = 0;
        std::int32_t region_id = 0;
        std::string part;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    /// A job that has been posted and has not started. Its batch is exchanged when it has become pointless: so there are never more of them than
    /// products.
    struct Slot {
        BatchPtr batch;
    };
    using SlotPtr = std::shared_ptr<Slot>;
    struct ImageRecord {
        std::int32_t file_id = 0;
        bool abandoned = false;
        bool prompt = true; // its quick products have been quick
        std::map<Key, EntryPtr> entries;
        std::vector<SlotPtr> slots;
        std::vector<BatchPtr> paused; // until clients have room
        BatchPtr plane;
        std::uint64_t view = 1;
    };

    Environment& environment;
    const std::vector<std::string> kind_names;
    const std::chrono::milliseconds patience, live_interval;

    mutable platform::Mutex mutex;
    std::map<std::uint64_t, ImageRecord> images CUBELINK_GUARDED_BY(mutex);
    std::uint64_t last_epoch CUBELINK_GUARDED_BY(mutex) = 0;
    std::size_t unfinished CUBELINK_GUARDED_BY(mutex) = 0;

    // ---- What is due

    /// The end of what is pending of the entry, if something is. `keep_running`: but for what is being computed.
    void settle(Entry& entry, Entry::Progress progress, Callbacks& callbacks, bool keep_running = false) CUBELINK_REQUIRES(mutex) {
        entry.set_epoch(0, {});
        entry.deferred.reset();
        const bool computed = entry.computing != 0 && entry.computing == entry.pending_epoch;
        if (entry.computing != 0 && !keep_running) entry.computing_cancel.cancel();
        if (entry.progress != Entry::Progress::pending) {
            entry.progress = progress;
            return;
        }
        entry.progress = progress;
        if (!keep_running || !computed) entry.cancel.cancel();
        --unfinished;
        if (const auto batch = entry.batch.lock()) {
            batch->items[entry.index].settled = true;
            batch->take_satisfied(callbacks);
            if (auto paused = take_paused(batch)) callbacks.push_back([kept = std::move(paused)] {}); // what it holds is released outside of the lock
        }
    }

    /// Whether a newer state of the product waits for the end of what is being computed of it.
    bool is_waited_for(Entry& entry, const Product& newer) const CUBELINK_REQUIRES(mutex) {
        const auto &was = entry.input, &is = newer.input;
        return newer.live && entry.computing != 0 && !entry.computing_cancel.cancelled() && was.size() == is.size() && !is.empty() &&
               std::equal(was.begin(), was.end() - 1, is.begin()) && !entry.published_within(live_interval);
    }

    /// Null if it is not paused.
    BatchPtr take_paused(const BatchPtr& batch) CUBELINK_REQUIRES(mutex) {
        const auto image = images.find(batch->image);
        if (image == images.end()) return nullptr;
        auto& paused = image->second.paused;
        const auto it = std::find(paused.begin(), paused.end(), batch);
        if (it == paused.end()) return nullptr;
        auto taken = std::move(*it);
        paused.erase(it);
        return taken;
    }

    void list(ImageRecord& record, std::uint64_t image, std::size_t kind, Product&& product, const std::optional<Update::Request>& request,
              ProductBatch& batch, Callbacks& callbacks) CUBELINK_REQUIRES(mutex) {
        using Progress = Entry::Progress;
        auto& slot = record.entries[Key{kind, product.region_id, product.part}];
        const bool is_new = !slot;
        if (is_new) slot = std::make_shared<Entry>();
        Entry& entry = *slot;

        const bool by_requirement = product.audience.kind == pubsub::Audience::Kind::required;
        const bool requested = by_requirement && product.resend && request && request->region_id == product.region_id &&
                               product.audience.address(request->connection) == pubsub::Address::addressed;
        const bool same = !is_new && (entry.input == product.input || (product.keep_input && !requested));
        const bool keep_running = !is_new && !same && is_waited_for(entry, product);
        if (!same) {
            entry.input = product.input;
            entry.served.clear();
        } else if (requested) {
            std::erase(entry.served, request->connection);
        }
        if (by_requirement) {
            entry.served = both(entry.served, product.audience.connections);
            entry.target = minus(product.audience.connections, entry.served);
            product.audience.connections = entry.target;
            if (entry.target.empty()) {
                settle(entry, Progress::finished, callbacks); // everybody has got it
                return;
            }
        }
        // It goes on, for whom it concerns now; unless it may have been published just before somebody asked for it.
        if (same && entry.progress == Progress::pending && entry.set_audience(product.audience, requested)) {
            // The one whose outbox had no room may be gone.
            if (const auto pending = entry.batch.lock())
                if (auto paused = take_paused(pending)) callbacks.push_back([this, paused = std::move(paused)] { post(paused); });
            return;
        }
        if (same && entry.progress == Progress::finished && !by_requirement) return;
        if (same && entry.progress == Progress::skipped && !product.catches_up) return;

        settle(entry, Progress::skipped, callbacks, keep_running);
        if (!environment.anyone_listens(product.topic, product.audience)) {
            if (keep_running) entry.computing_cancel.cancel();
            return;
        }
        entry.progress = Progress::pending;
        ++unfinished;
        entry.cancel = imaging::CancelToken();
        const auto epoch = ++last_epoch;
        entry.pending_epoch = epoch;
        entry.set_epoch(epoch, product.audience, keep_running ? entry.computing : 0);
        if (const auto waiting = waiting_batch(record, batch, kind, product)) {
            waiting->join({kind, std::make_shared<const Product>(std::move(product)), slot, epoch});
            entry.batch = waiting;
            return;
        }
        if (product.rank == Rank::separate) add(*separate_batch(batch, image), kind, std::move(product), slot, epoch);
        else add(batch, kind, std::move(product), slot, epoch);
    }

    /// One that has not been started and that the product may join; null if there is none.
    static BatchPtr waiting_batch(const ImageRecord& record, const ProductBatch& batch, std::size_t kind, const Product& product) {
        if (product.together.empty() || product.rank != Rank::separate) return nullptr;
        for (auto it = batch.separate.rbegin(); it != batch.separate.rend(); ++it)
            if ((*it)->is_joined_by(kind, product)) return *it;
        for (const auto& slot : record.slots)
            if (slot->batch->is_joined_by(kind, product)) return slot->batch;
        return nullptr;
    }

    static BatchPtr separate_batch(ProductBatch& batch, std::uint64_t image) {
        batch.separate.push_back(std::make_shared<ProductBatch>());
        batch.separate.back()->image = image;
        return batch.separate.back();
    }

    static void add(ProductBatch& batch, std::size_t kind, Product&& product, const EntryPtr& entry, std::uint64_t epoch) {
        batch.items.push_back({kind, std::make_shared<const Product>(std::move(product)), entry, epoch});
    }

    /// Of a kind, or of one region of it.
    void withdraw_unlisted(ImageRecord& record, std::size_t kind, std::optional<std::int32_t> region_id, const std::set<Key>& listed, Callbacks& callbacks)
        CUBELINK_REQUIRES(mutex) {
        auto it = record.entries.lower_bound(Key{kind, region_id.value_or(INT32_MIN), {}});
        while (it != record.entries.end() && it->first.kind == kind && (!region_id || it->first.region_id == *region_id)) {
            if (listed.contains(it->first)) {
                ++it;
                continue;
            }
            Entry& entry = *it->second;
            if (entry.progress == Entry::Progress::pending)
                if (const auto batch = entry.batch.lock(); batch && batch->items[entry.index].product->on_withdrawn)
                    callbacks.push_back(batch->items[entry.index].product->on_withdrawn);
            settle(entry, Entry::Progress::finished, callbacks);
            it = record.entries.erase(it);
        }
    }

    void give_up_all(ImageRecord& record, Callbacks& callbacks) CUBELINK_REQUIRES(mutex) {
        record.abandoned = true;
        for (const auto& named : record.entries) settle(*named.second, Entry::Progress::finished, callbacks);
        record.entries.clear();
    }

    // ---- Computing

    bool is_prompt(std::uint64_t image) const {
        const MutexLock lock(mutex);
        const auto it = images.find(image);
        return it != images.end() && it->second.prompt;
    }

    void start(const BatchPtr& batch) {
        if (batch->quick && is_prompt(batch->image)) return run(batch, 1);
        if (batch->quick) batch->job_class = JobClass::view; // it may have to wait for a disk
        post(batch);
    }

    void post(const BatchPtr& batch);
    /// Computes the item, which has been computed in part, again when there is room for so many bytes.
    void pause(const BatchPtr& batch, std::size_t index, std::size_t bytes);
    void drop(Slot& slot);
    void forget(const SlotPtr& slot) CUBELINK_REQUIRES(mutex) {
        if (const auto it = images.find(slot->batch->image); it != images.end()) std::erase(it->second.slots, slot);
    }

    void run(const BatchPtr& batch, const ThreadShare& threads) {
        if (!batch->items.empty() && !batch->items.front().product->together.empty()) return run_together(batch, threads);
        const auto begun = Clock::now();
        for (std::size_t i = 0; i < batch->front; ++i) run_step(batch, batch->steps[i], threads);
        if (batch->quick && batch->front > 0) {
            const MutexLock lock(mutex);
            if (const auto it = images.find(batch->image); it != images.end()) it->second.prompt = Clock::now() - begun < quick_limit;
        }
        for (const auto& separate : batch->separate) {
            const auto settled = [&] {
                const MutexLock lock(mutex);
                return separate->all_settled();
            };
            if (settled()) continue;
            if (separate->quick && is_prompt(separate->image)) run(separate, threads);
            else post(separate);
        }
        for (std::size_t i = batch->front; i < batch->steps.size(); ++i) run_step(batch, batch->steps[i], threads);
    }

    void run_step(const BatchPtr& batch, ProductBatch::Step step, const ThreadShare& threads);
    void run_together(const BatchPtr& batch, const ThreadShare& threads);
    /// False: it has been settled, or it waits for the end of an older state, after which another batch takes it up.
    bool begin(const BatchPtr& batch, std::size_t index) {
        const MutexLock lock(mutex);
        const auto& item = batch->items[index];
        if (item.settled) return false;
        auto& entry = *item.entry;
        if (entry.computing != 0 && entry.waits_for_older()) {
            entry.deferred = batch;
            entry.deferred_index = index;
            return false;
        }
        entry.computing = item.epoch;
        entry.computing_cancel = entry.cancel;
        return true;
    }
    /// A state is not computed any more. Returns what has waited for that.
    BatchPtr end(Entry& entry, std::uint64_t epoch, Callbacks& callbacks) CUBELINK_REQUIRES(mutex) {
        if (entry.computing != epoch) return nullptr;
        entry.computing = 0;
        entry.forget_older();
        const auto from = std::exchange(entry.deferred, nullptr);
        if (!from || from->items[entry.deferred_index].settled) return nullptr;
        const auto next = std::make_shared<ProductBatch>();
        next->image = from->image;
        next->items.push_back(from->items[entry.deferred_index]);
        from->items[entry.deferred_index].settled = true;
        from->take_satisfied(callbacks);
        next->prepare();
        entry.batch = next;
        return next;
    }
    /// What is late is published by its stopgap, if it has one, and waited for no longer otherwise.
    void check_patience(const BatchPtr& batch);

    void finish(const BatchPtr& batch, std::size_t index, Entry::Progress progress) {
        Callbacks callbacks;
        BatchPtr next;
        {
            const MutexLock lock(mutex);
            const auto& item = batch->items[index];
            auto& entry = *item.entry;
            next = end(entry, item.epoch, callbacks);
            if (!item.settled) {
                if (progress == Entry::Progress::finished) {
                    const MutexLock publishing(entry.publishing);
                    entry.served = either(entry.served, entry.published ? entry.recipients : entry.target);
                }
                settle(entry, progress, callbacks);
            }
        }
        call_all(callbacks);
        if (next) post(next);
    }

    void wait(const Plane& plane, ProductBatch::Waiter waiter) {
        if (plane.batch_) {
            const MutexLock lock(mutex);
            if (!plane.batch_->satisfies(waiter)) {
                plane.batch_->waiters.push_back(std::move(waiter));
                return;
            }
        }
        waiter.callback();
    }

    void wait_for_all(const BatchPtr& batch, std::function<void()> callback) {
        const auto left = std::make_shared<std::atomic<std::size_t>>(1);
        const auto one_less = [left, callback = std::move(callback)] {
            if (--*left == 0) callback();
        };
        if (batch) {
            const MutexLock lock(mutex);
            const auto wait_for = [&](ProductBatch& one) CUBELINK_REQUIRES(mutex) {
                ProductBatch::Waiter waiter{Rank::separate, false, one_less};
                if (one.satisfies(waiter)) return;
                ++*left;
                one.waiters.push_back(std::move(waiter));
            };
            wait_for(*batch);
            for (const auto& separate : batch->separate)
                if (separate->job_class != JobClass::bulk) wait_for(*separate);
        }
        one_less();
    }
};

class ProductBoard::Run final : public ProductRun {
public:
    Run(State& state, const BatchPtr& batch, std::size_t index, const ThreadShare& threads)
        : ProductRun(token(state, *batch, index), threads), state_(state), batch_(batch), item_(batch->items[index]), entry_(*item_.entry) {}

    void publish(const rpc::PublicationPtr& publication) override {
        pubsub::Delivery delivery;
        delivery.delivery_class = pubsub::DeliveryClass::replaceable;
        delivery.key = key();
        send(publication, delivery);
    }
    bool superseded() const override {
        const MutexLock lock(entry_.publishing);
        return entry_.epoch != item_.epoch;
    }
    void publish_part(const rpc::PublicationPtr& publication, std::uint64_t set, bool last) override {
        pubsub::Delivery delivery;
        delivery.set_id = delivery.generation = set;
        delivery.set_key = key();
        delivery.set_end = last;
        send(publication, delivery);
    }
    bool has_room(std::size_t bytes) const override {
        pubsub::Audience audience;
        {
            const MutexLock lock(entry_.publishing);
            audience = entry_.audience;
        }
        return state_.environment.has_room(audience, bytes);
    }
    void continue_when_room(std::size_t bytes) override { wanted_room_ = bytes; }
    std::optional<std::size_t> wanted_room() const { return wanted_room_; }
    void check() const override {
        cancel().throw_if_cancelled();
        if (!anyone_listens()) throw imaging::Cancelled();
    }
    void progress() override { state_.check_patience(batch_); }
    void warn(const std::string& message) override { state_.environment.warn(state_.kind_names[item_.kind], message); }

    bool anyone_listens() const {
        pubsub::Audience audience;
        {
            const MutexLock lock(entry_.publishing);
            if (!may_publish()) return false;
            audience = entry_.audience;
        }
        return state_.environment.anyone_listens(item_.product->topic, audience);
    }
    bool published() const { return published_; }

private:
    bool may_publish() const CUBELINK_REQUIRES(entry_.publishing) { return entry_.epoch == item_.epoch || entry_.live_epoch == item_.epoch; }
    std::string key() const {
        const auto& product = *item_.product;
        return state_.kind_names[item_.kind] + ":" + std::to_string(batch_->image) + ":" + std::to_string(product.region_id) + ":" + product.slot;
    }
    void send(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery) {
        const auto& product = *item_.product;
        const MutexLock lock(entry_.publishing);
        if (!may_publish()) return;
        const bool newest = entry_.epoch == item_.epoch;
        if (newest) {
            Connections recipients;
            if (entry_.audience.kind == pubsub::Audience::Kind::required)
                for (const auto connection : entry_.audience.connections)
                    if (state_.environment.anyone_listens(product.topic, pubsub::Audience::required_by({connection}))) recipients.push_back(connection);
            // Of what is published in parts, those who have got all of them.
            entry_.recipients = delivery.set_id != 0 && entry_.published ? both(entry_.recipients, recipients) : std::move(recipients);
        }
        state_.environment.publish(publication, delivery, entry_.audience);
        if (newest) entry_.published = true;
        published_ = true;
        entry_.last_published = Clock::now();
    }

    /// Of this state of the product: that of a newer one belongs to a newer run.
    static imaging::CancelToken token(State& state, const ProductBatch& batch, std::size_t index) {
        const MutexLock lock(state.mutex);
        if (!batch.items[index].settled) return batch.items[index].entry->cancel;
        imaging::CancelToken cancelled;
        cancelled.cancel();
        return cancelled;
    }

    State& state_;
    const BatchPtr batch_;
    const ProductBatch::Item& item_;
    Entry& entry_;
    bool published_ = false;
    std::optional<std::size_t> wanted_room_;
};

void ProductRun::publish(std::shared_ptr<const google::protobuf::Message> message) { publish(icd::make_publication(std::move(message))); }

void ProductBoard::State::run_step(const BatchPtr& batch, ProductBatch::Step step, const ThreadShare& threads) {
    using Progress = Entry::Progress;
    Run run(*this, batch, step.item, threads);
    if (run.cancel().cancelled()) return;
    const auto& product = *batch->items[step.item].product;
    if (!run.anyone_listens()) return finish(batch, step.item, Progress::skipped);
    if (step.stopgap) {
        try {
            product.stopgap(run);
        } catch (const std::exception&) {
            // compute() will say what is wrong.
        }
        if (!run.published()) return;
        Callbacks callbacks;
        {
            const MutexLock lock(mutex);
            batch->items[step.item].stopgap_published = true;
            batch->take_satisfied(callbacks);
        }
        return call_all(callbacks);
    }
    if (!begin(batch, step.item)) return;
    auto progress = Progress::finished;
    try {
        product.compute(run);
    } catch (const imaging::Cancelled&) {
        progress = Progress::skipped; // superseded, which has settled it, or nobody listens any more
    } catch (const std::exception& e) {
        if (!run.cancel().cancelled() && product.on_error) call_all({[&] { product.on_error(e); }});
    }
    if (progress == Progress::finished && run.wanted_room()) return pause(batch, step.item, *run.wanted_room());
    finish(batch, step.item, progress);
}

void ProductBoard::State::run_together(const BatchPtr& batch, const ThreadShare& threads) {
    using Progress = Entry::Progress;
    std::deque<Run> runs;
    std::vector<JointRun> joint;
    std::vector<char> over(batch->items.size(), 0);
    std::vector<std::size_t> items; // of `joint`
    for (std::size_t i = 0; i < batch->items.size(); ++i) {
        auto& run = runs.emplace_back(*this, batch, i, threads);
        if (run.cancel().cancelled()) continue;
        if (!run.anyone_listens()) {
            finish(batch, i, Progress::skipped);
            continue;
        }
        if (!begin(batch, i)) continue;
        items.push_back(i);
        joint.push_back({batch->items[i].product.get(), &run, [this, &batch, &over, i](bool published) {
                             if (std::exchange(over[i], 1) == 0) finish(batch, i, published ? Progress::finished : Progress::skipped);
                         }});
    }
    if (joint.empty()) return;
    bool published = true;
    try {
        joint.front().product->compute_together(joint);
    } catch (const imaging::Cancelled&) {
        published = false;
    } catch (const std::exception& e) {
        for (std::size_t i = 0; i < joint.size(); ++i) {
            if (over[items[i]] != 0 || joint[i].run->cancel().cancelled() || !joint[i].product->on_error) continue;
            call_all({[&] { joint[i].product->on_error(e); }});
            break;
        }
    }
    for (const auto& one : joint) one.end(published);
}

void ProductBoard::State::pause(const BatchPtr& batch, std::size_t index, std::size_t bytes) {
    pubsub::Audience audience;
    {
        const MutexLock lock(mutex);
        const auto image = images.find(batch->image);
        if (image == images.end() || batch->items[index].settled) return;
        image->second.paused.push_back(batch);
        auto& entry = *batch->items[index].entry;
        const MutexLock publishing(entry.publishing);
        audience = entry.audience;
    }
    // A client that has stopped reading keeps nothing alive but the callback.
    environment.when_room(audience, bytes, [this, waiting = std::weak_ptr(batch)] {
        const auto due = waiting.lock();
        if (!due) return;
        {
            const MutexLock lock(mutex);
            if (!take_paused(due)) return;
        }
        post(due);
    });
}

void ProductBoard::State::check_patience(const BatchPtr& batch) {
    std::vector<std::size_t> late;
    {
        const MutexLock lock(mutex);
        if (batch->late || Clock::now() - batch->begun < patience) return;
        batch->late = true;
        for (std::size_t i = 0; i < batch->items.size(); ++i) {
            const auto& item = batch->items[i];
            if (!item.settled && !item.product->slow && item.product->stopgap) late.push_back(i);
        }
    }
    for (const auto index : late) run_step(batch, {index, true}, 1);
    Callbacks callbacks;
    {
        const MutexLock lock(mutex);
        batch->take_satisfied(callbacks);
    }
    call_all(callbacks);
}

namespace {

/// Runs something once, or does something else at its end.
class RunOrDrop {
public:
    RunOrDrop(std::function<void(const JobContext&)> run, std::function<void()> drop) : run_(std::move(run)), drop_(std::move(drop)) {}
    ~RunOrDrop() {
        if (!drop_) return;
        try {
            drop_();
        } catch (const std::exception& e) {
            log::error(std::string("while a job was dropped: ") + e.what());
        }
    }
    RunOrDrop(const RunOrDrop&) = delete;
    RunOrDrop& operator=(const RunOrDrop&) = delete;
    void run(const JobContext& job) {
        drop_ = nullptr;
        run_(job);
    }

private:
    const std::function<void(const JobContext&)> run_;
    std::function<void()> drop_;
};

} // namespace

void ProductBoard::State::post(const BatchPtr& batch) {
    const auto slot = std::make_shared<Slot>(Slot{batch});
    {
        const MutexLock lock(mutex);
        const auto it = images.find(batch->image);
        if (it == images.end() || batch->all_settled()) return;
        for (const auto& other : it->second.slots) {
            if (other->batch->job_class != batch->job_class || !other->batch->all_settled()) continue;
            other->batch = batch;
            return;
        }
        it->second.slots.push_back(slot);
    }
    const auto work = std::make_shared<RunOrDrop>(
        [this, slot](const JobContext& job) {
            BatchPtr due;
            {
                const MutexLock lock(mutex);
                forget(slot);
                due = slot->batch;
            }
            run(due, job.threads);
        },
        [this, slot] { drop(*slot); });
    environment.post(batch->job_class, batch->image, [work](const JobContext& job) { work->run(job); });
}

void ProductBoard::State::drop(Slot& dropped) {
    Callbacks callbacks;
    {
        const MutexLock lock(mutex);
        if (const auto it = images.find(dropped.batch->image); it != images.end())
            std::erase_if(it->second.slots, [&](const SlotPtr& slot) { return slot.get() == &dropped; });
        const auto give_up = [&](ProductBatch& batch) CUBELINK_REQUIRES(mutex) {
            for (auto& item : batch.items)
                if (!item.settled) settle(*item.entry, Entry::Progress::skipped, callbacks);
        };
        give_up(*dropped.batch);
        for (const auto& separate : dropped.batch->separate) give_up(*separate);
    }
    call_all(callbacks);
}

ProductBoard::ProductBoard(Environment& environment, std::vector<std::string> kind_names, std::chrono::milliseconds patience,
                           std::chrono::milliseconds live_interval)
    : state_(new State{environment, std::move(kind_names), patience, live_interval, {}, {}, 0, 0}) {}

ProductBoard::~ProductBoard() = default;

void ProductBoard::add_image(std::uint64_t image, std::int32_t file_id) {
    const MutexLock lock(state_->mutex);
    state_->images[image].file_id = file_id;
}

void ProductBoard::update(Update update) {
    const auto batch = std::make_shared<ProductBatch>();
    batch->image = update.image;
    Callbacks callbacks;
    {
        const MutexLock lock(state_->mutex);
        const auto it = state_->images.find(update.image);
        if (it == state_->images.end() || it->second.abandoned) return;
        auto& record = it->second;
        for (auto& of_kind : update.kinds) {
            std::set<State::Key> listed;
            for (auto& product : of_kind.products) {
                listed.insert({of_kind.kind, product.region_id, product.part});
                state_->list(record, update.image, of_kind.kind, std::move(product), update.request, *batch, callbacks);
            }
            state_->withdraw_unlisted(record, of_kind.kind, of_kind.region_id, listed, callbacks);
        }
        const auto prepare = [](const BatchPtr& one) {
            for (auto& item : one->items) item.entry->batch = one;
            one->prepare();
        };
        prepare(batch);
        for (const auto& separate : batch->separate) prepare(separate);
        if (update.new_plane) record.plane = batch;
        if (update.new_view) ++record.view;
    }
    call_all(callbacks);
    state_->start(batch);
}

void ProductBoard::remove_images(std::int32_t file_id, std::uint64_t except) {
    Callbacks callbacks;
    {
        const MutexLock lock(state_->mutex);
        for (auto it = state_->images.begin(); it != state_->images.end();) {
            if (it->second.file_id != file_id || it->first == except) {
                ++it;
                continue;
            }
            state_->give_up_all(it->second, callbacks);
            it = state_->images.erase(it);
        }
    }
    call_all(callbacks);
}

void ProductBoard::abandon(std::int32_t file_id) {
    Callbacks callbacks;
    {
        const MutexLock lock(state_->mutex);
        for (auto& numbered : state_->images)
            if (file_id == -1 || numbered.second.file_id == file_id) state_->give_up_all(numbered.second, callbacks);
    }
    call_all(callbacks);
}

ProductBoard::Plane ProductBoard::plane(std::uint64_t image) const {
    Plane plane;
    const MutexLock lock(state_->mutex);
    const auto it = state_->images.find(image);
    if (it == state_->images.end()) return plane;
    plane.image_ = image;
    plane.batch_ = it->second.plane;
    plane.view_ = it->second.view;
    return plane;
}

bool ProductBoard::is_newest(const Plane& plane) const {
    const MutexLock lock(state_->mutex);
    const auto it = state_->images.find(plane.image_);
    return it != state_->images.end() && !it->second.abandoned && it->second.view == plane.view_;
}

void ProductBoard::when_settled(const Plane& plane, Rank rank, std::function<void()> callback) {
    state_->wait(plane, {rank, false, std::move(callback)});
}

void ProductBoard::when_computed(const Plane& plane, Rank rank, std::function<void()> callback) {
    state_->wait(plane, {rank, true, std::move(callback)});
}

void ProductBoard::when_complete(const Plane& plane, std::function<void()> callback) { state_->wait_for_all(plane.batch_, std::move(callback)); }

bool ProductBoard::computed(const Plane& plane, Rank rank) const {
    const MutexLock lock(state_->mutex);
    return !plane.batch_ || plane.batch_->satisfies({rank, true, {}});
}

std::size_t ProductBoard::unfinished() const {
    const MutexLock lock(state_->mutex);
    return state_->unfinished;
}

} // namespace cubelink::server
