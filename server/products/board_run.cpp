// How a board has products computed: batches, jobs, parts that wait for room, and what may be published meanwhile.

#include "platform/os.hpp"
#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"
#include "server/products/board_state.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace cubelink::server {

using platform::MutexLock;
using Clock = std::chrono::steady_clock;
using Entry = ProductEntry;

namespace {

/// Quick products that took longer than this are computed by jobs, until they are quick again: a disk that doesn't answer must not keep the thread of
/// the session's commands.
constexpr auto quick_limit = std::chrono::milliseconds(10);

} // namespace

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

bool ProductBoard::State::is_prompt(std::uint64_t image) const {
    const MutexLock lock(mutex);
    const auto it = images.find(image);
    return it != images.end() && it->second.prompt;
}

void ProductBoard::State::start(const BatchPtr& batch) {
    if (batch->quick && is_prompt(batch->image)) return run(batch, 1);
    if (batch->quick) batch->job_class = JobClass::view; // it may have to wait for a disk
    post(batch);
}

void ProductBoard::State::forget(Slot& slot) {
    slot.waiting = false;
    if (const auto it = images.find(slot.batch->image); it != images.end()) close(it->second, *slot.batch);
}

void ProductBoard::State::run(const BatchPtr& batch, const ThreadShare& threads) {
    if (!batch->items.empty() && !batch->items.front().product->together.empty()) return run_together(batch, threads);
    const auto begun = platform::os().steady_now();
    for (std::size_t i = 0; i < batch->front; ++i) run_step(batch, batch->steps[i], threads);
    if (batch->quick && batch->front > 0) {
        const MutexLock lock(mutex);
        if (const auto it = images.find(batch->image); it != images.end()) it->second.prompt = platform::os().steady_now() - begun < quick_limit;
    }
    std::vector<BatchPtr> due;
    {
        const MutexLock lock(mutex);
        batch->posted.insert(batch->posted.end(), batch->separate.begin(), batch->separate.end());
        due.swap(batch->separate);
    }
    for (auto& named : due) {
        const auto separate = std::exchange(named, nullptr); // whoever computes it keeps it
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

bool ProductBoard::State::begin(const BatchPtr& batch, std::size_t index) {
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

BatchPtr ProductBoard::State::end(Entry& entry, std::uint64_t epoch, Callbacks& callbacks) {
    if (entry.computing != epoch) return nullptr;
    entry.computing = 0;
    entry.forget_older();
    const auto from = std::exchange(entry.deferred, nullptr);
    if (!from || from->items[entry.deferred_index].settled) return nullptr;
    const auto item = from->items[entry.deferred_index];
    from->items[entry.deferred_index].settled = true;
    from->take_satisfied(callbacks);
    if (const auto image = images.find(from->image); image != images.end())
        if (const auto waiting = waiting_batch(image->second, item.kind, *item.product)) {
            waiting->join(item);
            entry.batch = waiting;
            return nullptr;
        }
    const auto next = std::make_shared<ProductBatch>();
    next->image = from->image;
    next->items.push_back(item);
    next->prepare();
    entry.batch = next;
    return next;
}

void ProductBoard::State::finish(const BatchPtr& batch, std::size_t index, Entry::Progress progress) {
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
    std::size_t listed = 0;
    bool published = true;
    try {
        for (; listed < batch->items.size(); ++listed) {
            const auto i = listed;
            auto& run = runs.emplace_back(*this, batch, i, threads);
            if (run.cancel().cancelled()) continue;
            if (!run.anyone_listens()) {
                finish(batch, i, Progress::skipped);
                continue;
            }
            items.push_back(i);
            joint.push_back({batch->items[i].product.get(), &run, [this, &batch, &over, i](bool is_published) {
                                 if (std::exchange(over[i], 1) == 0) finish(batch, i, is_published ? Progress::finished : Progress::skipped);
                             }});
            if (begin(batch, i)) continue;
            joint.pop_back();
            items.pop_back();
        }
        if (!joint.empty()) joint.front().product->compute_together(joint);
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
    for (; listed < batch->items.size(); ++listed) finish(batch, listed, Progress::finished); // memory has run out: nothing may wait for them
}

void ProductBoard::State::pause(const BatchPtr& batch, std::size_t index, std::size_t bytes) {
    pubsub::Audience audience;
    Callbacks callbacks;
    BatchPtr next;
    bool paused = false;
    {
        const MutexLock lock(mutex);
        const auto& item = batch->items[index];
        auto& entry = *item.entry;
        next = end(entry, item.epoch, callbacks); // a newer state does not wait for one that waits for room
        if (const auto image = images.find(batch->image); image != images.end() && !batch->items[index].settled) {
            image->second.paused.push_back(batch);
            batch->paused = paused = true;
            batch->take_satisfied(callbacks);
            const MutexLock publishing(entry.publishing);
            audience = entry.audience;
        }
    }
    call_all(callbacks);
    if (next) post(next);
    // A client that has stopped reading keeps nothing alive but the callback.
    if (paused)
        environment.when_room(audience, bytes,
                              [this, paused = std::weak_ptr(batch), image = batch->image, job_class = batch->job_class] { resume(paused, image, job_class); });
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
    BatchPtr pointless; // released outside of the lock
    {
        const MutexLock lock(mutex);
        const auto it = images.find(batch->image);
        if (it == images.end() || batch->all_settled()) return;
        auto& listed = it->second.pointless[batch->job_class];
        while (!listed.empty()) {
            const auto other = listed.back().lock();
            listed.pop_back();
            if (!other) continue;
            other->is_pointless = false;
            if (!other->waiting || !other->batch->all_settled()) continue; // something has joined it since
            close(it->second, *other->batch);
            pointless = std::exchange(other->batch, batch);
            batch->wait_in(other);
            open(it->second, batch);
            return;
        }
        batch->wait_in(slot);
        open(it->second, batch);
    }
    const auto work = std::make_shared<RunOrDrop>(
        [this, slot](const JobContext& job) {
            BatchPtr due;
            {
                const MutexLock lock(mutex);
                forget(*slot);
                due = slot->batch;
            }
            run(due, job.threads);
        },
        [this, slot] { drop(*slot); });
    environment.post(batch->job_class, batch->image, [work](const JobContext& job) { work->run(job); });
}

void ProductBoard::State::resume(const std::weak_ptr<ProductBatch>& paused, std::uint64_t image, JobClass job_class) {
    if (paused.expired()) return;
    const auto take = [this, paused]() -> BatchPtr {
        const auto batch = paused.lock();
        const MutexLock lock(mutex);
        return batch ? take_paused(batch) : nullptr;
    };
    // By the job: the thread of the network, which says that there is room, must not wait for the board's mutex.
    const auto work = std::make_shared<RunOrDrop>(
        [this, take](const JobContext& job) {
            if (const auto due = take()) run(due, job.threads);
        },
        [this, take] {
            Slot slot{take()};
            if (slot.batch) drop(slot);
        });
    environment.post(job_class, image, [work](const JobContext& job) { work->run(job); });
}

void ProductBoard::State::drop(Slot& dropped) {
    Callbacks callbacks;
    {
        const MutexLock lock(mutex);
        forget(dropped);
        const auto give_up = [&](ProductBatch& batch) CUBELINK_REQUIRES(mutex) {
            for (auto& item : batch.items)
                if (!item.settled) settle(*item.entry, Entry::Progress::skipped, callbacks);
        };
        give_up(*dropped.batch);
        for (const auto& separate : dropped.batch->separate) give_up(*separate);
    }
    call_all(callbacks);
}

} // namespace cubelink::server
