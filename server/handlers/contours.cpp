// SET_CONTOUR_PARAMETERS.

#include "server/handlers/context.hpp"
#include "server/session/contour_settings.hpp"

#include "rpc/icd/messages.hpp"

namespace cubelink::server {

namespace {

std::int32_t file_of(const icd::SetContourParameters& request) { return static_cast<std::int32_t>(request.file_id()); }

/// Where contours are wanted: 0 or -1: anywhere.
void check_region(const Session& session, std::int32_t id) {
    if (id == 0 || id == image_region) return;
    const auto region = id > 0 ? session.region(id) : nullptr;
    if (!region) throw rpc::BadArguments("region_id: there is no region " + std::to_string(id));
    if (!imaging::is_closed(region->state->shape.type))
        throw rpc::BadArguments("region_id: region " + std::to_string(id) + " is not closed, so that no contours lie within");
}

void set_contours(const CommandCall<icd::SetContourParameters>& c) {
    const auto& request = *c.request;
    auto requirement = contour_requirement(request);
    // Clients turn contours off also when the file is gone.
    if (requirement.levels.empty() && !c.session->image(file_of(request))) return acknowledge(c.call);
    const auto image = c.session->require_unchanged_image(file_of(request));
    check_region(*c.session, request.region_id());
    acknowledge(c.call);
    require_contours(*c.session, c.connection(), *image, request.region_id(), std::move(requirement));
}

} // namespace

void register_contours(HandlerContext& context) {
    on_command<icd::SetContourParameters>(context, set_contours, [](Command& command, const CommandCall<icd::SetContourParameters>& c) {
        command.touch(image_id(file_of(*c.request)));
        if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
        command.key = "contours:" + std::to_string(c.connection()) + ":" + std::to_string(file_of(*c.request));
    });
}

} // namespace cubelink::server
