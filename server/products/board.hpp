#pragma once
/// The board: which products of a session's images are due, which are being computed, and which may still be published.
///
/// It is told, by one thread at a time, what is due of an image after a change: for some kinds of product, all that there are. It compares that
/// with what it knows: a product with another input supersedes the one before (whose computation is cancelled), one that is not listed
/// any more is withdrawn, one that stays as it is goes on or is left alone; connections that newly require it get it. What nobody listens to is
/// not computed until somebody does.
///
/// The products that one call made due are a *batch*: they are computed one after the other in the order of their ranks, the slow ones last;
/// separate ones follow in jobs of their own. Of each product only the newest state can publish; of a live one also the state before, while the
/// newest waits for its end. Products of an image that has been abandoned publish nothing any more.
///
/// It knows no kind of product, no session and no scheduler: see Environment.

#include "platform/mutex.hpp"
#include "server/products/product.hpp"
#include "pubsub/delivery.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::server {

struct ProductBatch;

class ProductBoard {
public:
    /// What the board needs of its surroundings. All members may be called from any thread, and are called without a lock of the board's state held,
    /// except anyone_listens(), which must not call the board.
    class Environment {
    public:
        virtual ~Environment() = default;
        /// Runs `work` once, on another thread, or destroys it if that has become pointless. The board lives until then.
        virtual void post(JobClass job_class, std::uint64_t image, std::function<void(const JobContext&)> work) = 0;
        virtual bool anyone_listens(const std::string& topic, const pubsub::Audience& audience) = 0;
        /// Must not call the board.
        virtual void publish(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery, const pubsub::Audience& audience) = 0;
        virtual void warn(const std::string& tag, const std::string& message) = 0;
        /// Whether each connection that the audience names has room for so many bytes more. Must not call the board.
        virtual bool has_room(const pubsub::Audience& audience, std::size_t bytes) = 0;
        /// Calls `ready` when that may have become so, at once or later, or never if such a connection ends.
        virtual void when_room(const pubsub::Audience& audience, std::size_t bytes, std::function<void()> ready) = 0;
    };

    /// `kind_names`: of the kinds of product, which are known by their index here. `patience`: how long others wait for a batch before its stopgaps
    /// are published. `live_interval`: how long after a publication a run of a live product is cancelled by a newer state, as others always are.
    /// `environment` outlives the board.
    ProductBoard(Environment& environment, std::vector<std::string> kind_names, std::chrono::milliseconds patience = std::chrono::milliseconds(250),
                 std::chrono::milliseconds live_interval = std::chrono::milliseconds(40));
    ~ProductBoard();
    ProductBoard(const ProductBoard&) = delete;
    ProductBoard& operator=(const ProductBoard&) = delete;

    // ---- By one thread at a time.

    /// An image must be known before anything can be due of it. `image`: Object::number.
    void add_image(std::uint64_t image, std::int32_t file_id);
    /// The images of that id but `except` are gone.
    void remove_images(std::int32_t file_id, std::uint64_t except = 0);

    /// All products of a kind that there are of an image at present, or of one region of it: those of others stay as they are. No two with the same
    /// region and part.
    struct KindUpdate {
        std::size_t kind = 0;
        std::vector<Product> products;
        std::optional<std::int32_t> region_id{};
    };
    struct Update {
        std::uint64_t image = 0;
        std::vector<KindUpdate> kinds;
        /// A connection has set its requirements for a region: of what is listed there it gets what it requires, also what it has got before.
        struct Request {
            std::int32_t region_id = 0;
            std::uint64_t connection = 0;
        };
        std::optional<Request> request{};
        /// Another plane is shown (or the first one): plane() is this batch from now on. `new_view`: and tiles of earlier ones are stale.
        bool new_plane = false, new_view = false;
    };
    /// Quick products are computed and published before it returns.
    void update(Update update);

    // ---- From any thread.

    /// Once it returns, nothing is published for the images of that id (-1: all) that are known, and nothing becomes due of them.
    void abandon(std::int32_t file_id);

    /// The plane that is shown of an image, for those who show it.
    class Plane {
    public:
        /// What differs from that of an earlier view.
        std::uint64_t view() const { return view_; }

    private:
        friend class ProductBoard;
        std::shared_ptr<ProductBatch> batch_;
        std::uint64_t image_ = 0, view_ = 0;
    };
    Plane plane(std::uint64_t image) const;
    /// Whether no newer view is shown.
    bool is_newest(const Plane& plane) const;
    /// Calls back once, at once or later, on any thread and outside of locks: when each product of the plane up to this rank has been published, or
    /// its stopgap, or has been given up (superseded, withdrawn, failed, nobody listens, image closed), or is slow without a stopgap.
    void when_settled(const Plane& plane, Rank rank, std::function<void()> callback);
    /// The same, but waits for slow products too, and for no stopgap.
    void when_computed(const Plane& plane, Rank rank, std::function<void()> callback);
    /// The same, when all that follows from showing the plane has been published or given up, separate products included, but for slow and bulk ones;
    /// or waits until clients have room: one that does not read must not hold up what others see.
    void when_complete(const Plane& plane, std::function<void()> callback);
    /// Whether when_computed() would call back at once.
    bool computed(const Plane& plane, Rank rank) const;

    /// Whether a product of that kind and region waits to be computed or is being computed.
    bool is_due(std::uint64_t image, std::size_t kind, std::int32_t region_id) const;
    /// Products that are waiting to be computed or being computed.
    std::size_t unfinished() const;

private:
    struct State;
    class Run;
    const std::unique_ptr<State> state_;
};

} // namespace cubelink::server
