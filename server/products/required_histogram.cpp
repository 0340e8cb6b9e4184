// Histograms of the image (region -1) that connections require, beside the rendering histogram.

#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/required_products.hpp"

namespace cubelink::server {

namespace {

void compute(const Image& image, imaging::PlaneId plane, const HistogramRequirement& requirement, imaging::BudgetCache& cache, ProductRun& run) {
    const auto publish = [&](const imaging::Histogram& histogram) {
        if (histogram.saturated) run.warn(image.info.name + saturated_histogram);
        run.publish(histogram_message(image, image_region, plane, requirement, &histogram, 1));
    };
    if (!requirement.fixed_num_bins && !requirement.fixed_bounds)
        return publish(*imaging::cached_histogram(cache, *image.source, image.hdu, plane, run.threads(), run.cancel()));
    const auto pyramid = imaging::cached_pyramid(cache, *image.source, image.hdu, plane, run.threads(), run.cancel());
    publish(imaging::plane_histogram(*image.source, plane, pyramid->summary(), spec_of(requirement), run.threads(), run.cancel(), pyramid.get()));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for_each_requirement<HistogramRequirement>(context, *image, image_region, [&](Product&& product, const HistogramRequirement& requirement) {
        const auto plane = plane_of(*image, requirement.coordinate, requirement.channel);
        // All are sent again when another stokes is shown, those that name a channel too.
        product.input = {plane.channel, plane.stokes, image->plane.stokes};
        product.rank = Rank::required_histogram;
        product.slow = is_slow(context.cache, *image, plane);
        product.topic = histogram_topic;
        product.compute = [image, plane, requirement, &cache = context.cache](ProductRun& run) { compute(*image, plane, requirement, cache, run); };
        out.push_back(std::move(product));
    });
}

} // namespace

extern const ProductKind required_histogram;
const ProductKind required_histogram{"required histogram", "histogram", ProductsOf::image, {.plane = true, .requirement = RequirementKind::histogram}, list};

} // namespace cubelink::server
