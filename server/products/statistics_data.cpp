#include "server/products/statistics_data.hpp"

#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/statistics.hpp"
#include "rpc/icd/messages.hpp"

#include <cmath>
#include <numbers>

namespace cubelink::server {

namespace {

/// What makes flux densities of sums: the pixel's area, and the beam of this plane.
imaging::FluxTerms flux_terms(const OpenImage& image, imaging::PlaneId plane) {
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

} // namespace

void publish_statistics(Session& session, const OpenImage& image, const PlaneStatistics& due, const JobContext& context) {
    if (!session.anyone_listens("carta.region.stats.data")) return;
    const auto plane = due.plane;
    const auto pyramid = imaging::cached_pyramid(session.cache(), *image.source, image.hdu, plane, context.threads, context.cancel);
    const auto terms = flux_terms(image, plane);
    auto message = std::make_shared<icd::RegionStatsData>();
    message->set_file_id(image.file_id);
    message->set_region_id(-1);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    for (const int type : due.asked.stats_types) {
        auto* value = message->add_statistics();
        value->set_stats_type(static_cast<icd::StatsType>(type));
        value->set_value(imaging::statistic(static_cast<imaging::StatsType>(type), pyramid->summary(), terms));
    }
    context.cancel.throw_if_cancelled();
    pubsub::Delivery delivery;
    delivery.delivery_class = pubsub::DeliveryClass::replaceable;
    delivery.key = due.key;
    image.plane_turn.if_current(due.turn, [&] { session.publish(std::move(message), delivery); });
}

} // namespace cubelink::server
