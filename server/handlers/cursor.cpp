// The cursor and profiles along x, y and lines: SET_CURSOR, SET_SPATIAL_REQUIREMENTS.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

std::string at(const char* field, int index) { return std::string(field) + "[" + std::to_string(index) + "]"; }

std::vector<SpatialRequirement> checked_spatial(const icd::SetSpatialRequirements& request, const Image& image) {
    require_short(request.spatial_profiles(), "spatial_profiles");
    std::vector<SpatialRequirement> list;
    for (int i = 0; i < request.spatial_profiles_size(); ++i) {
        const auto& one = request.spatial_profiles(i);
        const auto coordinate = parse_coordinate(one.coordinate(), image);
        if (!coordinate || (coordinate->axis != 'x' && coordinate->axis != 'y'))
            throw rpc::BadArguments(at("spatial_profiles", i) + ".coordinate: \"" + one.coordinate() +
                                    "\" is no profile along x or y of a stokes that this image has");
        if (one.start() < 0) throw rpc::BadArguments(at("spatial_profiles", i) + ".start: must not be negative");
        if (one.end() < 0 || (one.end() > 0 && one.end() <= one.start()))
            throw rpc::BadArguments(at("spatial_profiles", i) + ".end: must be above start, or 0 for the end of the axis");
        if (one.mip() < 0) throw rpc::BadArguments(at("spatial_profiles", i) + ".mip: must not be negative");
        list.push_back({one.coordinate(), one.start(), one.end(), one.mip()});
    }
    return list;
}

void set_cursor(const CommandCall<icd::SetCursor>& c) {
    const auto& request = *c.request;
    const auto image = c.session->require_unchanged_image(request.file_id());
    if (!request.has_point()) throw rpc::BadArguments("point: missing");
    const CursorPosition position{request.point().x(), request.point().y()};
    if (!std::isfinite(position.x)) throw rpc::BadArguments("point.x: expected a finite number");
    if (!std::isfinite(position.y)) throw rpc::BadArguments("point.y: expected a finite number");
    const RequirementKey key{image->file_id, cursor_region, RequirementKind::spatial, c.connection()};
    if (request.has_spatial_requirements()) c.session->requirements().set(key, checked_spatial(request.spatial_requirements(), *image));
    acknowledge(c.call);
    if (image->cursor == position) {
        if (request.has_spatial_requirements()) c.session->notify_requirement(key);
        return;
    }
    image->cursor = position;
    c.session->last_cursor_file = image->file_id;
    c.session->notify({.what = Change::What::cursor, .file_id = image->file_id, .region_id = cursor_region});
    c.session->changed({{"what", "cursor"}, {"file_id", image->file_id}, {"point", rpc::Map{{"x", position.x}, {"y", position.y}}}}, "cursor");
}

void set_spatial(const CommandCall<icd::SetSpatialRequirements>& c) {
    const auto& request = *c.request;
    if (request.region_id() != cursor_region) {
        // Clients clear what they required of a region also after it is gone.
        if (!request.spatial_profiles().empty()) no_regions(*c.session, "Spatial profiles");
        return acknowledge(c.call);
    }
    std::vector<SpatialRequirement> list;
    if (!request.spatial_profiles().empty()) list = checked_spatial(request, *c.session->require_unchanged_image(request.file_id()));
    acknowledge(c.call);
    set_requirements(c, request.file_id(), cursor_region, RequirementKind::spatial, std::move(list));
}

} // namespace

void register_cursor(HandlerContext& context) {
    on_command<icd::SetCursor>(context, set_cursor, [](Command& command, const CommandCall<icd::SetCursor>& c) {
        command.touch(image_id(c.request->file_id()));
        if (!c.request->has_spatial_requirements()) command.key = "cursor:" + std::to_string(c.request->file_id());
    });
    on_command<icd::SetSpatialRequirements>(context, set_spatial, [](Command& command, const CommandCall<icd::SetSpatialRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        command.key = requirement_key("spatial", c);
    });
}

} // namespace cubelink::server
