#include "server/products/cursor_data.hpp"

#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/spatial_profile.hpp"
#include "imaging/pixels/spectral_profile.hpp"
#include "rpc/icd/messages.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace cubelink::server {

namespace {

/// Pixels that the profiles of one message may be made of: 256 MiB.
constexpr std::int64_t max_profile_values = 1 << 26;

/// What is held while profiles of so many pixels are made: pixels, values and message. Ordinary ones are not worth asking for.
imaging::Reservation memory_for(Session& session, std::int64_t pixels, const JobContext& context) {
    const auto bytes = 3 * sizeof(float) * static_cast<std::size_t>(pixels);
    if (bytes < (std::size_t{1} << 20)) return {};
    return session.cache().reserve(std::min(bytes, session.cache().limit() / 2), context.cancel);
}

Job cursor_job(const SessionPtr& session, const OpenImagePtr& image, std::string key) {
    Job job;
    job.owner = session->number();
    job.group = image->number;
    job.job_class = JobClass::interactive;
    job.key = std::move(key);
    job.on_error = [session, image](const std::exception& error) { session->report_failure(*image, error, "cursor"); };
    return job;
}

std::string spatial_key(const OpenImage& image) { return "cursor spatial:" + std::to_string(image.number); }
/// By its place in the list of requirements: a coordinate may stand there twice.
std::string spectral_key(const OpenImage& image, std::size_t index) {
    return "cursor spectral:" + std::to_string(image.number) + ":" + std::to_string(index);
}

template <class T>
void set_floats(T& profile, std::span<const float> values) {
    profile.set_raw_values_fp32(values.data(), values.size_bytes());
}

/// Pixels that the profiles are made of. Throws ImageError if they are too many.
std::int64_t pixels_of(const OpenImage& image, const std::vector<const SpatialRequirement*>& asked) {
    std::int64_t together = 0;
    for (const auto* one : asked) {
        const auto length = one->coordinate.back() == 'x' ? image.shape().width : image.shape().height;
        together += std::max<std::int64_t>(0, (one->end == 0 ? length : std::min<std::int64_t>(length, one->end)) - one->start);
        if (together > max_profile_values) throw imaging::ImageError("these profiles are too long to be sent: ask for parts of them");
    }
    return together;
}

std::shared_ptr<icd::SpatialProfileData> spatial_message(const OpenImage& image, imaging::PlaneId plane, PixelIndex pixel,
                                                         const std::vector<const SpatialRequirement*>& asked,
                                                         const imaging::PlanePyramid* pyramid, const JobContext& context) {
    auto message = std::make_shared<icd::SpatialProfileData>();
    message->set_file_id(image.file_id);
    message->set_region_id(0);
    message->set_x(static_cast<std::int32_t>(pixel.x));
    message->set_y(static_cast<std::int32_t>(pixel.y));
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    float value = 0;
    image.source->read({pixel.x, pixel.y, pixel.x + 1, pixel.y + 1}, plane, {&value, 1}, 1, context.cancel);
    message->set_value(std::isfinite(value) ? value : std::numeric_limits<float>::quiet_NaN());
    for (const auto* one : asked) {
        const bool along_x = one->coordinate.back() == 'x';
        const auto length = along_x ? image.shape().width : image.shape().height;
        imaging::SpatialProfileSpec spec;
        spec.axis = along_x ? imaging::ProfileAxis::x : imaging::ProfileAxis::y;
        spec.start = one->start;
        spec.end = one->end;
        spec.mip = one->mip;
        const auto values = imaging::spatial_profile(*image.source, plane, pixel.x, pixel.y, spec, context.cancel, pyramid);
        auto* profile = message->add_profiles();
        profile->set_coordinate(one->coordinate);
        profile->set_start(one->start);
        profile->set_end(one->end == 0 ? static_cast<std::int32_t>(length) : one->end);
        profile->set_mip(one->mip);
        set_floats(*profile, values);
    }
    context.cancel.throw_if_cancelled();
    return message;
}

} // namespace

void publish_cursor_spatial(Session& session, const OpenImage& image, const CursorSnapshot& snapshot, const JobContext& context) {
    if (!snapshot.cursor || !session.anyone_listens("carta.spatial.profile.data")) return;
    const auto pixel = pixel_at(*snapshot.cursor, image.shape());
    if (!pixel) return;
    // One message for each stokes that is asked for, in the order in which they are named; the value alone if none is.
    std::vector<std::pair<std::int32_t, std::vector<const SpatialRequirement*>>> by_stokes;
    for (const auto& asked : snapshot.spatial) {
        const auto parsed = parse_coordinate(asked.coordinate, image);
        if (!parsed) continue;
        const auto stokes = parsed->stokes.value_or(snapshot.plane.stokes);
        auto it = std::find_if(by_stokes.begin(), by_stokes.end(), [&](const auto& entry) { return entry.first == stokes; });
        if (it == by_stokes.end()) it = by_stokes.insert(by_stokes.end(), {stokes, {}});
        it->second.push_back(&asked);
    }
    if (by_stokes.empty()) by_stokes.push_back({snapshot.plane.stokes, {}});
    for (const auto& [stokes, asked] : by_stokes) {
        const imaging::PlaneId plane{snapshot.plane.channel, stokes};
        std::shared_ptr<const imaging::PlanePyramid> pyramid;
        // A column of a compressed image costs as much as the plane.
        if (!image.source->capabilities().random_access && !asked.empty())
            pyramid = imaging::cached_pyramid(session.cache(), *image.source, image.hdu, plane, context.threads, context.cancel);
        const auto memory = memory_for(session, pixels_of(image, asked), context);
        auto message = spatial_message(image, plane, *pixel, asked, pyramid.get(), context);
        pubsub::Delivery delivery;
        delivery.delivery_class = pubsub::DeliveryClass::replaceable;
        delivery.key = spatial_key(image) + ":" + std::to_string(stokes);
        image.spatial_turn.if_current(snapshot.turn, [&] { session.publish(std::move(message), delivery); });
    }
}

void send_cursor_spatial(const SessionPtr& session, const OpenImagePtr& image) {
    if (!image->cursor) return;
    auto job = cursor_job(session, image, spatial_key(*image));
    if (!image->source->direct()) job.job_class = JobClass::view;
    job.work = [session, image, snapshot = CursorSnapshot::newest_of(*session, *image)](const JobContext& context) {
        publish_cursor_spatial(*session, *image, snapshot, context);
    };
    session->scheduler().post(std::move(job));
}

namespace {

struct Spectrum {
    std::size_t index = 0; // in the list of requirements
    std::string coordinate;
    int stats_type = 0;
    std::int32_t stokes = 0;
    PixelIndex pixel;
    std::uint64_t turn = 0;
};

void publish_spectrum(Session& session, const OpenImage& image, const Spectrum& asked, std::span<const float> values, float progress) {
    auto message = std::make_shared<icd::SpectralProfileData>();
    message->set_file_id(image.file_id);
    message->set_region_id(0);
    message->set_stokes(asked.stokes);
    message->set_progress(progress);
    auto* profile = message->add_profiles();
    profile->set_coordinate(asked.coordinate);
    profile->set_stats_type(static_cast<icd::StatsType>(asked.stats_type));
    set_floats(*profile, values);
    pubsub::Delivery delivery;
    delivery.delivery_class = pubsub::DeliveryClass::replaceable;
    delivery.key = spectral_key(image, asked.index);
    image.spectral_turn.if_current(asked.turn, [&] { session.publish(std::move(message), delivery); });
}

void post_spectrum(const SessionPtr& session, const OpenImagePtr& image, Spectrum asked) {
    auto job = cursor_job(session, image, spectral_key(*image, asked.index));
    // What is quick comes at once; a long or compressed cube must not keep others' cursors waiting.
    if (!image->source->capabilities().random_access || image->shape().depth > 4096) job.job_class = JobClass::view;
    job.work = [session, image, asked = std::move(asked)](const JobContext& context) {
        if (!session->anyone_listens("carta.spectral.profile.data")) return;
        const auto partial = [&](std::span<const float> values, double progress) {
            if (!session->anyone_listens("carta.spectral.profile.data")) throw imaging::Cancelled();
            context.cancel.throw_if_cancelled();
            publish_spectrum(*session, *image, asked, values, static_cast<float>(progress));
        };
        if (image->shape().depth > max_profile_values) throw imaging::ImageError("its spectra are too long to be sent");
        const auto memory = memory_for(*session, image->shape().depth, context);
        const auto values = imaging::spectral_profile(*image->source, asked.pixel.x, asked.pixel.y, asked.stokes, context.cancel, partial);
        context.cancel.throw_if_cancelled();
        publish_spectrum(*session, *image, asked, values, 1);
    };
    session->scheduler().post(std::move(job));
}

std::vector<Spectrum> spectra_of(const Session& session, const OpenImage& image, bool only_current_stokes) {
    std::vector<Spectrum> spectra;
    if (!image.cursor || image.info.dimensions < 3) return spectra;
    const auto pixel = pixel_at(*image.cursor, image.shape());
    if (!pixel) return spectra;
    const auto turn = image.spectral_turn.current();
    const auto required = joined_requirements<SpectralRequirement>(session, image.file_id, cursor_region);
    for (std::size_t i = 0; i < required.size(); ++i) {
        const auto& asked = required[i];
        const auto parsed = parse_coordinate(asked.coordinate, image);
        if (!parsed || (only_current_stokes && parsed->stokes)) continue;
        spectra.push_back({i, asked.coordinate, asked.stats_types.empty() ? static_cast<int>(icd::Mean) : asked.stats_types.front(),
                           parsed->stokes.value_or(image.plane.stokes), *pixel, turn});
    }
    return spectra;
}

} // namespace

void send_cursor_spectral(const SessionPtr& session, const OpenImagePtr& image, bool only_current_stokes) {
    // If the cursor's own job has not come to its spectra yet, all of them are still due.
    const auto turn = image->cursor_turn.next();
    image->cursor_turn.if_current(turn.number, [&] {
        for (auto& spectrum : spectra_of(*session, *image, only_current_stokes && !turn.skipped)) post_spectrum(session, image, std::move(spectrum));
    });
}

void cancel_cursor_spectra(Session& session, OpenImage& image) {
    image.spectral_turn.next();
    const auto count = joined_requirements<SpectralRequirement>(session, image.file_id, cursor_region).size();
    for (std::size_t i = 0; i < count; ++i) session.scheduler().cancel_key(session.number(), spectral_key(image, i));
}

void send_cursor_all(const SessionPtr& session, const OpenImagePtr& image) {
    if (!image->cursor) return;
    // The spectra of where the cursor was are of no interest any more; those of where it is follow its spatial profiles.
    const auto turn = image->cursor_turn.next().number;
    cancel_cursor_spectra(*session, *image);
    auto job = cursor_job(session, image, spatial_key(*image));
    if (!image->source->direct()) job.job_class = JobClass::view;
    job.work = [session, image, snapshot = CursorSnapshot::newest_of(*session, *image), spectra = spectra_of(*session, *image, false), turn](const JobContext& context) {
        publish_cursor_spatial(*session, *image, snapshot, context);
        image->cursor_turn.if_current(turn, [&] {
            for (const auto& spectrum : spectra) post_spectrum(session, image, spectrum);
        });
    };
    session->scheduler().post(std::move(job));
}

} // namespace cubelink::server
