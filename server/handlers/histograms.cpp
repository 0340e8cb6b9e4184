// SET_HISTOGRAM_REQUIREMENTS and SET_STATS_REQUIREMENTS of the image, and of the cube.

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
        if (request.region_id() == image_region && asked.channel != -1 && !image.has_channel(asked.channel))
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
    const bool cube = request.region_id() == cube_region;
    if (!cube && request.region_id() != image_region) {
        if (!request.histograms().empty()) no_regions(*c.session, "Histograms");
        return acknowledge(c.call);
    }
    std::vector<HistogramRequirement> list;
    if (!request.histograms().empty()) list = checked(request, *c.session->require_unchanged_image(request.file_id()));
    acknowledge(c.call);
    set_requirements(c, request.file_id(), request.region_id(), RequirementKind::histogram, std::move(list));
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
    if (request.region_id() != image_region) {
        if (!request.stats_configs().empty()) no_regions(*c.session, "Statistics");
        return acknowledge(c.call);
    }
    std::vector<StatsRequirement> list;
    if (!request.stats_configs().empty()) list = checked(request, *c.session->require_unchanged_image(request.file_id()));
    acknowledge(c.call);
    set_requirements(c, request.file_id(), image_region, RequirementKind::statistics, std::move(list));
}

} // namespace

void register_histograms(HandlerContext& context) {
    // Requests for the image replace one another while they wait; those for the cube do not, as an empty one stops a computation.
    on_command<icd::SetHistogramRequirements>(context, set_histograms, [](Command& command, const CommandCall<icd::SetHistogramRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        if (c.request->region_id() == image_region) command.key = requirement_key("histograms", c);
    });
    on_command<icd::SetStatsRequirements>(context, set_statistics, [](Command& command, const CommandCall<icd::SetStatsRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        command.key = requirement_key("statistics", c);
    });
}

} // namespace cubelink::server
