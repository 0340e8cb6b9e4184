// Statistics of closed regions that connections require: REGION_STATS_DATA of the plane that is shown, of all regions that are due by one pass over it.

#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/region_pass.hpp"
#include "server/products/required_products.hpp"
#include "server/products/statistics_message.hpp"

#include <map>
#include <tuple>

namespace cubelink::server {

namespace {

class StatisticsPass final : public JointPass {
public:
    StatisticsPass(const ImagePtr& image, imaging::PlaneId plane, imaging::BudgetCache& cache) : regions_(image, plane, cache) {}

    std::size_t add(const RegionStatePtr& state) { return regions_.add(state); }
    void include(std::size_t index) override { regions_.include(index); }

    void compute(std::size_t index, std::int32_t region_id, const StatsRequirement& requirement, ProductRun& run) {
        const auto& region = regions_.summarised(index, run);
        const auto& image = regions_.image();
        StatisticsOf of{region.summary, region.mask->bounds(), {}};
        if (needs_positions(requirement.stats_types))
            of.extremes = imaging::find_positions(*image.source, *region.mask, regions_.plane(), of.summary, run.threads(), run.cancel());
        run.publish(statistics_message(image, region_id, regions_.plane(), requirement, of));
    }

private:
    RegionPass regions_;
};

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    std::map<std::tuple<std::int32_t, std::int32_t, bool>, std::shared_ptr<StatisticsPass>> passes; // by plane, slow ones apart
    for (const auto& region : context.regions(*image, RequirementKind::statistics)) {
        if (!imaging::is_closed(region->state->shape.type)) continue;
        for_each_requirement<StatsRequirement>(context, *image, region->id, [&](Product&& product, const StatsRequirement& requirement) {
            const auto plane = plane_of(*image, requirement.coordinate);
            product.input = {plane.channel, plane.stokes, image->plane.stokes, static_cast<std::int64_t>(region->state->version)};
            product.rank = Rank::statistics;
            product.slow = is_slow_region(*region->state);
            product.live = true;
            product.topic = statistics_topic;
            auto& pass = passes[{plane.channel, plane.stokes, product.slow}];
            if (!pass) pass = std::make_shared<StatisticsPass>(image, plane, context.cache);
            const auto index = pass->add(region->state);
            product.joint = pass;
            product.joint_index = index;
            product.compute = [pass, index, id = region->id, requirement](ProductRun& run) { pass->compute(index, id, requirement, run); };
            out.push_back(std::move(product));
        });
    }
}

} // namespace

extern const ProductKind region_statistics;
const ProductKind region_statistics{
    "region statistics", "statistics", ProductsOf::regions, {.plane = true, .region = true, .requirement = RequirementKind::statistics}, list};

} // namespace cubelink::server
