#include "server/products/session_products.hpp"

#include "pubsub/receiver.hpp"
#include "server/products/kinds.hpp"

#include <utility>

namespace cubelink::server {

namespace {

std::vector<std::string> kind_names() {
    std::vector<std::string> names;
    for (const auto* kind : product_kinds()) names.emplace_back(kind->name);
    return names;
}

class SessionProducts final : public ChangeListener, private ProductBoard::Environment {
public:
    explicit SessionProducts(Session& session) : session_(session), board_(*this, kind_names()) {}

    ProductBoard& board() { return board_; }

    void changed(const Change& change) override {
        using What = Change::What;
        switch (change.what) {
        case What::audience:
            for (const auto& image : session_.images()) update(image, change, [](const ProductKind&) { return true; });
            return;
        case What::image_closed: return board_.remove_images(change.file_id);
        case What::image_opened: return opened(change);
        case What::region:
        case What::region_closed:
            for (const auto& image : session_.images())
                update(image, change, [](const ProductKind& kind) { return kind.depends.region && kind.of == ProductsOf::regions; });
            return;
        case What::region_dragged:
            for (const auto& image : session_.images()) update(image, change, [](const ProductKind& kind) { return kind.depends.drag; });
            return;
        default: break;
        }
        const auto image = session_.image(change.file_id);
        if (!image) return;
        update(image, change, [&](const ProductKind& kind) {
            switch (change.what) {
            case What::plane: return kind.depends.plane || (kind.depends.stokes && change.stokes_changed);
            case What::cursor: return kind.depends.cursor;
            case What::requirement: return kind.depends.requirement == change.kind && kind.of == class_of(change.region_id);
            default: return false;
            }
        });
    }

    void abandon(std::int32_t file_id) override { board_.abandon(file_id); }

private:
    void opened(const Change& change) {
        const auto image = session_.image(change.file_id);
        board_.remove_images(change.file_id, image ? image->number : 0);
        if (!image) return;
        board_.add_image(image->number, image->file_id);
        if (image->closed.cancelled()) return board_.abandon(image->file_id); // abandon() may have been called before the board knew it
        update(image, change, [](const ProductKind&) { return true; });
    }

    static ProductsOf class_of(std::int32_t region_id) {
        switch (region_id) {
        case image_region: return ProductsOf::image;
        case cube_region: return ProductsOf::cube;
        case cursor_region: return ProductsOf::cursor;
        default: return ProductsOf::regions;
        }
    }
    /// The region that is all that has changed.
    static std::optional<std::int32_t> only_region(const Change& change) {
        using What = Change::What;
        const bool about_region = change.what == What::region || change.what == What::region_closed || change.what == What::region_dragged ||
                                  change.what == What::requirement;
        return about_region && change.region_id > 0 ? std::optional(change.region_id) : std::nullopt;
    }

    /// Of products that take long, leaves what quickly takes their place. With an input of its own: the next change that lists them makes them due.
    static void keep_stopgaps(std::vector<Product>& products) {
        std::erase_if(products, [](const Product& product) { return product.slow && !product.stopgap; });
        for (auto& product : products) {
            if (!product.slow) continue;
            product.compute = std::exchange(product.stopgap, nullptr);
            product.slow = false; // `quick` says how soon the stopgap is there
            product.input.push_back(-1);
        }
    }

    /// Whether products come as sets of parts. A newer set takes the place of one of the same slot that has not begun to leave: otherwise a slow client
    /// would get the sets of all earlier frames after the animation has stopped.
    static bool in_parts(const ProductKind& kind) {
        return kind.depends.requirement == RequirementKind::contours || kind.depends.requirement == RequirementKind::vector_overlay;
    }

    /// All frames of an animation are sent, also to a slow client: what belongs to one must not take the place of what belongs to another, whose tiles
    /// would come without their histogram.
    static void keep_apart(std::vector<Product>& products, std::uint64_t frame) {
        for (auto& product : products) product.slot += ":frame " + std::to_string(frame);
    }

    template <class Affected>
    void update(const ImagePtr& image, const Change& change, Affected affected) {
        ProductBoard::Update update;
        update.image = image->number;
        const auto region_id = only_region(change);
        const auto requested_by = change.what == Change::What::requirement ? std::optional(change.connection) : std::nullopt;
        const ProductContext context{session_, session_.cache(), board_, region_id, requested_by};
        const auto kinds = product_kinds();
        const auto frame = change.what == Change::What::plane && session_.playback() ? std::optional(++frames_) : std::nullopt;
        for (std::size_t i = 0; i < kinds.size(); ++i) {
            if (!affected(*kinds[i])) continue;
            ProductBoard::KindUpdate of_kind{i, {}, region_id};
            kinds[i]->list(context, image, of_kind.products);
            if (change.in_passing) keep_stopgaps(of_kind.products);
            if (frame && !in_parts(*kinds[i])) keep_apart(of_kind.products, *frame);
            for (auto& product : of_kind.products)
                product.on_error = [this, image, tag = kinds[i]->tag](const std::exception& error) { session_.report_failure(*image, error, tag); };
            update.kinds.push_back(std::move(of_kind));
        }
        if (change.what == Change::What::requirement) update.request = {change.region_id, change.connection};
        update.new_plane = change.what == Change::What::plane || change.what == Change::What::image_opened;
        update.new_view = update.new_plane && !change.channel_map;
        board_.update(std::move(update));
    }

    void post(JobClass job_class, std::uint64_t image, std::function<void(const JobContext&)> work) override {
        struct Posted { // the work goes before the session, and so the board
            SessionPtr session;
            std::function<void(const JobContext&)> work;
        };
        const auto posted = std::make_shared<Posted>(Posted{session_.shared_from_this(), std::move(work)});
        Job job;
        job.owner = session_.number();
        job.group = image;
        job.job_class = job_class;
        job.work = [posted](const JobContext& context) { posted->work(context); };
        session_.scheduler().post(std::move(job));
    }
    bool anyone_listens(const std::string& topic, const pubsub::Audience& audience) override { return session_.anyone_listens(topic, audience); }
    void publish(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery, const pubsub::Audience& audience) override {
        session_.publish(publication, delivery, audience);
    }
    bool has_room(const pubsub::Audience& audience, std::size_t bytes) override { return !without_room(audience, bytes); }
    void when_room(const pubsub::Audience& audience, std::size_t bytes, std::function<void()> ready) override {
        const auto receiver = without_room(audience, bytes);
        if (!receiver) return ready();
        receiver->outbox().when_room(bytes, [session = session_.shared_from_this(), ready = std::move(ready)] { ready(); }); // the board lives until then
    }
    /// One of the connections that has no room for so many bytes; null if all have.
    std::shared_ptr<pubsub::Receiver> without_room(const pubsub::Audience& audience, std::size_t bytes) const {
        for (const auto& connection : session_.connections())
            if (audience.address(connection->id()) == pubsub::Address::addressed && !connection->receiver()->outbox().has_room(bytes))
                return connection->receiver();
        return nullptr;
    }
    void warn(const std::string& tag, const std::string& message) override { session_.report(Severity::warning, {tag}, message); }

    Session& session_;
    ProductBoard board_;
    std::uint64_t frames_ = 0; // of animations
};

} // namespace

std::unique_ptr<ChangeListener> make_session_products(Session& session) { return std::make_unique<SessionProducts>(session); }

ProductBoard& board_of(const Session& session) { return static_cast<SessionProducts&>(*session.listener()).board(); }

} // namespace cubelink::server
