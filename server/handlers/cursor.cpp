// The cursor and profiles along x, y and lines: SET_CURSOR, SET_SPATIAL_REQUIREMENTS.

#include "server/handlers/context.hpp"

#include "imaging/regions/line_profile.hpp"
#include "rpc/icd/messages.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

std::string at(const char* field, int index) { return std::string(field) + "[" + std::to_string(index) + "]"; }

/// `along_line`: of a line, whose coordinates name a stokes alone ("", "z", "Q", "Qz"); else of a pixel ("x", "Qy").
std::vector<SpatialRequirement> checked_spatial(const icd::SetSpatialRequirements& request, const Image& image, bool along_line = false) {
    require_short(request.spatial_profiles(), "spatial_profiles");
    std::vector<SpatialRequirement> list;
    for (int i = 0; i < request.spatial_profiles_size(); ++i) {
        const auto& one = request.spatial_profiles(i);
        const auto coordinate = parse_coordinate(one.coordinate(), image);
        if (!coordinate || (coordinate->axis == 'x' || coordinate->axis == 'y') == along_line)
            throw rpc::BadArguments(at("spatial_profiles", i) + ".coordinate: \"" + one.coordinate() +
                                    (along_line ? "\" is no profile along a line of a stokes that this image has"
                                                : "\" is no profile along x or y of a stokes that this image has"));
        if (along_line) {
            if (one.width() < 0 || one.width() > imaging::max_line_width)
                throw rpc::BadArguments(at("spatial_profiles", i) + ".width: expected 1 to " + std::to_string(imaging::max_line_width) + ", or 0 for " +
                                        std::to_string(imaging::default_line_width) + ", got " + std::to_string(one.width()));
            list.push_back({.coordinate = one.coordinate(), .width = one.width()});
            continue;
        }
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
    const bool moved = image->cursor != position;
    if (!moved && request.has_spatial_requirements()) c.session->notify_requirement(key);
    if (!moved && c.session->last_cursor_file == image->file_id) return;
    image->cursor = position;
    c.session->last_cursor_file = image->file_id; // back in an image it may be where it was
    if (moved) c.session->notify({.what = Change::What::cursor, .file_id = image->file_id, .region_id = cursor_region});
    c.session->changed({{"what", "cursor"}, {"file_id", image->file_id}, {"point", rpc::Map{{"x", position.x}, {"y", position.y}}}}, "cursor");
}

/// Clients clear what they required of a region also after it is gone.
std::vector<SpatialRequirement> checked_spatial_of_region(const CommandCall<icd::SetSpatialRequirements>& c) {
    const auto& request = *c.request;
    if (request.spatial_profiles().empty()) return {};
    const auto image = c.session->require_unchanged_image(request.file_id());
    if (request.region_id() == cursor_region) return checked_spatial(request, *image);
    const auto type = c.session->require_region(request.region_id())->state->shape.type;
    if (type != imaging::RegionType::point && !imaging::is_line(type))
        throw rpc::BadArguments("region_id: region " + std::to_string(request.region_id()) + " is a " + std::string(imaging::name_of(type)) +
                                ": points, lines and polylines have spatial profiles");
    return checked_spatial(request, *image, imaging::is_line(type));
}

void set_spatial(const CommandCall<icd::SetSpatialRequirements>& c) {
    auto list = checked_spatial_of_region(c);
    acknowledge(c.call);
    set_requirements(c, c.request->file_id(), c.request->region_id(), RequirementKind::spatial, std::move(list));
}

} // namespace

void register_cursor(HandlerContext& context) {
    on_command<icd::SetCursor>(context, set_cursor, [](Command& command, const CommandCall<icd::SetCursor>& c) {
        command.touch(image_id(c.request->file_id()));
        if (!c.request->has_spatial_requirements()) command.key = "cursor:" + std::to_string(c.request->file_id());
    });
    on_command<icd::SetSpatialRequirements>(context, set_spatial, [](Command& command, const CommandCall<icd::SetSpatialRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
        command.key = requirement_key("spatial", c);
    });
}

} // namespace cubelink::server
