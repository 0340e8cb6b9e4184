#include "server/tasks/images/pv_preview.hpp"

#include "server/session/pv_preview.hpp"
#include "server/tasks/file_messages.hpp"

#include "imaging/analysis/position_velocity/preview_cube.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "imaging/source/memory_image.hpp"
#include "rpc/icd/register.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cubelink::server {

namespace {

/// Pixels that an image of a preview has at most.
constexpr std::int64_t max_preview_pixels = std::int64_t{1} << 24;

void set_histogram(icd::Histogram& to, const imaging::Histogram& histogram) {
    to.set_num_bins(static_cast<std::int32_t>(histogram.bins.size()));
    to.set_bin_width(histogram.bin_width);
    to.set_first_bin_center(histogram.first_bin_center);
    to.mutable_bins()->Add(histogram.bins.begin(), histogram.bins.end());
    to.set_mean(histogram.mean);
    to.set_std_dev(histogram.std_dev);
}

imaging::HistogramBounds bounds_of(std::span<const float> values) {
    imaging::HistogramBounds bounds;
    bool any = false;
    for (const float value : values) {
        if (!std::isfinite(value)) continue;
        bounds.min = any ? std::min(bounds.min, static_cast<double>(value)) : static_cast<double>(value);
        bounds.max = any ? std::max(bounds.max, static_cast<double>(value)) : static_cast<double>(value);
        any = true;
    }
    return bounds;
}

class CubePreview final : public PvPreview {
public:
    CubePreview(const PvPreviewWish& wish, std::shared_ptr<const PvSource> source, std::shared_ptr<const imaging::PreviewCube> loaded)
        : PvPreview(wish.preview_id, wish.pv.region->version), image(wish.pv.image), cube(std::move(loaded)), source_(std::move(source)),
          budget_(wish.pv.session->cache()), width_(wish.pv.width), reverse_(wish.pv.reverse), image_quality_(wish.image_quality),
          animation_quality_(wish.animation_quality) {}

    const ImagePtr image;
    const std::shared_ptr<const imaging::PreviewCube> cube;

    std::shared_ptr<icd::PvPreviewData> data(const RegionState& region, bool final, const imaging::ThreadShare& threads, const imaging::CancelToken& cancel) const {
        auto line = region.shape_on(*image);
        if (!line || !imaging::is_line(line->type)) return nullptr;
        const auto& spec = cube->spec();
        const auto grid = spec.grid();
        for (auto& point : line->points) point = grid.from_image(point);
        // As wide on the sky as the image that it is a preview of, in whole pixels.
        const auto width = std::clamp(static_cast<int>(std::lround(static_cast<double>(width_) / spec.rebin_xy)), 1, imaging::max_line_width);
        const auto sampling = imaging::sample_line(*line, width, source_->wcs.get(), cancel, grid);
        const auto positions = static_cast<std::int64_t>(sampling.boxes.size()), depth = spec.depth();
        if (positions > max_preview_pixels / depth)
            throw imaging::ImageError("The preview would have " + std::to_string(positions) + " positions and " + std::to_string(depth) + " channels, more than " +
                                      std::to_string(max_preview_pixels) + " pixels.");
        const std::int64_t columns = reverse_ ? depth : positions, rows = reverse_ ? positions : depth;
        const auto pixels = std::make_shared<imaging::MemoryImage>(imaging::ImageShape{columns, rows, 1, 1}, budget_, cancel);
        cube->cut(sampling.boxes, reverse_, pixels->plane({}), threads, cancel);

        imaging::PvHeaderSpec of_header;
        of_header.type = line->type;
        of_header.positions = positions;
        of_header.step = sampling.cdelt;
        of_header.unit = sampling.unit;
        of_header.channels = spec.channels;
        of_header.rebin_z = spec.rebin_z;
        of_header.stokes = spec.stokes;
        of_header.reverse = reverse_;
        const auto header = imaging::pv_header(*source_->info, source_->wcs.get(), source_->header, of_header);
        const auto described = imaging::describe_image(pixels, header.header, pv_name(image->file, "_preview"));

        auto message = std::make_shared<icd::PvPreviewData>();
        message->set_preview_id(preview_id);
        fill(*message->mutable_image_info(), described.info);
        message->set_width(static_cast<std::int32_t>(columns));
        message->set_height(static_cast<std::int32_t>(rows));
        const std::span<const float> values = pixels->plane({});
        cancel.throw_if_cancelled();
        auto encoded = imaging::encode_tile(values, static_cast<std::int32_t>(columns), static_cast<std::int32_t>(rows), imaging::TileCompression::zfp,
                                            final ? image_quality_ : animation_quality_);
        cancel.throw_if_cancelled();
        message->set_image_data(std::move(encoded.data));
        message->set_nan_encodings(encoded.nan_encodings.data(), encoded.nan_encodings.size() * sizeof(std::int32_t));
        message->set_compression_type(icd::ZFP);
        message->set_compression_quality(static_cast<float>(encoded.quality));
        const auto bounds = bounds_of(values);
        message->mutable_histogram_bounds()->set_min(static_cast<float>(bounds.min));
        message->mutable_histogram_bounds()->set_max(static_cast<float>(bounds.max));
        if (final) set_histogram(*message->mutable_histogram(), imaging::histogram_of(values, columns, rows, {}));
        return message;
    }

    std::shared_ptr<const google::protobuf::Message> draw(const RegionState& line, bool final, const imaging::ThreadShare& threads,
                                                          const imaging::CancelToken& cancel) const override {
        return data(line, final, threads, cancel);
    }

private:
    const std::shared_ptr<const PvSource> source_;
    imaging::BudgetCache& budget_;
    const int width_;
    const bool reverse_;
    const float image_quality_, animation_quality_;
};

/// Which loading belongs to which preview.
std::string label_of(std::uint64_t connection, std::int32_t preview_id) { return std::to_string(connection) + ":" + std::to_string(preview_id); }

struct Place {
    RequirementKey key;
    std::vector<PvPreviewRequirement> list;
};
/// Where the connection has previews.
std::vector<Place> places_of(const Session& session, std::uint64_t connection) {
    std::vector<Place> places;
    for (const auto& image : session.images()) {
        for (const auto region : session.requirements().regions(image->file_id, RequirementKind::pv_preview)) {
            const RequirementKey key{image->file_id, region, RequirementKind::pv_preview, connection};
            if (const auto* found = session.requirements().find(key)) places.push_back({key, std::get<std::vector<PvPreviewRequirement>>(*found)});
        }
    }
    return places;
}

/// Returns what it has removed; nullptr if there was none.
std::shared_ptr<const PvPreview> remove(Session& session, std::uint64_t connection, std::int32_t preview_id) {
    for (auto& place : places_of(session, connection)) {
        const auto found = std::find_if(place.list.begin(), place.list.end(), [&](const auto& one) { return one.preview->preview_id == preview_id; });
        if (found == place.list.end()) continue;
        auto removed = found->preview;
        place.list.erase(found);
        session.require(place.key, std::move(place.list));
        return removed;
    }
    return nullptr;
}

std::size_t previews_of(const Session& session) {
    std::size_t count = 0;
    for (const auto& connection : session.connections())
        for (const auto& place : places_of(session, connection->id())) count += place.list.size();
    return count;
}

imaging::PreviewCubeSpec spec_of(const PvPreviewWish& wish, std::int32_t stokes, const imaging::CancelToken& cancel) {
    const auto& image = *wish.pv.image;
    imaging::PreviewCubeSpec spec;
    spec.rect = {0, 0, image.shape().width, image.shape().height};
    if (wish.part) {
        spec.rect = wish.part->mask_on(image, wish.pv.session->cache(), cancel)->bounds();
        if (spec.rect.size() < 1) throw imaging::ImageError("The region of the preview has no pixels on this image.");
    }
    spec.channels = wish.pv.channels;
    spec.stokes = stokes;
    spec.rebin_xy = static_cast<std::int32_t>(std::min<std::int64_t>(wish.rebin_xy, std::max(spec.rect.width(), spec.rect.height())));
    spec.rebin_z = wish.rebin_z;
    return spec;
}

} // namespace

void start_pv_preview(PvPreviewWish wish) {
    struct State {
        PvPreviewWish wish;
        std::int32_t stokes = 0;
        std::shared_ptr<const PvPreview> before; // whose cube may be of use again
        std::shared_ptr<const CubePreview> preview;
        std::shared_ptr<icd::PvPreviewData> data;
    };
    const auto state = std::make_shared<State>();
    auto& session = *wish.pv.session;
    session.stop_calculations(CalculationKind::pv_preview, -1, label_of(wish.pv.connection, wish.preview_id));
    state->before = remove(session, wish.pv.connection, wish.preview_id);
    if (previews_of(session) >= max_pv_previews)
        return answer_pv_failure(wish.pv.call, "A session has at most " + std::to_string(max_pv_previews) + " position-velocity previews: close some of them.");
    state->stokes = wish.pv.image->plane.stokes;
    Calculation calculation;
    calculation.session = wish.pv.session;
    calculation.image = wish.pv.image;
    calculation.kind = CalculationKind::pv_preview;
    calculation.label = label_of(wish.pv.connection, wish.preview_id);
    calculation.name = "pv_preview";
    calculation.bytes = static_cast<std::int64_t>(std::min(4.0 * static_cast<double>(wish.pv.image->shape().plane_size()) * wish.pv.channels.count(), 1e18));
    calculation.call = wish.pv.call;
    state->wish = std::move(wish);
    calculation.work = [state](const TaskContext& context) {
        const auto& asked = state->wish;
        const auto& image = asked.pv.image;
        auto& budget = asked.pv.session->cache();
        const auto spec = spec_of(asked, state->stokes, context.cancel);
        std::shared_ptr<const imaging::PreviewCube> cube;
        if (const auto* before = dynamic_cast<const CubePreview*>(state->before.get()); before && before->image == image && before->cube->spec() == spec)
            cube = before->cube;
        state->before.reset(); // its memory may be needed
        if (!cube) {
            PvProgress tell(asked.pv, asked.preview_id);
            cube = std::make_shared<const imaging::PreviewCube>(*image->source, spec, budget, context.threads, context.cancel, [&](double done) {
                tell(done);
                context.progress(done);
            });
            image->source->check_unchanged();
        }
        state->preview = std::make_shared<const CubePreview>(asked, pv_source(image), std::move(cube));
        state->data = state->preview->data(*asked.pv.region, true, context.threads, context.cancel);
        if (!state->data) throw imaging::ImageError("The region is not on this image's sky.");
    };
    calculation.tells_cancelled = true;
    calculation.end = [state](const std::exception_ptr& failure) {
        const auto& asked = state->wish;
        auto& session = *asked.pv.session;
        const auto preview = std::exchange(state->preview, nullptr);
        const auto data = std::exchange(state->data, nullptr);
        state->before.reset();
        const auto& call = asked.pv.call;
        if (failure && !is_cancelled(failure)) return answer_pv_failure(call, text_of(failure));
        const auto connections = session.connections();
        const bool connected = std::any_of(connections.begin(), connections.end(), [&](const auto& one) { return one->id() == asked.pv.connection; });
        if (failure || !connected || session.image(asked.pv.image->file_id) != asked.pv.image)
            return answer_pv_cancelled(call, "The position-velocity preview was cancelled.");
        const auto line = session.region(asked.pv.region_id);
        if (!line) return answer_pv_failure(call, "The region of the position-velocity preview has been removed.");
        if (previews_of(session) >= max_pv_previews)
            return answer_pv_failure(call, "A session has at most " + std::to_string(max_pv_previews) + " position-velocity previews: close some of them.");
        icd::PvResponse response;
        response.set_success(true);
        *response.mutable_preview_data() = std::move(*data);
        icd::answer(call, std::move(response));
        const RequirementKey key{asked.pv.image->file_id, asked.pv.region_id, RequirementKind::pv_preview, asked.pv.connection};
        std::vector<PvPreviewRequirement> list;
        if (const auto* found = session.requirements().find(key)) list = std::get<std::vector<PvPreviewRequirement>>(*found);
        list.push_back({preview});
        session.require(key, std::move(list));
    };
    calculation.on_session_closed = [state] { answer_pv_cancelled(state->wish.pv.call, "The session has ended."); };
    start(std::move(calculation));
}

void stop_pv_preview(Session& session, std::uint64_t connection, std::int32_t preview_id) {
    session.stop_calculations(CalculationKind::pv_preview, -1, label_of(connection, preview_id));
}

void close_pv_preview(Session& session, std::uint64_t connection, std::int32_t preview_id) {
    stop_pv_preview(session, connection, preview_id);
    remove(session, connection, preview_id);
}

} // namespace cubelink::server
