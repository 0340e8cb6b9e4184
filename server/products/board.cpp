#include "server/products/board_state.hpp"

#include "server/net/log.hpp"

#include <algorithm>
#include <climits>

namespace cubelink::server {

using platform::MutexLock;
using Entry = ProductEntry;

void call_all(const Callbacks& callbacks) {
    for (const auto& callback : callbacks) {
        try {
            callback();
        } catch (const std::exception& e) { // those behind it must be called too
            log::error(std::string("after a product: ") + e.what());
        }
    }
}

void ProductBoard::State::settle(Entry& entry, Entry::Progress progress, Callbacks& callbacks, bool keep_running) {
    entry.set_epoch(0, {});
    if (entry.deferred) callbacks.push_back([kept = std::exchange(entry.deferred, nullptr)] {}); // released outside of the lock
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
        list_pointless(*batch);
        if (auto paused = take_paused(batch)) callbacks.push_back([kept = std::move(paused)] {}); // what it holds is released outside of the lock
    }
}

bool ProductBoard::State::is_waited_for(Entry& entry, const Product& newer) const {
    const auto &was = entry.input, &is = newer.input;
    return newer.live && entry.computing != 0 && !entry.computing_cancel.cancelled() && was.size() == is.size() && !is.empty() &&
           std::equal(was.begin(), was.end() - 1, is.begin()) && !entry.published_within(live_interval);
}

BatchPtr ProductBoard::State::take_paused(const BatchPtr& batch) {
    if (!batch->paused) return nullptr;
    batch->paused = false;
    const auto image = images.find(batch->image);
    if (image == images.end()) return nullptr;
    auto& paused = image->second.paused;
    const auto it = std::find(paused.begin(), paused.end(), batch);
    if (it == paused.end()) return nullptr;
    auto taken = std::move(*it);
    paused.erase(it);
    return taken;
}

void ProductBoard::State::list(ImageRecord& record, std::uint64_t image, std::size_t kind, Product&& product, const std::optional<Update::Request>& request,
          ProductBatch& batch, Callbacks& callbacks) {
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
    if (same && !product.stands_in) {
        if (entry.progress == Progress::finished && !by_requirement) return;
        if (entry.progress == Progress::skipped && !product.catches_up) return;
    }

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
    if (const auto waiting = waiting_batch(record, kind, product)) {
        if (waiting->slot.lock() && (batch.posted.empty() || batch.posted.back().lock() != waiting)) batch.posted.push_back(waiting);
        waiting->join({kind, std::make_shared<const Product>(std::move(product)), slot, epoch});
        entry.batch = waiting;
        return;
    }
    if (product.rank != Rank::separate) return add(batch, kind, std::move(product), slot, epoch);
    const auto separate = separate_batch(batch, image);
    add(*separate, kind, std::move(product), slot, epoch);
    open(record, separate);
}

std::optional<ProductBoard::State::TogetherView> ProductBoard::State::together_with(std::size_t kind, const Product& product) {
    if (product.together.empty() || product.rank != Rank::separate) return std::nullopt;
    return TogetherView{kind, product.job_class, product.together};
}

BatchPtr ProductBoard::State::waiting_batch(const ImageRecord& record, std::size_t kind, const Product& product) {
    const auto together = together_with(kind, product);
    if (!together) return nullptr;
    const auto it = record.open.find(*together);
    return it == record.open.end() ? nullptr : it->second;
}

void ProductBoard::State::open(ImageRecord& record, const BatchPtr& batch) {
    if (batch->items.empty()) return;
    const auto together = together_with(batch->items.front().kind, *batch->items.front().product);
    if (!together) return;
    batch->open = record.open.try_emplace(Together(*together), batch).second;
}

void ProductBoard::State::close(ImageRecord& record, ProductBatch& batch) noexcept {
    if (!batch.open) return;
    batch.open = false;
    const auto it = record.open.find(*together_with(batch.items.front().kind, *batch.items.front().product));
    if (it != record.open.end() && it->second.get() == &batch) record.open.erase(it);
}

void ProductBoard::State::list_pointless(ProductBatch& batch) {
    const auto slot = batch.slot.lock();
    if (!slot || !slot->waiting || slot->is_pointless || !slot->batch->all_settled()) return;
    const auto image = images.find(batch.image);
    if (image == images.end()) return;
    image->second.pointless[slot->batch->job_class].push_back(slot);
    slot->is_pointless = true;
}

BatchPtr ProductBoard::State::separate_batch(ProductBatch& batch, std::uint64_t image) {
    batch.separate.push_back(std::make_shared<ProductBatch>());
    batch.separate.back()->image = image;
    return batch.separate.back();
}

void ProductBoard::State::add(ProductBatch& batch, std::size_t kind, Product&& product, const EntryPtr& entry, std::uint64_t epoch) {
    batch.items.push_back({kind, std::make_shared<const Product>(std::move(product)), entry, epoch});
}

void ProductBoard::State::withdraw_unlisted(ImageRecord& record, std::size_t kind, std::optional<std::int32_t> region_id, const std::set<Key>& listed, Callbacks& callbacks) {
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

void ProductBoard::State::give_up_all(ImageRecord& record, std::vector<Abandoned>& abandoned, Callbacks& callbacks) {
    record.abandoned = true;
    auto& held = abandoned.emplace_back();
    for (const auto& named : record.entries) settle(*named.second, Entry::Progress::finished, callbacks);
    held.entries.swap(record.entries);
    held.plane.swap(record.plane);
}

void ProductBoard::State::wait(const Plane& plane, ProductBatch::Waiter waiter) {
    if (plane.batch_) {
        const MutexLock lock(mutex);
        if (!plane.batch_->satisfies(waiter)) {
            plane.batch_->waiters.push_back(std::move(waiter));
            return;
        }
    }
    waiter.callback();
}

void ProductBoard::State::wait_for_all(const BatchPtr& batch, std::function<void()> callback) {
    std::vector<BatchPtr> kept; // released outside of the lock
    const auto left = std::make_shared<std::atomic<std::size_t>>(1);
    const auto one_less = [left, callback = std::move(callback)] {
        if (--*left == 0) callback();
    };
    if (batch) {
        const MutexLock lock(mutex);
        const auto wait_for = [&](ProductBatch& one) CUBELINK_REQUIRES(mutex) {
            ProductBatch::Waiter waiter{Rank::separate, false, one_less, true};
            if (one.satisfies(waiter)) return;
            ++*left;
            one.waiters.push_back(std::move(waiter));
        };
        wait_for(*batch);
        for (const auto& separate : batch->separate)
            if (separate->job_class != JobClass::bulk) wait_for(*separate);
        for (const auto& posted : batch->posted) {
            kept.push_back(posted.lock());
            if (kept.back() && kept.back()->job_class != JobClass::bulk) wait_for(*kept.back());
        }
    }
    one_less();
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
    BatchPtr earlier_plane; // released outside of the lock
    {
        const MutexLock lock(state_->mutex);
        const auto it = state_->images.find(update.image);
        if (it == state_->images.end() || it->second.abandoned) return;
        auto& record = it->second;
        /// No others join what has not been posted, also if memory runs out.
        struct CloseAll {
            State::ImageRecord& record;
            ProductBatch& batch;
            ~CloseAll() {
                for (const auto& separate : batch.separate) State::close(record, *separate);
            }
        } const close_all{record, *batch};
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
        if (update.new_plane) earlier_plane = std::exchange(record.plane, batch);
        if (update.new_view) ++record.view;
    }
    call_all(callbacks);
    state_->start(batch);
}

void ProductBoard::remove_images(std::int32_t file_id, std::uint64_t except) {
    std::vector<State::Abandoned> abandoned; // released outside of the lock
    Callbacks callbacks;
    {
        const MutexLock lock(state_->mutex);
        for (auto it = state_->images.begin(); it != state_->images.end();) {
            if (it->second.file_id != file_id || it->first == except) {
                ++it;
                continue;
            }
            state_->give_up_all(it->second, abandoned, callbacks);
            it = state_->images.erase(it);
        }
    }
    call_all(callbacks);
}

void ProductBoard::abandon(std::int32_t file_id) {
    std::vector<State::Abandoned> abandoned; // released outside of the lock
    Callbacks callbacks;
    {
        const MutexLock lock(state_->mutex);
        for (auto& numbered : state_->images)
            if (file_id == -1 || numbered.second.file_id == file_id) state_->give_up_all(numbered.second, abandoned, callbacks);
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

bool ProductBoard::is_due(std::uint64_t image, std::size_t kind, std::int32_t region_id) const {
    const MutexLock lock(state_->mutex);
    const auto record = state_->images.find(image);
    if (record == state_->images.end()) return false;
    const auto& entries = record->second.entries;
    for (auto it = entries.lower_bound(State::Key{kind, region_id, {}}); it != entries.end() && it->first.kind == kind && it->first.region_id == region_id; ++it)
        if (it->second->progress == Entry::Progress::pending) return true;
    return false;
}

std::size_t ProductBoard::unfinished() const {
    const MutexLock lock(state_->mutex);
    return state_->unfinished;
}

} // namespace cubelink::server
