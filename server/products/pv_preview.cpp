// Position-velocity previews: PV_PREVIEW_DATA, for the connection that has opened one, whenever its line is dragged or set. What it looked like when it
// was opened has been sent with PV_RESPONSE.

#include "server/session/pv_preview.hpp"
#include "server/products/kinds.hpp"

#include <string>

namespace cubelink::server {

namespace {

constexpr const char* preview_topic = "carta.pv.preview.data";

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& region : context.regions(*image, RequirementKind::pv_preview)) {
        const auto dragged = context.session.dragged(region->id);
        const auto line = dragged ? dragged : region->state;
        for (const auto& group : context.session.requirements().groups<PvPreviewRequirement>(image->file_id, region->id)) {
            for (const auto& requirement : group.requirements) {
                const auto& preview = requirement.preview;
                if (line->version == preview->shown) continue;
                Product product;
                product.region_id = region->id;
                product.part = std::to_string(preview->number);
                product.input = {static_cast<std::int64_t>(preview->number), static_cast<std::int64_t>(line->version)};
                product.live = true;
                product.resend = false;
                product.rank = Rank::separate;
                product.job_class = JobClass::interactive; // the cube is in memory
                product.topic = preview_topic;
                product.audience = pubsub::Audience::required_by(group.connections);
                product.slot = product.part;
                product.compute = [preview, line, final = !dragged](ProductRun& run) {
                    if (const auto message = preview->draw(*line, final, run.threads(), run.cancel())) run.publish(message);
                };
                out.push_back(std::move(product));
            }
        }
    }
}

} // namespace

extern const ProductKind pv_preview;
const ProductKind pv_preview{"pv preview", "pv", ProductsOf::regions, {.region = true, .drag = true, .requirement = RequirementKind::pv_preview}, list};

} // namespace cubelink::server
