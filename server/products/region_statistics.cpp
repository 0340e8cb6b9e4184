// Statistics of closed regions that connections require: REGION_STATS_DATA of the plane that is shown, of all regions that are due by one pass over it.

#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/region_pass.hpp"
#include "server/products/statistics_message.hpp"

#include <span>

namespace cubelink::server {

namespace {

constexpr auto wanted_of = part_of<StatsRequirement>;

void compute(std::span<const JointRun> runs) {
    const auto& first = wanted_of(runs.front());
    const auto& image = *first.image;
    RegionPass pass(first.image, first.plane, *first.cache);
    for (const auto& one : runs) pass.add(wanted_of(one).region);
    if (!compute_for_any(runs, [&](const ProductRun& run) { pass.read(run); })) return;
    publish_each(runs, [&](std::size_t i) {
        const auto& wanted = wanted_of(runs[i]);
        auto& run = *runs[i].run;
        const auto& region = pass.summarised(i);
        StatisticsOf of{region.summary, region.mask->bounds(), {}};
        if (needs_positions(wanted.requirement.stats_types))
            of.extremes = imaging::find_positions(*image.source, *region.mask, pass.plane(), of.summary, run.threads(), run.cancel());
        run.publish(statistics_message(image, wanted.region_id, pass.plane(), wanted.requirement, of));
    });
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto plane = [&](const StatsRequirement& requirement) { return plane_of(*image, requirement.coordinate); };
    list_region_products<StatsRequirement>(context, image, RequirementKind::statistics, statistics_topic, plane, compute, out);
}

} // namespace

extern const ProductKind region_statistics;
const ProductKind region_statistics{
    "region statistics", "statistics", ProductsOf::regions, {.plane = true, .region = true, .requirement = RequirementKind::statistics}, list};

} // namespace cubelink::server
