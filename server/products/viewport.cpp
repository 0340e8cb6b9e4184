// Views that are drawn for a connection and pushed to it as JPEG pictures, as ParaViewWeb does: one whenever what is to be seen has changed. The next one is drawn
// when the one before has left for the client, in the newest state: nothing waits for a slow client.

#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/rendering.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

namespace cubelink::server {

namespace {

constexpr const char* viewport_topic = "viewport.image.push.subscription";

/// More than any outbox: there is room when nothing waits in it.
constexpr std::size_t all_of_the_outbox = std::numeric_limits<std::size_t>::max() / 4;

RenderRequest request_of(const ViewportRequirement& view, const Image& image) {
    RenderRequest request;
    request.plane = image.plane;
    const double ratio = view.effective_ratio();
    const auto side = [&](int pixels) { return std::max(1, static_cast<int>(pixels * ratio)); };
    request.size = {side(view.size.width), side(view.size.height)};
    if (view.framing) request.framing = {view.framing->x, view.framing->y, view.framing->scale * request.size.width / view.size.width};
    else request.framing = imaging::fitting(image.shape(), request.size);
    request.look = view.look;
    request.grid = view.grid;
    request.beam = view.beam;
    request.encoding = {imaging::PictureFormat::jpeg, view.effective_quality()};
    return request;
}

rpc::PublicationPtr message_of(const ViewportRequirement& view, const Image& image, const RenderRequest& request, RenderedFile&& file, std::int64_t milliseconds) {
    const auto id = std::to_string(image.file_id);
    const auto size = static_cast<std::int64_t>(file.bytes.size());
    return std::make_shared<const rpc::Publication>(
        viewport_topic, rpc::body(rpc::Map{{"id", id},
                                           {"global_id", id},
                                           {"image", std::move(file.bytes)},
                                           {"format", "jpeg"},
                                           {"size", rpc::Array{request.size.width, request.size.height}},
                                           {"memsize", size},
                                           {"workTime", milliseconds},
                                           {"localTime", 0},
                                           {"mtime", static_cast<std::int64_t>(view.revision)},
                                           {"stale", false},
                                           {"file_id", image.file_id},
                                           {"channel", request.plane.channel},
                                           {"stokes", request.plane.stokes},
                                           {"x", request.framing.x},
                                           {"y", request.framing.y},
                                           {"scale", request.framing.scale},
                                           {"limits", rpc::Array{file.limits.low, file.limits.high}},
                                           {"stretch", imaging::name_of(file.stretch)},
                                           {"quality", view.effective_quality()}}));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& group : context.session.requirements().groups<ViewportRequirement>(image->file_id, image_region)) {
        for (const auto& view : group.requirements) {
            if (!view.enabled || view.size.width < 1 || view.size.height < 1) continue;
            Product product;
            product.region_id = image_region;
            product.part = std::to_string(view.number);
            product.input = {image->plane.channel, image->plane.stokes, static_cast<std::int64_t>(view.revision)};
            product.live = true;
            product.resend = false;
            product.rank = Rank::separate;
            product.topic = viewport_topic;
            product.audience = pubsub::Audience::required_by(group.connections);
            product.slot = product.part;
            product.compute = [image, view, request = request_of(view, *image), &cache = context.cache](ProductRun& run) {
                if (run.superseded()) return;
                if (!run.has_room(all_of_the_outbox)) return run.continue_when_room(all_of_the_outbox);
                const auto begun = std::chrono::steady_clock::now();
                auto file = render(*image, request, cache, run.threads(), run.cancel(), [&] { run.check(); });
                const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
                run.publish(message_of(view, *image, request, std::move(file), took.count()));
            };
            out.push_back(std::move(product));
        }
    }
}

} // namespace

extern const ProductKind viewport;
const ProductKind viewport{"viewport", "viewport", ProductsOf::image, {.plane = true, .requirement = RequirementKind::viewport}, list};

} // namespace cubelink::server
