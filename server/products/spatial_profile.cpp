// Profiles along x and y through the pixel under the cursor, or that of a point region: SPATIAL_PROFILE_DATA, one for each stokes that a connection requires
// profiles of.

#include "imaging/pixels/spatial_profile.hpp"
#include "server/products/kinds.hpp"
#include "server/products/profile_values.hpp"
#include "server/products/requirement_text.hpp"

namespace cubelink::server {

namespace {

/// Pixels that a quick message may be made of. Those of columns lie apart.
constexpr std::int64_t quick_pixels = 1 << 15;

/// Those of a list of requirements that mean the same stokes, in their order.
struct OfStokes {
    std::int32_t stokes = 0;
    std::vector<SpatialRequirement> profiles;
};

std::vector<OfStokes> by_stokes(const Image& image, const std::vector<SpatialRequirement>& list) {
    std::vector<OfStokes> groups;
    for (const auto& requirement : list) {
        const auto parsed = parse_coordinate(requirement.coordinate, image);
        if (!parsed || (parsed->axis != 'x' && parsed->axis != 'y')) continue;
        const auto stokes = parsed->stokes.value_or(image.plane.stokes);
        auto group = std::find_if(groups.begin(), groups.end(), [&](const OfStokes& one) { return one.stokes == stokes; });
        if (group == groups.end()) group = groups.insert(groups.end(), {stokes, {}});
        group->profiles.push_back(requirement);
    }
    return groups;
}

bool along_x(const SpatialRequirement& requirement) { return requirement.coordinate.back() == 'x'; }

std::int64_t length_of(const Image& image, const SpatialRequirement& requirement) {
    return along_x(requirement) ? image.shape().width : image.shape().height;
}

/// Pixels that the profiles are made of.
std::int64_t pixels_of(const Image& image, const std::vector<SpatialRequirement>& profiles) {
    std::int64_t sum = 0;
    for (const auto& one : profiles) {
        const auto length = length_of(image, one);
        sum += std::max<std::int64_t>(0, (one.end == 0 ? length : std::min<std::int64_t>(length, one.end)) - one.start);
    }
    return sum;
}

void compute(const Image& image, std::int32_t region_id, imaging::PlaneId plane, PixelIndex pixel, const std::vector<SpatialRequirement>& profiles,
             imaging::BudgetCache& cache, ProductRun& run) {
    const auto pixels = pixels_of(image, profiles);
    if (pixels > max_profile_values) throw imaging::ImageError("these profiles are too long to be sent: ask for parts of them");
    auto pyramid = imaging::find_pyramid(cache, *image.source, image.hdu, plane);
    // A column of a compressed image costs as much as the plane.
    if (!pyramid && !has_random_access(image))
        pyramid = imaging::cached_pyramid(cache, *image.source, image.hdu, plane, run.threads(), run.cancel());
    const bool of_pyramid = pyramid && (pyramid->holds(1) || !has_random_access(image));
    const auto memory = memory_for(cache, pixels, run.cancel());
    auto message = cursor_message(image, plane, pixel, pyramid.get(), run.cancel());
    message->set_region_id(region_id);
    for (const auto& one : profiles) {
        const auto length = length_of(image, one);
        imaging::SpatialProfileSpec spec;
        spec.axis = along_x(one) ? imaging::ProfileAxis::x : imaging::ProfileAxis::y;
        spec.start = one.start;
        spec.end = one.end;
        spec.mip = one.mip;
        const auto values = imaging::spatial_profile(*image.source, plane, pixel.x, pixel.y, spec, run.cancel(), of_pyramid ? pyramid.get() : nullptr);
        auto* profile = message->add_profiles();
        profile->set_coordinate(one.coordinate);
        profile->set_start(one.start);
        profile->set_end(one.end == 0 ? static_cast<std::int32_t>(length) : one.end);
        profile->set_mip(one.mip);
        set_floats(*profile, values);
    }
    run.publish(std::move(message));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    const auto pixel = image->cursor ? pixel_at(*image->cursor, image->shape()) : std::nullopt;
    if (pixel) list_point_profiles(context, image, cursor_region, *pixel, input_of(*image->cursor), out);
}

} // namespace

void list_point_profiles(const ProductContext& context, const ImagePtr& image, std::int32_t region_id, PixelIndex pixel, const std::vector<std::int64_t>& position,
                         std::vector<Product>& out) {
    for (const auto& group : context.session.requirements().groups<SpatialRequirement>(image->file_id, region_id)) {
        const auto list = text_of(group.requirements);
        for (auto& of_stokes : by_stokes(*image, group.requirements)) {
            const imaging::PlaneId plane{image->plane.channel, of_stokes.stokes};
            Product product;
            product.region_id = region_id;
            product.part = std::to_string(of_stokes.stokes) + "/" + list;
            product.input = position;
            product.input.insert(product.input.end(), {plane.channel, image->plane.stokes});
            product.rank = Rank::spatial_profile;
            product.quick = has_random_access(*image) && pixels_of(*image, of_stokes.profiles) <= quick_pixels;
            product.slow = !has_random_access(*image) && is_slow(context.cache, *image, plane);
            product.job_class = has_random_access(*image) ? JobClass::interactive : JobClass::view;
            product.topic = spatial_topic;
            product.audience = pubsub::Audience::required_by(group.connections);
            product.slot = slot_of(group, of_stokes.stokes);
            product.compute = [image, region_id, plane, pixel, profiles = std::move(of_stokes.profiles), &cache = context.cache](ProductRun& run) {
                compute(*image, region_id, plane, pixel, profiles, cache, run);
            };
            out.push_back(std::move(product));
        }
    }
}

extern const ProductKind spatial_profile;
const ProductKind spatial_profile{"spatial profile", "cursor", ProductsOf::cursor, {.plane = true, .cursor = true, .requirement = RequirementKind::spatial}, list};

} // namespace cubelink::server
