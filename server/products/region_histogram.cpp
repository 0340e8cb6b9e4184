// Histograms of closed regions that connections require: REGION_HISTOGRAM_DATA of the plane that is shown. The pixels of all regions that are due are
// read together: once for their bounds, then for the counts of as many of them as have few bins together.

#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/region_pass.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

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

constexpr auto wanted_of = part_of<HistogramRequirement>;

/// The counts of some regions that stand one after the other and have few bins together.
class Counts {
public:
    /// Begins with region `from`; those that have failed are left out. Throws what ImageSource::read throws.
    Counts(const RegionPass& pass, std::span<const JointRun> runs, std::size_t from, const ProductRun& run) {
        std::size_t bins = 0, most = 0;
        std::vector<const imaging::PixelMask*> masks;
        for (to_ = from; to_ < runs.size(); ++to_) {
            index_.push_back(counters_.size());
            if (pass.failed(to_)) continue;
            const auto& region = pass.summarised(to_);
            const auto& asked = wanted_of(runs[to_]).requirement;
            const auto of_this = static_cast<std::size_t>(bins_of(asked, *region.state, *region.mask, pass.image()));
            if (!counters_.empty() && bins + of_this > bins_at_once) break;
            const auto bounds = asked.fixed_bounds ? imaging::HistogramBounds{asked.min, asked.max}
                                                   : imaging::HistogramBounds{region.summary.min, region.summary.max};
            // Of a region outside of the image there is nothing to count, whatever the bounds.
            counters_.emplace_back(region.mask->empty() ? imaging::HistogramBounds{} : bounds, static_cast<std::int32_t>(of_this));
            masks.push_back(region.mask.get());
            bins += of_this;
            most = std::max(most, of_this);
        }
        const auto& source = *pass.image().source;
        memory_ = pass.cache().reserve(bins * sizeof(std::uint64_t), run.cancel());
        const auto memory = pass.cache().reserve(imaging::HistogramCounter::pass_bytes(source, masks, most, run.threads()), run.cancel());
        imaging::HistogramCounter::add_masks(source, masks, pass.plane(), counters_, run.threads(), run.cancel(), pass.in_memory());
    }

    /// One past the last region.
    std::size_t to() const { return to_; }
    /// Of the region from + i, which has not failed.
    const imaging::HistogramCounter& of(std::size_t i) const { return counters_[index_[i]]; }

private:
    std::size_t to_ = 0;
    std::vector<std::size_t> index_; // of each region's counter
    std::vector<imaging::HistogramCounter> counters_;
    imaging::Reservation memory_;
};

void compute(std::span<const JointRun> runs) {
    const auto& first = wanted_of(runs.front());
    const auto& image = *first.image;
    RegionPass pass(first.image, first.plane, *first.cache);
    for (const auto& one : runs) pass.add(wanted_of(one).region);
    if (!compute_for_any(runs, [&](const ProductRun& run) { pass.read(run); })) return;
    for (std::size_t from = 0; from < runs.size();) {
        std::optional<Counts> counts;
        if (!compute_for_any(runs.subspan(from), [&](const ProductRun& run) { counts.emplace(pass, runs, from, run); })) return;
        publish_each(runs.subspan(from, counts->to() - from), [&](std::size_t i) {
            const auto& wanted = wanted_of(runs[from + i]);
            auto& run = *runs[from + i].run;
            const auto& region = pass.summarised(from + i);
            const auto histogram = counts->of(i).histogram(region.summary);
            if (histogram.saturated) run.warn(image.info.name + saturated_histogram);
            run.publish(histogram_message(image, wanted.region_id, pass.plane(), wanted.requirement, &histogram, 1));
        });
        from = counts->to();
    }
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto plane = [&](const HistogramRequirement& requirement) { return plane_of(*image, requirement.coordinate, requirement.channel); };
    list_region_products<HistogramRequirement>(context, image, RequirementKind::histogram, histogram_topic, plane, compute, out);
}

} // namespace

extern const ProductKind region_histogram;
const ProductKind region_histogram{
    "region histogram", "histogram", ProductsOf::regions, {.plane = true, .region = true, .requirement = RequirementKind::histogram}, list};

} // namespace cubelink::server
