// The histogram of the plane that is shown, by which clients choose the range of their colours. Everybody gets it, required or not, before the plane's
// last tile. Where it takes long, one of a sample of rows comes first.

#include "server/products/histogram_message.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"

namespace cubelink::server {

namespace {

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto plane = image->plane;
    const HistogramRequirement automatic{.coordinate = "z"};
    Product product;
    product.region_id = image_region;
    product.input = {plane.channel, plane.stokes};
    product.rank = Rank::histogram;
    product.slow = is_slow(context.cache, *image, plane);
    product.topic = histogram_topic;
    product.stopgap = [image, plane, automatic](ProductRun& run) {
        auto histogram = imaging::sampled_histogram(*image->source, plane, {}, run.threads(), run.cancel());
        // Of a plane that is nearly blank, a larger sample.
        if (!histogram) histogram = imaging::sampled_histogram(*image->source, plane, {}, run.threads(), run.cancel(), 8 * imaging::kSamplePixels);
        if (histogram) run.publish(histogram_message(*image, image_region, plane, automatic, &*histogram, 1));
    };
    product.compute = [image, plane, automatic, &cache = context.cache](ProductRun& run) {
        const auto histogram = imaging::cached_histogram(cache, *image->source, image->hdu, plane, run.threads(), run.cancel());
        if (histogram->saturated) run.warn(image->info.name + saturated_histogram);
        run.publish(histogram_message(*image, image_region, plane, automatic, histogram.get(), 1));
    };
    out.push_back(std::move(product));
}

} // namespace

extern const ProductKind rendering_histogram;
const ProductKind rendering_histogram{"rendering histogram", "plane", ProductsOf::image, {.plane = true}, list};

} // namespace cubelink::server
