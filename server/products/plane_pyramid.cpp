// The pyramid of the plane that is shown, from which its tiles are cut and on which its histograms and statistics depend. It is made before them, by one job,
// so that they needn't wait for one another; nothing is published.

#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"

namespace cubelink::server {

namespace {

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto plane = image->plane;
    Product product;
    product.region_id = image_region;
    product.input = {plane.channel, plane.stokes};
    product.rank = Rank::pyramid;
    product.slow = is_slow(context.cache, *image, plane);
    product.quick = imaging::find_pyramid(context.cache, *image->source, image->hdu, plane) != nullptr;
    product.topic = tile_topic;
    product.compute = [image, plane, &cache = context.cache](ProductRun& run) {
        imaging::cached_pyramid(cache, *image->source, image->hdu, plane, run.threads(), run.cancel(), [&](double) { run.progress(); });
    };
    out.push_back(std::move(product));
}

} // namespace

extern const ProductKind plane_pyramid;
const ProductKind plane_pyramid{"pyramid", "plane", ProductsOf::image, {.plane = true}, list};

} // namespace cubelink::server
