// SET_HISTOGRAM_REQUIREMENTS and SET_STATS_REQUIREMENTS of the image, of closed regions, and of the cube.

#include "server/handlers/context.hpp"

#include "imaging/pixels/histogram.hpp"
#include "rpc/icd/messages.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

void check_coordinate(const std::string& coordinate, const Image& image, const std::string& where) {
    const auto parsed = parse_coordinate(coordinate, image);
    if (!parsed || parsed->axis == 'x' || parsed->axis == 'y')
        throw rpc::BadArguments(where + ".coordinate: \"" + coordinate + "\" names no stokes that this image has");
}

/// Throws CallError unless there is such a region and it has an inside. `what`: "Histograms", "Statistics".
void require_closed_region(const Session& session, std::int32_t region_id, const std::string& what) {
    const auto region = region_id > 0 ? session.region(region_id) : nullptr;
    const auto name = "Region " + std::to_string(region_id);
    if (!region) throw rpc::CallError(rpc::code::method_failed, name + " does not exist.");
    const auto type = region->state->shape.type;
    if (!imaging::is_closed(type))
        throw rpc::CallError(rpc::code::method_failed, name + " is a " + std::string(imaging::name_of(type)) + ": " + what + " are those of rectangles, ellipses and polygons.");
}

std::vector<HistogramRequirement> checked(const icd::SetHistogramRequirements& request, const Image& image) {
    require_short(request.histograms(), "histograms");
    std::vector<HistogramRequirement> list;
    for (int i = 0; i < request.histograms_size(); ++i) {
        const auto& one = request.histograms(i);
        const std::string where = "histograms[" + std::to_string(i) + "]";
        check_coordinate(one.coordinate(), image, where);
        HistogramRequirement asked;
        asked.coordinate = one.coordinate();
        asked.channel = one.channel();
        if (request.region_id() != cube_region && asked.channel != -1 && !image.has_channel(asked.channel))
            throw rpc::BadArguments(where + ".channel: channel " + std::to_string(asked.channel) + " does not exist");
        asked.fixed_num_bins = one.fixed_num_bins();
        if (asked.fixed_num_bins) {
            asked.num_bins = one.num_bins();
            if (asked.num_bins < 1 || asked.num_bins > imaging::kMaxHistogramBins)
                throw rpc::BadArguments(where + ".num_bins: expected 1 to " + std::to_string(imaging::kMaxHistogramBins));
        }
        asked.fixed_bounds = one.fixed_bounds();
        if (asked.fixed_bounds) {
            asked.min = one.bounds().min();
            asked.max = one.bounds().max();
            if (!std::isfinite(asked.min) || !std::isfinite(asked.max)) throw rpc::BadArguments(where + ".bounds: expected finite numbers");
        }
        list.push_back(std::move(asked));
    }
    return list;
}

void set_histograms(const CommandCall<icd::SetHistogramRequirements>& c) {
    const auto& request = *c.request;
    const auto region_id = request.region_id();
    std::vector<HistogramRequirement> list;
    if (!request.histograms().empty()) {
        const auto image = c.session->require_unchanged_image(request.file_id());
        if (region_id != cube_region && region_id != image_region) require_closed_region(*c.session, region_id, "histograms");
        list = checked(request, *image);
    }
    acknowledge(c.call);
    set_requirements(c, request.file_id(), region_id, RequirementKind::histogram, std::move(list));
}

std::vector<StatsRequirement> checked(const icd::SetStatsRequirements& request, const Image& image) {
    require_short(request.stats_configs(), "stats_configs");
    std::vector<StatsRequirement> list;
    for (int i = 0; i < request.stats_configs_size(); ++i) {
        const auto& one = request.stats_configs(i);
        const std::string where = "stats_configs[" + std::to_string(i) + "]";
        check_coordinate(one.coordinate(), image, where);
        require_short(one.stats_types(), where + ".stats_types");
        StatsRequirement asked{one.coordinate(), {}};
        for (int k = 0; k < one.stats_types_size(); ++k) {
            if (!icd::StatsType_IsValid(one.stats_types(k)))
                throw rpc::BadArguments(where + ".stats_types[" + std::to_string(k) + "]: there is no statistic " + std::to_string(one.stats_types(k)));
            asked.stats_types.push_back(one.stats_types(k));
        }
        list.push_back(std::move(asked));
    }
    return list;
}

void set_statistics(const CommandCall<icd::SetStatsRequirements>& c) {
    const auto& request = *c.request;
    const auto region_id = request.region_id();
    std::vector<StatsRequirement> list;
    if (!request.stats_configs().empty()) {
        const auto image = c.session->require_unchanged_image(request.file_id());
        if (region_id != image_region) require_closed_region(*c.session, region_id, "statistics");
        list = checked(request, *image);
    }
    acknowledge(c.call);
    set_requirements(c, request.file_id(), region_id, RequirementKind::statistics, std::move(list));
}

} // namespace

void register_histograms(HandlerContext& context) {
    // Requests for the same region replace one another while they wait; those for the cube do not, as an empty one stops a computation.
    on_command<icd::SetHistogramRequirements>(context, set_histograms, [](Command& command, const CommandCall<icd::SetHistogramRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        command.touch(region_id(c.request->region_id()));
        if (c.request->region_id() != cube_region) command.key = requirement_key("histograms", c);
    });
    on_command<icd::SetStatsRequirements>(context, set_statistics, [](Command& command, const CommandCall<icd::SetStatsRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        command.touch(region_id(c.request->region_id()));
        command.key = requirement_key("statistics", c);
    });
}

} // namespace cubelink::server
