#pragma once
/// REGION_STATS_DATA, and what its numbers need of an image. Any thread.

#include "imaging/pixels/statistics.hpp"
#include "imaging/source/pixel_mask.hpp"
#include "rpc/icd/messages.hpp"
#include "server/session/image.hpp"
#include "server/session/requirements.hpp"

#include <memory>

namespace cubelink::server {

/// What makes flux densities of sums: the pixel's area, which is the same for all planes, and the beam of each. The image must live as long.
imaging::FluxTermsOf flux_terms_of(const Image& image);

/// What statistics are computed from: the pixels of a region, or of the whole plane.
struct StatisticsOf {
    imaging::PlaneSummary summary;
    imaging::Rect bounds;               // the smallest that holds the pixels
    imaging::ExtremePositions extremes; // if needs_positions()
};

/// Whether these statistics take a second pass over the pixels.
bool needs_positions(const std::vector<int>& stats_types);

/// One statistic; of positions, which have two numbers, the first (x). NaN for what can't be computed.
double value_of(imaging::StatsType type, const StatisticsOf& of, const imaging::FluxTerms& terms);

/// All statistics of a requirement in its order.
std::shared_ptr<icd::RegionStatsData> statistics_message(const Image& image, std::int32_t region_id, imaging::PlaneId plane,
                                                         const StatsRequirement& requirement, const StatisticsOf& of);

} // namespace cubelink::server
