// The value of the pixel under the cursor, for connections that require no spatial profiles there: SPATIAL_PROFILE_DATA without profiles. Nothing is sent
// for a cursor outside of the image.

#include "server/products/kinds.hpp"
#include "server/products/profile_values.hpp"

namespace cubelink::server {

extern const ProductKind spatial_profile;

namespace {

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto pixel = image->cursor ? pixel_at(*image->cursor, image->shape()) : std::nullopt;
    if (!pixel) return;
    std::vector<std::uint64_t> with_profiles;
    for (const auto& group : context.session.requirements().groups<SpatialRequirement>(image->file_id, cursor_region))
        with_profiles.insert(with_profiles.end(), group.connections.begin(), group.connections.end());
    std::sort(with_profiles.begin(), with_profiles.end());
    const auto plane = image->plane;
    Product product;
    product.region_id = cursor_region;
    product.input = input_of(*image->cursor);
    product.input.insert(product.input.end(), {plane.channel, plane.stokes});
    // It tells of a movement, of which a connection that clears its requirements knows, unless the profiles that would have told of it are still due.
    product.catches_up = false;
    const bool cleared = context.requested_by && !std::binary_search(with_profiles.begin(), with_profiles.end(), *context.requested_by);
    product.stands_in = cleared && context.was_due(spatial_profile, *image, cursor_region);
    product.rank = Rank::spatial_profile;
    product.quick = has_random_access(*image);
    product.job_class = product.quick ? JobClass::interactive : JobClass::view;
    product.topic = spatial_topic;
    if (!with_profiles.empty()) product.audience = pubsub::Audience::all_except(std::move(with_profiles));
    product.compute = [image, plane, at = *pixel, &cache = context.cache](ProductRun& run) {
        const auto pyramid = imaging::find_pyramid(cache, *image->source, image->hdu, plane);
        run.publish(cursor_message(*image, plane, at, pyramid.get(), run.cancel()));
    };
    out.push_back(std::move(product));
}

} // namespace

std::shared_ptr<icd::SpatialProfileData> cursor_message(const Image& image, imaging::PlaneId plane, PixelIndex pixel, const imaging::PlanePyramid* pyramid,
                                                        const imaging::CancelToken& cancel) {
    auto message = std::make_shared<icd::SpatialProfileData>();
    message->set_file_id(image.file_id);
    message->set_region_id(cursor_region);
    message->set_x(static_cast<std::int32_t>(pixel.x));
    message->set_y(static_cast<std::int32_t>(pixel.y));
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    float value = 0;
    const imaging::Rect rect{pixel.x, pixel.y, pixel.x + 1, pixel.y + 1};
    if (pyramid && pyramid->holds(1)) pyramid->read(*image.source, rect, 1, {&value, 1}, cancel);
    else image.source->read(rect, plane, {&value, 1}, 1, cancel);
    message->set_value(std::isfinite(value) ? value : std::numeric_limits<float>::quiet_NaN());
    return message;
}

extern const ProductKind cursor_value;
const ProductKind cursor_value{"cursor value", "cursor", ProductsOf::cursor, {.plane = true, .cursor = true, .requirement = RequirementKind::spatial}, list};

} // namespace cubelink::server
