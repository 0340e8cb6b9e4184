// SET_VECTOR_OVERLAY_PARAMETERS.

#include "server/products/vector_overlay.hpp"
#include "server/handlers/context.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// What the connection requires there at present; nothing if it requires none.
std::optional<VectorRequirement> required_before(const Session& session, const RequirementKey& key) {
    for (auto& group : session.requirements().groups<VectorRequirement>(key.file_id, key.region_id))
        if (std::binary_search(group.connections.begin(), group.connections.end(), key.connection)) return group.requirements.front();
    return {};
}

/// What clients expect that clear an overlay and name a smoothing factor.
std::shared_ptr<icd::VectorOverlayTileData> no_vectors(const Image& image) {
    auto message = std::make_shared<icd::VectorOverlayTileData>();
    message->set_file_id(image.file_id);
    message->set_channel(image.plane.channel);
    message->set_stokes_intensity(-1);
    message->set_stokes_angle(-1);
    message->set_progress(1);
    return message;
}

void set_vectors(const CommandCall<icd::SetVectorOverlayParameters>& c) {
    const auto& request = *c.request;
    const RequirementKey key{static_cast<std::int32_t>(request.file_id()), image_region, RequirementKind::vector_overlay, c.connection()};
    if (clears_vectors(request)) {
        acknowledge(c.call);
        c.session->require(key, std::vector<VectorRequirement>());
        if (const auto image = c.session->image(key.file_id); image && request.smoothing_factor() != 0)
            c.session->publish(no_vectors(*image), {}, pubsub::Audience::required_by({c.connection()}));
        return;
    }
    const auto image = c.session->require_unchanged_image(key.file_id);
    const auto requirement = checked_vectors(request, *image);
    acknowledge(c.call);
    // The same in another order needn't be sent again: the order is kept for the next plane.
    if (const auto before = required_before(*c.session, key); before && same_vectors(*before, requirement)) c.session->requirements().set(key, std::vector{requirement});
    else c.session->require(key, std::vector{requirement});
}

} // namespace

void register_vector_overlay(HandlerContext& context) {
    on_command<icd::SetVectorOverlayParameters>(context, set_vectors, [](Command& command, const CommandCall<icd::SetVectorOverlayParameters>& c) {
        command.touch(image_id(static_cast<std::int32_t>(c.request->file_id())));
        command.key = "vectors:" + std::to_string(c.connection()) + ":" + std::to_string(c.request->file_id());
    });
}

} // namespace cubelink::server
