// The histogram of the whole cube (region -2), with its progress. It takes as long as reading all of the cube twice, and goes on until nobody requires it.

#include "imaging/pixels/plane_summary.hpp"
#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/requirement_text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace cubelink::server {

namespace {

constexpr auto report_interval = std::chrono::seconds(2);

/// Pixels of channels that are read by one parallel loop, whose threads wait for each other at its end.
constexpr std::int64_t pixels_at_once = std::int64_t{1} << 24;

void compute(const Image& image, std::int32_t stokes, const HistogramRequirement& requirement, ProductRun& run) {
    using Clock = std::chrono::steady_clock;
    const auto depth = image.shape().depth;
    const imaging::Rect plane{0, 0, image.shape().width, image.shape().height};
    auto last_report = Clock::now();
    const auto publish = [&](float progress, const imaging::Histogram* histogram) {
        last_report = Clock::now();
        run.publish(histogram_message(image, cube_region, {cube_region, stokes}, requirement, histogram, progress));
    };
    const auto report_is_due = [&] { return Clock::now() - last_report >= report_interval; };
    const auto part = [&](std::int32_t z) { return static_cast<float>(z) / (2 * static_cast<float>(depth)); };
    std::vector<imaging::ChannelRange> ranges;
    const auto step = std::clamp<std::int64_t>(pixels_at_once / plane.size(), 1, depth);
    for (std::int64_t z = 0; z < depth; z += step) ranges.push_back({static_cast<std::int32_t>(z), static_cast<std::int32_t>(std::min(z + step, depth))});

    imaging::PlaneSummary all;
    for (const auto range : ranges) {
        run.check();
        all.merge(imaging::summarise(*image.source, plane, range, stokes, run.threads(), run.cancel()));
        if (report_is_due()) publish(part(range.to), nullptr);
    }
    publish(0.5f, nullptr);
    const auto bins = requirement.fixed_num_bins ? requirement.num_bins : imaging::automatic_bins(plane.x1, plane.y1);
    const auto bounds = requirement.fixed_bounds ? imaging::HistogramBounds{requirement.min, requirement.max} : imaging::HistogramBounds{all.min, all.max};
    imaging::HistogramCounter counter(bounds, bins);
    for (const auto range : ranges) {
        run.check();
        counter.add(*image.source, plane, range, stokes, run.threads(), run.cancel());
        if (range.to == depth || !report_is_due()) continue;
        const auto so_far = counter.histogram(all);
        publish(0.5f + part(range.to), &so_far);
    }
    const auto histogram = counter.histogram(all);
    if (histogram.saturated) run.warn(image.info.name + saturated_histogram);
    publish(1, &histogram);
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& group : context.session.requirements().groups<HistogramRequirement>(image->file_id, cube_region)) {
        const auto& requirement = group.requirements.front();
        const auto stokes = plane_of(*image, requirement.coordinate).stokes;
        Product product;
        product.region_id = cube_region;
        product.part = text_of(group.requirements);
        product.input = {stokes};
        product.keep_input = true; // of the stokes that was shown when it was required
        product.rank = Rank::separate;
        product.job_class = JobClass::bulk;
        product.topic = histogram_topic;
        product.audience = pubsub::Audience::required_by(group.connections);
        product.slot = slot_of(group, 0);
        product.compute = [image, stokes, requirement](ProductRun& run) { compute(*image, stokes, requirement, run); };
        product.on_withdrawn = [&session = context.session, file_id = image->file_id] {
            // Not if another one takes its place.
            if (session.requirements().groups<HistogramRequirement>(file_id, cube_region).empty())
                session.report(Severity::info, {"histogram"}, "Histogram cancelled");
        };
        out.push_back(std::move(product));
    }
}

} // namespace

extern const ProductKind cube_histogram;
const ProductKind cube_histogram{"cube histogram", "cube histogram", ProductsOf::cube, {.requirement = RequirementKind::histogram}, list};

} // namespace cubelink::server
