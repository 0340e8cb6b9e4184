// Statistics of the image (region -1) that connections require: REGION_STATS_DATA of the plane that is shown.

#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/required_products.hpp"
#include "server/products/statistics_message.hpp"

namespace cubelink::server {

namespace {

void compute(const Image& image, imaging::PlaneId plane, const StatsRequirement& requirement, imaging::BudgetCache& cache, ProductRun& run) {
    const auto pyramid = imaging::cached_pyramid(cache, *image.source, image.hdu, plane, run.threads(), run.cancel());
    StatisticsOf of{pyramid->summary(), {0, 0, image.shape().width, image.shape().height}, {}};
    if (needs_positions(requirement.stats_types))
        of.extremes = imaging::find_positions(*image.source, of.bounds, plane, of.summary, run.threads(), run.cancel());
    run.publish(statistics_message(image, image_region, plane, requirement, of));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for_each_requirement<StatsRequirement>(context, *image, image_region, [&](Product&& product, const StatsRequirement& requirement) {
        const auto plane = plane_of(*image, requirement.coordinate);
        product.input = {plane.channel, plane.stokes, image->plane.stokes};
        product.rank = Rank::statistics;
        product.slow = is_slow(context.cache, *image, plane);
        product.topic = statistics_topic;
        product.compute = [image, plane, requirement, &cache = context.cache](ProductRun& run) { compute(*image, plane, requirement, cache, run); };
        out.push_back(std::move(product));
    });
}

} // namespace

extern const ProductKind plane_statistics;
const ProductKind plane_statistics{"statistics", "statistics", ProductsOf::image, {.plane = true, .requirement = RequirementKind::statistics}, list};

} // namespace cubelink::server
