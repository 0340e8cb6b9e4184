#pragma once
/// What a product is to the board: what it was computed from, where it stands in the order, who gets it, and how it is computed.

#include "imaging/base/cancel.hpp"
#include "pubsub/audience.hpp"
#include "rpc/message.hpp"
#include "server/compute/scheduler.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace cubelink::server {

/// The order in which the products that one change has made due are computed and published. `separate` ones are jobs of their own, which start
/// when all others have been published.
enum class Rank : std::uint8_t { pyramid, histogram, required_histogram, statistics, spatial_profile, separate };

/// As jobs get it: for parallel loops.
using ThreadShare = decltype(JobContext::threads);

/// Given to a product's functions while they run. Used by the thread that runs them, except where it says otherwise.
class ProductRun {
public:
    virtual ~ProductRun() = default;

    /// Cancelled when the product is superseded, no longer due, or its image closed. Thread-safe.
    const imaging::CancelToken& cancel() const { return cancel_; }
    /// Threads for parallel loops.
    ThreadShare threads() const { return threads_; }

    /// Publishes, unless a newer state of the product is due or its image has been abandoned. May be called several times: parts, then the whole.
    virtual void publish(const rpc::PublicationPtr& publication) = 0;
    void publish(std::shared_ptr<const google::protobuf::Message> message);
    /// Publishes one of several parts that all must arrive at a client if one has left for it, under the same conditions as publish(). `set`: the parts'
    /// number, from next_number(); parts of a greater number take the place of those that have not begun to leave. `last`: no part of this set follows,
    /// or none that has to arrive because this one has left. Without it the outbox keeps a note of the set until the connection closes.
    virtual void publish_part(const rpc::PublicationPtr& publication, std::uint64_t set, bool last) = 0;
    /// Whether the clients that require it have room for so many bytes more: parts are not published faster than they are read. From any thread.
    virtual bool has_room(std::size_t bytes) const = 0;
    /// compute() is called again, by another job, once there is room: it returns now. Of separate products only.
    virtual void continue_when_room(std::size_t bytes) = 0;
    /// Throws Cancelled if the run has been cancelled or if nobody listens any more. For computations that take long.
    virtual void check() const = 0;
    /// To be called from time to time by a computation that others may have to wait for. When they have waited for too long, the stopgaps
    /// of the products that have not been published are published. From any thread, one call at a time.
    virtual void progress() = 0;
    /// Whether a newer state of a live product waits for this run to end (see Product::live). From any thread.
    virtual bool superseded() const = 0;
    /// ERROR_DATA to the session, severity WARNING.
    virtual void warn(const std::string& message) = 0;

protected:
    ProductRun(imaging::CancelToken cancel, ThreadShare threads) : cancel_(std::move(cancel)), threads_(std::move(threads)) {}

private:
    const imaging::CancelToken cancel_;
    const ThreadShare threads_;
};

struct Product;

/// One of the products that Product::compute_together computes.
struct JointRun {
    const Product* product = nullptr;
    ProductRun* run = nullptr;
    /// It is over for this product, which has been published (true) or given up. May be called once, before all of them are over.
    std::function<void(bool published)> end{};
};

/// What compute_together wants to know of a product: each kind has its own.
class ProductPart {
public:
    virtual ~ProductPart() = default;
};

/// A product that is due. Its functions hold copies of all that they need, no session and no board.
struct Product {
    std::int32_t region_id = 0;
    /// Which of the products of this kind and region: what was required, as text.
    std::string part{};
    /// What the product depends on beside `part` (plane, pixel, …). A product with another input is stale.
    std::vector<std::int64_t> input{};
    /// The input counts only when the requirement is set: what it depends on may change meanwhile.
    bool keep_input = false;
    /// Whether it is computed when somebody begins to listen, if nobody did when it was due.
    bool catches_up = true;
    /// Computed although it was published, or nobody listened to it: it stands in for a product that is withdrawn.
    bool stands_in = false;
    /// Whether a connection that requires again what it has got is sent it again.
    bool resend = true;
    /// Follows something that is dragged, whose state is the last value of `input`: when no other value differs, a newer state does not cancel a run that has
    /// begun, but waits for its end, so that something is shown however fast the states follow each other; unless something has been published a moment ago.
    bool live = false;

    Rank rank = Rank::separate;
    JobClass job_class = JobClass::view;
    bool quick = false; // computed within a millisecond or so: by the thread that caused it, not by a job. Of slow products: the stopgap
    bool slow = false;  // nothing waits for it (but for its stopgap), and it is computed after all that is not slow

    /// Separate products of one kind and image that wait at the same time are computed by one call if these texts are equal and not empty: by the
    /// compute_together of one of them, instead of `compute`. An exception is reported once, for all that are not over.
    std::string together{};
    std::shared_ptr<const ProductPart> its_part{};
    std::function<void(std::span<const JointRun>)> compute_together{};

    std::string topic{}; // of what it publishes
    pubsub::Audience audience{};
    /// Of what it publishes, the newest replaces what still waits for a slow client, if this is the same.
    std::string slot{};

    std::function<void(ProductRun&)> compute{};
    /// Publishes a quick approximation of what `compute` will publish: at once for slow products, and for others when they are late. May be empty,
    /// and may find that there is nothing to publish.
    std::function<void(ProductRun&)> stopgap{};
    /// An exception of `compute` other than Cancelled. May be empty.
    std::function<void(const std::exception&)> on_error{};
    /// Called when it is no longer due before it was published, unless its image was closed. May be empty.
    std::function<void()> on_withdrawn{};
};

} // namespace cubelink::server
