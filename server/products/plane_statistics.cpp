// Statistics of the image (region -1) that connections require: REGION_STATS_DATA of the plane that is shown. What can't be computed is NaN.

#include "imaging/pixels/statistics.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/kinds.hpp"
#include "server/products/plane_facts.hpp"
#include "server/products/requirement_text.hpp"

#include <numbers>

namespace cubelink::server {

namespace {

/// What makes flux densities of sums: the pixel's area, and the beam of this plane.
imaging::FluxTerms flux_terms(const Image& image, imaging::PlaneId plane) {
    imaging::FluxTerms terms;
    terms.unit = imaging::flux_unit(imaging::is_computed_stokes(plane.stokes)
                                        ? imaging::polarization_unit(static_cast<imaging::Polarization>(plane.stokes), image.info.bunit)
                                        : image.info.bunit);
    const auto area = image.wcs ? image.wcs->pixel_area() : std::nullopt; // square degrees
    if (!area || !(*area > 0)) return terms;
    terms.pixel_area_arcsec2 = *area * 3600.0 * 3600.0;
    const int stokes = imaging::is_computed_stokes(plane.stokes) ? 0 : plane.stokes;
    if (const auto* beam = imaging::find_beam(image.info.beams, plane.channel, stokes); beam && beam->valid())
        terms.beam_area_pixels = std::numbers::pi / (4 * std::numbers::ln2) * beam->major * beam->minor / terms.pixel_area_arcsec2;
    return terms;
}

void compute(const Image& image, imaging::PlaneId plane, const StatsRequirement& requirement, imaging::BudgetCache& cache, ProductRun& run) {
    const auto pyramid = imaging::cached_pyramid(cache, *image.source, image.hdu, plane, run.threads(), run.cancel());
    const auto terms = flux_terms(image, plane);
    auto message = std::make_shared<icd::RegionStatsData>();
    message->set_file_id(image.file_id);
    message->set_region_id(image_region);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    for (const int type : requirement.stats_types) {
        auto* value = message->add_statistics();
        value->set_stats_type(static_cast<icd::StatsType>(type));
        value->set_value(imaging::statistic(static_cast<imaging::StatsType>(type), pyramid->summary(), terms));
    }
    run.publish(std::move(message));
}

void list(const ProductContext& context, const ImagePtr& image, std::vector<Product>& out) {
    for (const auto& group : context.session.requirements().groups<StatsRequirement>(image->file_id, image_region)) {
        const auto list = text_of(group.requirements);
        for (std::size_t i = 0; i < group.requirements.size(); ++i) {
            const auto& requirement = group.requirements[i];
            const auto plane = plane_of(*image, requirement.coordinate);
            Product product;
            product.region_id = image_region;
            product.part = std::to_string(i) + "/" + list;
            product.input = {plane.channel, plane.stokes, image->plane.stokes};
            product.rank = Rank::statistics;
            product.slow = is_slow(context.cache, *image, plane);
            product.topic = statistics_topic;
            product.audience = pubsub::Audience::required_by(group.connections);
            product.slot = slot_of(group, static_cast<std::int64_t>(i));
            product.compute = [image, plane, requirement, &cache = context.cache](ProductRun& run) { compute(*image, plane, requirement, cache, run); };
            out.push_back(std::move(product));
        }
    }
}

} // namespace

extern const ProductKind plane_statistics;
const ProductKind plane_statistics{"statistics", "statistics", ProductsOf::image, {.plane = true, .requirement = RequirementKind::statistics}, list};

} // namespace cubelink::server
