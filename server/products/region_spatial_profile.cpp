// Profiles of regions: SPATIAL_PROFILE_DATA. Of a point as of the cursor; of lines and polylines the values along them, one message for each requirement.

#include "imaging/regions/line_profile.hpp"
#include "server/products/kinds.hpp"
#include "server/products/profile_values.hpp"
#include "server/products/requirement_text.hpp"

namespace cubelink::server {

namespace {

/// Pixels of a rectangle around a line for which a compressed image's plane is read at once and kept.
constexpr std::int64_t large_rectangle = 1 << 20;

/// One profile along a line, and who requires it.
struct LineProfile {
    SpatialRequirement requirement;
    std::vector<std::uint64_t> connections; // ascending
};

/// What the lists of all connections require along a line, each once.
std::vector<LineProfile> line_profiles(const Session& session, const Image& image, std::int32_t region_id) {
    std::vector<LineProfile> profiles;
    for (const auto& group : session.requirements().groups<SpatialRequirement>(image.file_id, region_id)) {
        for (const auto& requirement : group.requirements) {
            const auto parsed = parse_coordinate(requirement.coordinate, image);
            if (!parsed || parsed->axis == 'x' || parsed->axis == 'y') continue;
            auto known = std::find_if(profiles.begin(), profiles.end(), [&](const LineProfile& one) { return one.requirement == requirement; });
            if (known == profiles.end()) known = profiles.insert(profiles.end(), {requirement, {}});
            std::vector<std::uint64_t> both;
            std::set_union(known->connections.begin(), known->connections.end(), group.connections.begin(), group.connections.end(), std::back_inserter(both));
            known->connections = std::move(both);
        }
    }
    return profiles;
}

/// The pixels of a mask, from memory if they are there.
class PlaneReader {
public:
    PlaneReader(const Image& image, imaging::PlaneId plane, imaging::BudgetCache& cache, ProductRun& run)
        : image_(image), plane_(plane), cache_(cache), run_(run), pyramid_(imaging::find_pyramid(cache, *image.source, image.hdu, plane)) {}

    void operator()(const imaging::PixelMask& mask, std::span<float> out) {
        run_.check();
        if (!pyramid_ && !has_random_access(image_) && mask.bounds().size() > large_rectangle)
            pyramid_ = imaging::cached_pyramid(cache_, *image_.source, image_.hdu, plane_, run_.threads(), run_.cancel());
        if (!pyramid_ || !pyramid_->holds(1))
            return image_.source->read_masked(mask, {plane_.channel, plane_.channel + 1}, plane_.stokes, out, run_.threads().now(), run_.cancel());
        std::size_t from = 0;
        for (const auto& run : mask.runs()) {
            const auto length = static_cast<std::size_t>(run.length());
            pyramid_->read(*image_.source, {run.x0, run.y, run.x1, run.y + 1}, 1, out.subspan(from, length), run_.cancel());
            from += length;
        }
    }

private:
    const Image& image_;
    const imaging::PlaneId plane_;
    imaging::BudgetCache& cache_;
    ProductRun& run_;
    std::shared_ptr<const imaging::PlanePyramid> pyramid_;
};

/// Nothing is published of a line that is not on the image's sky.
void compute(const Image& image, const RegionState& state, std::int32_t region_id, imaging::PlaneId plane, const SpatialRequirement& requirement,
             imaging::BudgetCache& cache, ProductRun& run) {
    const auto line = state.shape_on(image);
    if (!line) return;
    const int width = requirement.width == 0 ? imaging::default_line_width : requirement.width;
    const auto sampling = imaging::sample_line(*line, width, image.wcs.get(), run.cancel());
    const auto memory = memory_for(cache, static_cast<std::int64_t>(sampling.boxes.size() * sizeof(imaging::LineBox) / sizeof(float)), run.cancel());
    const auto values = imaging::line_profile(sampling.boxes, image.shape(), PlaneReader(image, plane, cache, run), run.cancel());

    auto message = std::make_shared<icd::SpatialProfileData>();
    message->set_file_id(image.file_id);
    message->set_region_id(region_id);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    auto* profile = message->add_profiles();
    profile->set_coordinate(requirement.coordinate);
    profile->set_end(static_cast<std::int32_t>(values.size()) - 1);
    set_floats(*profile, values);
    auto* axis = profile->mutable_line_axis();
    axis->set_axis_type(line->type == imaging::RegionType::line ? icd::Offset : icd::Distance);
    axis->set_crpix(static_cast<float>(sampling.crpix));
    axis->set_crval(static_cast<float>(sampling.crval));
    axis->set_cdelt(static_cast<float>(sampling.cdelt));
    axis->set_unit(sampling.unit);
    run.publish(std::move(message));
}

void list_line(const ProductContext& context, const ImagePtr& image, const Region& region, std::vector<Product>& out) {
    const auto profiles = line_profiles(context.session, *image, region.id);
    for (std::size_t i = 0; i < profiles.size(); ++i) {
        const auto& profile = profiles[i];
        const auto plane = plane_of(*image, profile.requirement.coordinate);
        Product product;
        product.region_id = region.id;
        product.part = text_of(std::vector{profile.requirement});
        product.input = {plane.channel, plane.stokes, static_cast<std::int64_t>(region.state->version)};
        product.live = true;
        product.rank = Rank::separate;
        product.job_class = has_random_access(*image) ? JobClass::interactive : JobClass::view;
        product.topic = spatial_topic;
        product.audience = pubsub::Audience::required_by(profile.connections);
        product.slot = product.part;
        product.compute = [image, state = region.state, id = region.id, plane, requirement = profile.requirement, &cache = context.cache](ProductRun& run) {
            compute(*image, *state, id, plane, requirement, cache, run);
        };
        out.push_back(std::move(product));
    }
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& region : context.regions(*image, RequirementKind::spatial)) {
        const auto& state = *region->state;
        if (imaging::is_line(state.shape.type)) {
            list_line(context, image, *region, out);
        } else if (state.shape.type == imaging::RegionType::point) {
            const auto point = state.shape_on(*image);
            const auto pixel = point ? pixel_at(point->points[0], image->shape()) : std::nullopt;
            if (pixel) list_point_profiles(context, image, region->id, *pixel, {static_cast<std::int64_t>(state.version)}, out);
        }
    }
}

} // namespace

extern const ProductKind region_spatial_profile;
const ProductKind region_spatial_profile{"region spatial profile",
                                         "region",
                                         ProductsOf::regions,
                                         {.plane = true, .region = true, .requirement = RequirementKind::spatial},
                                         list};

} // namespace cubelink::server
