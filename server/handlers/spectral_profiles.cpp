// SET_SPECTRAL_REQUIREMENTS: of the cursor, of points and of closed regions.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"

namespace cubelink::server {

namespace {

std::string at(const char* field, int index) { return std::string(field) + "[" + std::to_string(index) + "]"; }

std::vector<SpectralRequirement> checked(const icd::SetSpectralRequirements& request, const Image& image) {
    require_short(request.spectral_profiles(), "spectral_profiles");
    std::vector<SpectralRequirement> list;
    for (int i = 0; i < request.spectral_profiles_size(); ++i) {
        const auto& one = request.spectral_profiles(i);
        const auto coordinate = parse_coordinate(one.coordinate(), image);
        if (!coordinate || coordinate->axis == 'x' || coordinate->axis == 'y')
            throw rpc::BadArguments(at("spectral_profiles", i) + ".coordinate: \"" + one.coordinate() +
                                    "\" is no profile along z of a stokes that this image has");
        require_short(one.stats_types(), at("spectral_profiles", i) + ".stats_types");
        for (int k = 0; k < one.stats_types_size(); ++k)
            if (!icd::StatsType_IsValid(one.stats_types(k)))
                throw rpc::BadArguments(at("spectral_profiles", i) + "." + at("stats_types", k) + ": there is no statistic " +
                                        std::to_string(one.stats_types(k)));
        list.push_back({one.coordinate(), {one.stats_types().begin(), one.stats_types().end()}});
    }
    return list;
}

/// Fails the call, and tells the session.
[[noreturn]] void refuse(Session& session, const std::string& message) {
    session.report_afterwards(Severity::warning, {"spectral"}, message);
    throw rpc::CallError(rpc::Error{rpc::code::method_failed, message, {}, true});
}

void set_spectral(const CommandCall<icd::SetSpectralRequirements>& c) {
    const auto& request = *c.request;
    std::vector<SpectralRequirement> list;
    if (!request.spectral_profiles().empty()) { // clients clear what they required of a region also after it is gone
        const auto image = c.session->require_unchanged_image(request.file_id());
        if (image->info.dimensions < 3) refuse(*c.session, image->info.name + ": spectral profiles need an image of at least three axes.");
        if (request.region_id() != cursor_region) {
            const auto name = "Region " + std::to_string(request.region_id());
            const auto region = request.region_id() > 0 ? c.session->region(request.region_id()) : nullptr;
            if (!region) refuse(*c.session, name + " does not exist.");
            const auto type = region->state->shape.type;
            if (type != imaging::RegionType::point && !imaging::is_closed(type))
                refuse(*c.session, name + " is a " + std::string(imaging::name_of(type)) + ": points, rectangles, ellipses and polygons have spectral profiles.");
        }
        list = checked(request, *image);
    }
    acknowledge(c.call);
    set_requirements(c, request.file_id(), request.region_id(), RequirementKind::spectral, std::move(list));
}

} // namespace

void register_spectral_profiles(HandlerContext& context) {
    on_command<icd::SetSpectralRequirements>(context, set_spectral, [](Command& command, const CommandCall<icd::SetSpectralRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
        command.key = requirement_key("spectral", c);
    });
}

} // namespace cubelink::server
