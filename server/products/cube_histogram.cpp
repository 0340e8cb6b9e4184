// The histogram of the whole cube (region -2), with its progress. It takes as long as reading all of the cube twice, and goes on until nobody requires it.

#include "imaging/pixels/plane_summary.hpp"
#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/requirement_text.hpp"

#include <chrono>

namespace cubelink::server {

namespace {

constexpr auto report_interval = std::chrono::seconds(2);

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
    const auto part = [&](std::int32_t z) { return static_cast<float>(z + 1) / (2 * static_cast<float>(depth)); };

    imaging::PlaneSummary all;
    for (std::int32_t z = 0; z < depth; ++z) {
        run.check();
        all.merge(imaging::summarise(*image.source, plane, {z, stokes}, run.threads(), run.cancel()));
        if (report_is_due()) publish(part(z), nullptr);
    }
    publish(0.5f, nullptr);
    const auto bins = requirement.fixed_num_bins ? requirement.num_bins : imaging::automatic_bins(plane.x1, plane.y1);
    const auto bounds = requirement.fixed_bounds ? imaging::HistogramBounds{requirement.min, requirement.max} : imaging::HistogramBounds{all.min, all.max};
    imaging::HistogramCounter counter(bounds, bins);
    for (std::int32_t z = 0; z < depth; ++z) {
        run.check();
        counter.add(*image.source, plane, {z, stokes}, run.threads(), run.cancel());
        if (z + 1 == depth || !report_is_due()) continue;
        const auto so_far = counter.histogram(all);
        publish(0.5f + part(z), &so_far);
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
