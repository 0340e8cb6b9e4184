// Histograms of closed regions that connections require: REGION_HISTOGRAM_DATA of the plane that is shown. The pixels of all regions that are due are
// read together: once for their bounds, then for the counts of as many of them as have few bins together.

#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/region_pass.hpp"
#include "server/products/required_products.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

namespace cubelink::server {

namespace {

/// Bins of the histograms that are counted by one pass.
constexpr std::size_t bins_at_once = std::size_t{1} << 20;

/// Automatic bins are those of an image of the size of the bounding box, for an ellipse of a square of its larger axis.
std::int32_t bins_of(const HistogramRequirement& requirement, const RegionState& state, const imaging::PixelMask& mask, const Image& image) {
    auto bounds = mask.bounds();
    if (const auto shape = state.shape_on(image); shape && shape->type == imaging::RegionType::ellipse && shape->points.size() == 2 && !mask.empty()) {
        const auto& centre = shape->points[0];
        const double radius = std::max(shape->points[1].x, shape->points[1].y);
        const auto first = [&](double at) { return static_cast<std::int64_t>(std::max(0.0, std::ceil(at - radius))); };
        const auto end = [&](double at, std::int64_t length) {
            return static_cast<std::int64_t>(std::min(static_cast<double>(length), std::floor(at + radius) + 1));
        };
        bounds = {first(centre.x), first(centre.y), end(centre.x, image.shape().width), end(centre.y, image.shape().height)};
    }
    return imaging::checked_bins(spec_of(requirement), bounds.width(), bounds.height());
}

class HistogramPass final : public JointPass {
public:
    HistogramPass(const ImagePtr& image, imaging::PlaneId plane, imaging::BudgetCache& cache) : regions_(image, plane, cache) {}

    std::size_t add(const RegionPtr& region, const HistogramRequirement& requirement) {
        items_.push_back({region->id, requirement, false, {}});
        return regions_.add(region->state); // the same index
    }
    void include(std::size_t index) override {
        regions_.include(index);
        items_[index].due = true;
    }

    void compute(std::size_t index, ProductRun& run) {
        auto& item = items_[index];
        const auto& region = regions_.summarised(index, run);
        if (!item.counter) count_from(index, run);
        const auto histogram = item.counter->histogram(region.summary);
        item.counter.reset();
        item.due = false;
        if (histogram.saturated) run.warn(regions_.image().info.name + saturated_histogram);
        run.publish(histogram_message(regions_.image(), item.region_id, regions_.plane(), item.requirement, &histogram, 1));
    }

private:
    struct Item {
        std::int32_t region_id;
        HistogramRequirement requirement;
        bool due; // and not published
        std::optional<imaging::HistogramCounter> counter;
    };

    /// Counts for this one and for those after it.
    void count_from(std::size_t index, ProductRun& run) {
        run.check();
        std::vector<std::size_t> some;
        std::vector<const imaging::PixelMask*> masks;
        std::vector<imaging::HistogramCounter> counters;
        memory_ = {};
        for (auto& item : items_) item.counter.reset(); // of those that were given up
        std::size_t bins = 0, most = 0;
        for (std::size_t i = index; i < items_.size(); ++i) {
            if (!items_[i].due || regions_.failed(i)) continue;
            const auto& region = regions_.summarised(i, run);
            const auto& asked = items_[i].requirement;
            const auto of_this = static_cast<std::size_t>(bins_of(asked, *region.state, *region.mask, regions_.image()));
            if (!some.empty() && bins + of_this > bins_at_once) break;
            const auto bounds = asked.fixed_bounds ? imaging::HistogramBounds{asked.min, asked.max}
                                                   : imaging::HistogramBounds{region.summary.min, region.summary.max};
            // Of a region outside of the image there is nothing to count, whatever the bounds.
            counters.emplace_back(region.mask->empty() ? imaging::HistogramBounds{} : bounds, static_cast<std::int32_t>(of_this));
            some.push_back(i);
            masks.push_back(region.mask.get());
            bins += of_this;
            most = std::max(most, of_this);
        }
        const auto& source = *regions_.image().source;
        memory_ = regions_.cache().reserve(bins * sizeof(std::uint64_t), run.cancel());
        const auto memory = regions_.cache().reserve(imaging::HistogramCounter::pass_bytes(source, masks, most, run.threads()), run.cancel());
        imaging::HistogramCounter::add_masks(source, masks, regions_.plane(), counters, run.threads(), run.cancel(), regions_.in_memory());
        for (std::size_t i = 0; i < some.size(); ++i) items_[some[i]].counter = std::move(counters[i]);
    }

    RegionPass regions_;
    std::vector<Item> items_;
    imaging::Reservation memory_; // of the counters
};

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    std::map<std::tuple<std::int32_t, std::int32_t, bool>, std::shared_ptr<HistogramPass>> passes; // by plane, slow ones apart
    for (const auto& region : context.regions(*image, RequirementKind::histogram)) {
        if (!imaging::is_closed(region->state->shape.type)) continue;
        for_each_requirement<HistogramRequirement>(context, *image, region->id, [&](Product&& product, const HistogramRequirement& requirement) {
            const auto plane = plane_of(*image, requirement.coordinate, requirement.channel);
            product.input = {plane.channel, plane.stokes, image->plane.stokes, static_cast<std::int64_t>(region->state->version)};
            product.rank = Rank::statistics; // tiles don't wait for it
            product.slow = is_slow_region(*region->state);
            product.live = true;
            product.topic = histogram_topic;
            auto& pass = passes[{plane.channel, plane.stokes, product.slow}];
            if (!pass) pass = std::make_shared<HistogramPass>(image, plane, context.cache);
            const auto index = pass->add(region, requirement);
            product.joint = pass;
            product.joint_index = index;
            product.compute = [pass, index](ProductRun& run) { pass->compute(index, run); };
            out.push_back(std::move(product));
        });
    }
}

} // namespace

extern const ProductKind region_histogram;
const ProductKind region_histogram{
    "region histogram", "histogram", ProductsOf::regions, {.plane = true, .region = true, .requirement = RequirementKind::histogram}, list};

} // namespace cubelink::server
