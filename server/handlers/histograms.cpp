// SET_HISTOGRAM_REQUIREMENTS and SET_STATS_REQUIREMENTS of the image, and of the cube.

#include "server/handlers/context.hpp"

#include "imaging/pixels/histogram.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/plane_data.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

void check_coordinate(const std::string& coordinate, const OpenImage& image, const std::string& where) {
    const auto parsed = parse_coordinate(coordinate, image);
    if (!parsed || parsed->axis == 'x' || parsed->axis == 'y')
        throw rpc::BadArguments(where + ".coordinate: \"" + coordinate + "\" names no stokes that this image has");
}

std::vector<HistogramRequirement> checked(const icd::SetHistogramRequirements& request, const OpenImage& image) {
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
    if (request.histograms().empty()) {
        const auto image = c.session->image(request.file_id());
        acknowledge(c.call);
        if (image && cube && stop_cube_histogram(*c.session, *image)) c.session->report(Severity::info, {"histogram"}, "Histogram cancelled");
        if (image && !cube) c.session->requirements().set({request.file_id(), image_region, RequirementKind::histogram, c.connection()}, std::vector<HistogramRequirement>());
        return;
    }
    const auto image = c.session->require_unchanged_image(request.file_id());
    auto asked = checked(request, *image);
    acknowledge(c.call);
    if (cube) return send_cube_histogram(c.session, image, asked.front());
    c.session->requirements().set({image->file_id, image_region, RequirementKind::histogram, c.connection()}, std::move(asked));
    send_required_histograms(c.session, image);
}

void set_statistics(const CommandCall<icd::SetStatsRequirements>& c) {
    const auto& request = *c.request;
    if (request.region_id() != image_region) {
        if (!request.stats_configs().empty()) no_regions(*c.session, "Statistics");
        return acknowledge(c.call);
    }
    if (request.stats_configs().empty()) {
        c.session->requirements().set({request.file_id(), image_region, RequirementKind::statistics, c.connection()}, std::vector<StatsRequirement>());
        return acknowledge(c.call);
    }
    const auto image = c.session->require_unchanged_image(request.file_id());
    require_short(request.stats_configs(), "stats_configs");
    std::vector<StatsRequirement> list;
    for (int i = 0; i < request.stats_configs_size(); ++i) {
        const auto& one = request.stats_configs(i);
        const std::string where = "stats_configs[" + std::to_string(i) + "]";
        check_coordinate(one.coordinate(), *image, where);
        require_short(one.stats_types(), where + ".stats_types");
        StatsRequirement asked{one.coordinate(), {}};
        for (int k = 0; k < one.stats_types_size(); ++k) {
            if (!icd::StatsType_IsValid(one.stats_types(k)))
                throw rpc::BadArguments(where + ".stats_types[" + std::to_string(k) + "]: there is no statistic " + std::to_string(one.stats_types(k)));
            asked.stats_types.push_back(one.stats_types(k));
        }
        list.push_back(std::move(asked));
    }
    c.session->requirements().set({image->file_id, image_region, RequirementKind::statistics, c.connection()}, std::move(list));
    acknowledge(c.call);
    send_required_statistics(c.session, image);
}

} // namespace

void register_histograms(HandlerContext& context) {
    // Cube histograms and others go by different commands' effects: only those of the image replace one another.
    on_command<icd::SetHistogramRequirements>(context, set_histograms, [](Command& command, const CommandCall<icd::SetHistogramRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        if (c.request->region_id() == image_region) command.key = "histograms:" + std::to_string(c.request->file_id());
    });
    on_command<icd::SetStatsRequirements>(context, set_statistics, [](Command& command, const CommandCall<icd::SetStatsRequirements>& c) {
        command.touch(image_id(c.request->file_id()));
        command.key = "statistics:" + std::to_string(c.request->file_id()) + ":" + std::to_string(c.request->region_id());
    });
}

} // namespace cubelink::server
