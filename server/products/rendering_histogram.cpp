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
    product.quick = product.slow ? imaging::find_sampled_histogram(context.cache, *image->source, image->hdu, plane) != nullptr
                                 : imaging::find_histogram(context.cache, *image->source, image->hdu, plane) != nullptr;
    product.stopgap = [image, plane, automatic, &cache = context.cache](ProductRun& run) {
        const auto histogram = imaging::cached_sampled_histogram(cache, *image->source, image->hdu, plane, run.threads(), run.cancel());
        if (*histogram) run.publish(histogram_message(*image, image_region, plane, automatic, &**histogram, 1));
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
