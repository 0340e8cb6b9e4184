#include "server/products/statistics_message.hpp"

#include <algorithm>
#include <numbers>

namespace cubelink::server {

imaging::FluxTermsOf flux_terms_of(const Image& image) {
    imaging::FluxTerms of_all;
    of_all.unit = imaging::flux_unit(image.info.bunit);
    const auto area = image.wcs ? image.wcs->pixel_area() : std::nullopt; // square degrees
    if (area && *area > 0) of_all.pixel_area_arcsec2 = *area * 3600.0 * 3600.0;
    return [of_all, &info = image.info](imaging::PlaneId plane) {
        auto terms = of_all;
        const bool computed = imaging::is_computed_stokes(plane.stokes);
        if (computed) terms.unit = imaging::flux_unit(imaging::polarization_unit(static_cast<imaging::Polarization>(plane.stokes), info.bunit));
        if (const auto* beam = imaging::find_beam(info.beams, plane.channel, computed ? 0 : plane.stokes); beam && beam->valid())
            terms.beam_area_pixels = std::numbers::pi / (4 * std::numbers::ln2) * beam->major * beam->minor / terms.pixel_area_arcsec2;
        return terms;
    };
}

bool needs_positions(const std::vector<int>& stats_types) {
    using imaging::StatsType;
    return std::any_of(stats_types.begin(), stats_types.end(),
                       [](int type) { return type == static_cast<int>(StatsType::min_pos) || type == static_cast<int>(StatsType::max_pos); });
}

double value_of(imaging::StatsType type, const StatisticsOf& of, const imaging::FluxTerms& terms) {
    using imaging::StatsType;
    if (of.summary.count > 0) switch (type) {
        case StatsType::blc: return static_cast<double>(of.bounds.x0);
        case StatsType::trc: return static_cast<double>(of.bounds.x1 - 1);
        case StatsType::min_pos: return static_cast<double>(of.extremes.min_x);
        case StatsType::max_pos: return static_cast<double>(of.extremes.max_x);
        default: break;
        }
    return imaging::statistic(type, of.summary, terms);
}

std::shared_ptr<icd::RegionStatsData> statistics_message(const Image& image, std::int32_t region_id, imaging::PlaneId plane,
                                                         const StatsRequirement& requirement, const StatisticsOf& of) {
    const auto terms = flux_terms_of(image)(plane);
    auto message = std::make_shared<icd::RegionStatsData>();
    message->set_file_id(image.file_id);
    message->set_region_id(region_id);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    for (const int type : requirement.stats_types) {
        auto* value = message->add_statistics();
        value->set_stats_type(static_cast<icd::StatsType>(type));
        value->set_value(value_of(static_cast<imaging::StatsType>(type), of, terms));
    }
    return message;
}

} // namespace cubelink::server
