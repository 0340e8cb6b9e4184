#pragma once
/// What a board knows, and what it does with it: for board.cpp, which keeps what is due, and board_run.cpp, which has it computed.

#include "server/products/batch.hpp"
#include "server/products/board.hpp"

#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace cubelink::server {

/// One after the other: what one of them throws is logged, and those behind it are called too.
void call_all(const Callbacks& callbacks);

struct ProductBoard::State {
    struct Key {
        std::size_t kind = 0;
        std::int32_t region_id = 0;
        std::string part;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    using Slot = BatchSlot;
    using SlotPtr = std::shared_ptr<Slot>;
    /// Products that may be computed together: kind, job class and text.
    using Together = std::tuple<std::size_t, JobClass, std::string>;
    using TogetherView = std::tuple<std::size_t, JobClass, std::string_view>;
    struct TogetherOrder {
        using is_transparent = void;
        bool operator()(const TogetherView& a, const TogetherView& b) const { return a < b; }
    };
    struct ImageRecord {
        std::int32_t file_id = 0;
        bool abandoned = false;
        bool prompt = true; // its quick products have been quick
        std::map<Key, EntryPtr> entries;
        std::map<Together, BatchPtr, TogetherOrder> open;           // batches that products may join
        std::map<JobClass, std::vector<std::weak_ptr<Slot>>> pointless; // that have been when they were listed; each at most once
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
    void settle(ProductEntry& entry, ProductEntry::Progress progress, Callbacks& callbacks, bool keep_running = false) CUBELINK_REQUIRES(mutex);

    /// Whether a newer state of the product waits for the end of what is being computed of it.
    bool is_waited_for(ProductEntry& entry, const Product& newer) const CUBELINK_REQUIRES(mutex);

    /// Null if it is not paused.
    BatchPtr take_paused(const BatchPtr& batch) CUBELINK_REQUIRES(mutex);

    void list(ImageRecord& record, std::uint64_t image, std::size_t kind, Product&& product, const std::optional<Update::Request>& request,
              ProductBatch& batch, Callbacks& callbacks) CUBELINK_REQUIRES(mutex);

    /// What products join that are computed together with this one; nothing if it is computed by itself.
    static std::optional<TogetherView> together_with(std::size_t kind, const Product& product);
    /// One that has not been started and that the product may join; null if there is none.
    static BatchPtr waiting_batch(const ImageRecord& record, std::size_t kind, const Product& product);
    /// Whether products may join the batch.
    static void open(ImageRecord& record, const BatchPtr& batch);
    static void close(ImageRecord& record, ProductBatch& batch) noexcept;
    /// If all of a batch is settled, the job that waits for it may take another.
    void list_pointless(ProductBatch& batch) CUBELINK_REQUIRES(mutex);
    static BatchPtr separate_batch(ProductBatch& batch, std::uint64_t image);

    static void add(ProductBatch& batch, std::size_t kind, Product&& product, const EntryPtr& entry, std::uint64_t epoch);

    /// Of a kind, or of one region of it.
    void withdraw_unlisted(ImageRecord& record, std::size_t kind, std::optional<std::int32_t> region_id, const std::set<Key>& listed, Callbacks& callbacks)
        CUBELINK_REQUIRES(mutex);
    /// What there was of an image: many products take a while to be released.
    struct Abandoned {
        std::map<Key, EntryPtr> entries;
        BatchPtr plane;
    };
    void give_up_all(ImageRecord& record, std::vector<Abandoned>& abandoned, Callbacks& callbacks) CUBELINK_REQUIRES(mutex);

    // ---- Computing

    bool is_prompt(std::uint64_t image) const;
    void start(const BatchPtr& batch);

    void post(const BatchPtr& batch);
    /// Computes the item, which has been computed in part, again when there is room for so many bytes.
    void pause(const BatchPtr& batch, std::size_t index, std::size_t bytes);
    /// There may be room for it now.
    void resume(const std::weak_ptr<ProductBatch>& paused, std::uint64_t image, JobClass job_class);
    void drop(Slot& slot);
    /// Its job starts, or will not.
    void forget(Slot& slot) CUBELINK_REQUIRES(mutex);
    void run(const BatchPtr& batch, const ThreadShare& threads);

    void run_step(const BatchPtr& batch, ProductBatch::Step step, const ThreadShare& threads);
    void run_together(const BatchPtr& batch, const ThreadShare& threads);
    /// False: it has been settled, or it waits for the end of an older state, after which another batch takes it up.
    bool begin(const BatchPtr& batch, std::size_t index);
    /// A state is not computed any more. Returns what has waited for that.
    BatchPtr end(ProductEntry& entry, std::uint64_t epoch, Callbacks& callbacks) CUBELINK_REQUIRES(mutex);
    /// What is late is published by its stopgap, if it has one, and waited for no longer otherwise.
    void check_patience(const BatchPtr& batch);
    void finish(const BatchPtr& batch, std::size_t index, ProductEntry::Progress progress);

    void wait(const Plane& plane, ProductBatch::Waiter waiter);
    void wait_for_all(const BatchPtr& batch, std::function<void()> callback);
};

} // namespace cubelink::server
