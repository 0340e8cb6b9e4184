#include "server/products/plane_data.hpp"

#include "server/products/change_adapter.hpp"

#include "imaging/pixels/pyramid_cache.hpp"
#include "rpc/icd/messages.hpp"
#include "server/products/cursor_data.hpp"
#include "server/products/statistics_data.hpp"

#include <chrono>
#include <numbers>

namespace cubelink::server {

namespace {

constexpr const char* histogram_topic = "carta.region.histogram.data";

void fill(icd::Histogram& to, const imaging::Histogram& from) {
    to.set_num_bins(static_cast<std::int32_t>(from.bins.size()));
    to.set_bin_width(from.bin_width);
    to.set_first_bin_center(from.first_bin_center);
    to.mutable_bins()->Add(from.bins.begin(), from.bins.end());
    to.set_mean(from.mean);
    to.set_std_dev(from.std_dev);
}

std::shared_ptr<icd::RegionHistogramData> histogram_message(const OpenImage& image, imaging::PlaneId plane, const HistogramRequirement& asked,
                                                            std::int32_t region_id, float progress) {
    auto message = std::make_shared<icd::RegionHistogramData>();
    message->set_file_id(image.file_id);
    message->set_region_id(region_id);
    message->set_channel(plane.channel);
    message->set_stokes(plane.stokes);
    message->set_progress(progress);
    auto* config = message->mutable_config();
    config->set_fixed_num_bins(asked.fixed_num_bins);
    config->set_num_bins(asked.fixed_num_bins ? asked.num_bins : -1);
    config->set_fixed_bounds(asked.fixed_bounds);
    config->mutable_bounds()->set_min(asked.fixed_bounds ? asked.min : 0);
    config->mutable_bounds()->set_max(asked.fixed_bounds ? asked.max : 0);
    return message;
}

/// One of the histograms that are due: of which plane, and what makes it superfluous.
struct PlaneHistogram {
    HistogramRequirement asked;
    imaging::PlaneId plane;
    std::string key; // the same histogram of a newer plane replaces it on its way to a slow client
    std::uint64_t turn = 0; // of the plane, if it is the one that is shown; 0: no newer plane makes it stale
};

void publish_histogram(Session& session, const OpenImage& image, const PlaneHistogram& due, const imaging::Histogram& histogram) {
    const auto& [asked, plane, key, turn] = due;
    auto message = histogram_message(image, plane, asked, -1, 1);
    fill(*message->mutable_histograms(), histogram);
    if (histogram.saturated)
        session.report(Severity::warning, {"histogram"}, image.info.name + ": a bin of the histogram holds more pixels than the message can say.");
    pubsub::Delivery delivery;
    delivery.delivery_class = pubsub::DeliveryClass::replaceable;
    delivery.key = key;
    const auto publish = [&] { session.publish(std::move(message), delivery); };
    if (turn) image.plane_turn.if_current(turn, publish);
    else publish();
}

imaging::PlaneId plane_of(const OpenImage& image, imaging::PlaneId current, const std::string& coordinate, std::int32_t channel = -1) {
    if (channel >= 0) current.channel = channel;
    if (const auto parsed = parse_coordinate(coordinate, image); parsed && parsed->stokes) current.stokes = *parsed->stokes;
    return current;
}

/// The one that always comes.
PlaneHistogram rendering_histogram(const OpenImage& image, imaging::PlaneId plane, std::uint64_t turn) {
    return {{"z"}, plane, "histogram:" + std::to_string(image.number), turn};
}

std::vector<PlaneHistogram> required_histograms(const Session& session, const OpenImage& image) {
    std::vector<PlaneHistogram> list;
    const auto required = joined_requirements<HistogramRequirement>(session, image.file_id, image_region);
    for (std::size_t i = 0; i < required.size(); ++i) {
        const auto& asked = required[i];
        list.push_back({asked, plane_of(image, image.plane, asked.coordinate, asked.channel),
                        "histogram:" + std::to_string(image.number) + ":" + std::to_string(i), asked.channel == -1 ? image.plane_turn.current() : 0});
    }
    return list;
}

void send_histogram(Session& session, const OpenImage& image, const PlaneHistogram& due, const JobContext& context) {
    const auto& asked = due.asked;
    const auto plane = due.plane;
    if (!session.anyone_listens(histogram_topic)) return;
    if (!asked.fixed_num_bins && !asked.fixed_bounds) {
        const auto histogram = imaging::cached_histogram(session.cache(), *image.source, image.hdu, plane, context.threads, context.cancel);
        context.cancel.throw_if_cancelled();
        return publish_histogram(session, image, due, *histogram);
    }
    const auto pyramid = imaging::cached_pyramid(session.cache(), *image.source, image.hdu, plane, context.threads, context.cancel);
    imaging::HistogramSpec spec;
    if (asked.fixed_num_bins) spec.num_bins = asked.num_bins;
    if (asked.fixed_bounds) spec.bounds = imaging::HistogramBounds{asked.min, asked.max};
    const auto histogram =
        imaging::plane_histogram(*image.source, plane, pyramid->summary(), spec, context.threads, context.cancel, pyramid.get());
    context.cancel.throw_if_cancelled();
    publish_histogram(session, image, due, histogram);
}

std::vector<PlaneStatistics> required_statistics(const Session& session, const OpenImage& image) {
    std::vector<PlaneStatistics> list;
    const auto required = joined_requirements<StatsRequirement>(session, image.file_id, image_region);
    for (std::size_t i = 0; i < required.size(); ++i)
        list.push_back({required[i], plane_of(image, image.plane, required[i].coordinate),
                        "statistics:" + std::to_string(image.number) + ":" + std::to_string(i), image.plane_turn.current()});
    return list;
}

Job image_job(const SessionPtr& session, const OpenImagePtr& image, std::string what) {
    Job job;
    job.owner = session->number();
    job.group = image->number;
    job.key = what + ":" + std::to_string(image->number);
    job.on_error = [session, image, what](const std::exception& error) { session->report_failure(*image, error, what); };
    return job;
}

/// Opens the gates also if the job that should have is cancelled or fails.
struct GateKeeper {
    std::shared_ptr<PlaneGates> gates;
    explicit GateKeeper(std::shared_ptr<PlaneGates> g) : gates(std::move(g)) {}
    ~GateKeeper() {
        gates->pyramid.open_now();
        gates->data.open_now();
    }
};

std::string cube_key(std::uint64_t number) { return "cube histogram:" + std::to_string(number); }

} // namespace

void send_plane_data(const SessionPtr& session, const OpenImagePtr& image, bool stokes_changed) {
    auto job = image_job(session, image, "plane");
    const auto turn = image->plane_turn.next().number;
    job.work = [session, image, plane = image->plane, turn, stokes_changed, histograms = required_histograms(*session, *image), statistics = required_statistics(*session, *image),
                cursor = CursorSnapshot::newest_of(*session, *image), keeper = std::make_shared<GateKeeper>(image->gates)](const JobContext& context) {
        // Tiles that are waited for need it, and everything else is quicker with it.
        const bool listened = session->anyone_listens(histogram_topic);
        if (listened || session->anyone_listens("carta.raster.tile.data"))
            imaging::cached_pyramid(session->cache(), *image->source, image->hdu, plane, context.threads, context.cancel);
        keeper->gates->pyramid.open_now();
        send_histogram(*session, *image, rendering_histogram(*image, plane, turn), context);
        for (const auto& due : histograms)
            if (due.asked.channel == -1 || stokes_changed) send_histogram(*session, *image, due, context);
        for (const auto& due : statistics) publish_statistics(*session, *image, due, context);
        publish_cursor_spatial(*session, *image, cursor, context);
        keeper->gates->data.open_now();
    };
    session->scheduler().post(std::move(job));
}

void send_required_histograms(const SessionPtr& session, const OpenImagePtr& image) {
    auto job = image_job(session, image, "histogram");
    job.work = [session, image, histograms = required_histograms(*session, *image)](const JobContext& context) {
        for (const auto& due : histograms) send_histogram(*session, *image, due, context);
    };
    session->scheduler().post(std::move(job));
}

void send_required_statistics(const SessionPtr& session, const OpenImagePtr& image) {
    auto job = image_job(session, image, "statistics");
    job.work = [session, image, statistics = required_statistics(*session, *image)](const JobContext& context) {
        for (const auto& due : statistics) publish_statistics(*session, *image, due, context);
    };
    session->scheduler().post(std::move(job));
}

void send_cube_histogram(const SessionPtr& session, const OpenImagePtr& image, const HistogramRequirement& asked) {
    auto job = image_job(session, image, "cube histogram");
    job.job_class = JobClass::bulk;
    const auto stokes = plane_of(*image, image->plane, asked.coordinate).stokes;
    job.work = [session, image, asked, stokes](const JobContext& context) {
        using Clock = std::chrono::steady_clock;
        const auto depth = image->shape().depth;
        const auto whole = imaging::Rect{0, 0, image->shape().width, image->shape().height};
        auto last_told = Clock::now();
        const auto message = [&](float progress) { return histogram_message(*image, {-2, stokes}, asked, -2, progress); };
        const auto tell = [&](float progress, const imaging::Histogram* histogram, bool always) {
            if (!always && Clock::now() - last_told < std::chrono::seconds(2)) return;
            last_told = Clock::now();
            auto data = message(progress);
            if (histogram) fill(*data->mutable_histograms(), *histogram);
            else data->mutable_histograms();
            pubsub::Delivery delivery;
            delivery.delivery_class = pubsub::DeliveryClass::replaceable;
            delivery.key = cube_key(image->number);
            session->publish(std::move(data), delivery);
        };
        imaging::PlaneSummary all;
        for (std::int64_t z = 0; z < depth; ++z) {
            if (!session->anyone_listens(histogram_topic)) return;
            all.merge(imaging::summarise(*image->source, whole, {static_cast<std::int32_t>(z), stokes}, context.threads, context.cancel));
            tell(static_cast<float>(z + 1) / (2 * static_cast<float>(depth)), nullptr, false);
        }
        tell(0.5f, nullptr, true);
        const auto bins = asked.fixed_num_bins ? asked.num_bins : imaging::automatic_bins(whole.x1, whole.y1);
        const auto bounds = asked.fixed_bounds ? imaging::HistogramBounds{asked.min, asked.max} : imaging::HistogramBounds{all.min, all.max};
        imaging::HistogramCounter counter(bounds, bins);
        for (std::int64_t z = 0; z < depth; ++z) {
            if (!session->anyone_listens(histogram_topic)) return;
            counter.add(*image->source, whole, {static_cast<std::int32_t>(z), stokes}, context.threads, context.cancel);
            if (z + 1 == depth) break;
            const auto so_far = counter.histogram(all);
            tell(0.5f + static_cast<float>(z + 1) / (2 * static_cast<float>(depth)), &so_far, false);
        }
        const auto histogram = counter.histogram(all);
        context.cancel.throw_if_cancelled();
        tell(1, &histogram, true);
        if (histogram.saturated)
            session->report(Severity::warning, {"histogram"}, image->info.name + ": a bin of the histogram holds more pixels than the message can say.");
    };
    // Counts as running until the job is gone, whether it was done, cancelled, or dropped before it started.
    ++*image->cube_histograms;
    const std::shared_ptr<void> running(nullptr, [count = image->cube_histograms](void*) { --*count; });
    job.work = [work = std::move(job.work), running](const JobContext& context) { work(context); };
    session->scheduler().post(std::move(job));
}

bool stop_cube_histogram(Session& session, const OpenImage& image) {
    const bool ran = image.cube_histograms->load() > 0;
    session.scheduler().cancel_key(session.number(), cube_key(image.number));
    return ran;
}

} // namespace cubelink::server
