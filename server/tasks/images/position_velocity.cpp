#include "server/tasks/images/position_velocity.hpp"

#include "server/tasks/images/image_recipes.hpp"

#include "imaging/analysis/position_velocity/position_velocity.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/source/deferred_image.hpp"
#include "imaging/source/memory_image.hpp"
#include "rpc/icd/register.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace cubelink::server {

namespace {

/// A line along which an image is cut, and how.
struct PvCut {
    imaging::Shape line; // in pixels of the source
    int width = 1;
    imaging::ChannelRange channels;
    std::int32_t stokes = 0;
    bool reverse = false;
};

std::string history_of(const PvCut& cut) {
    const bool is_line = cut.line.type == imaging::RegionType::line;
    std::string text = "Position-velocity image along a " + std::string(is_line ? "line" : "polyline") + ", " + std::to_string(cut.width) +
                       (cut.width == 1 ? " pixel wide" : " pixels wide") + ", of channels " + std::to_string(cut.channels.from) + " to " +
                       std::to_string(cut.channels.to - 1) + ", pixels (0-based):";
    constexpr std::size_t most = 16;
    for (std::size_t i = 0; i < std::min(most, cut.line.points.size()); ++i) {
        char point[64];
        std::snprintf(point, sizeof point, " (%.3f, %.3f)", cut.line.points[i].x, cut.line.points[i].y);
        text += point;
    }
    if (cut.line.points.size() > most) text += " and " + std::to_string(cut.line.points.size() - most) + " more";
    return text;
}

/// A cut through a source, before its pixels are there.
struct PreparedCut {
    std::shared_ptr<const PvSource> source;
    PvCut cut;
    imaging::LineSampling sampling;
    imaging::PvHeader header;

    imaging::PositionVelocity what() const { return {sampling.boxes, cut.channels, cut.stokes, cut.reverse}; }
    imaging::ImageShape shape() const { return {what().width(), what().height(), 1, 1}; }
};
std::shared_ptr<const PreparedCut> prepare(std::shared_ptr<const PvSource> source, PvCut cut, const imaging::CancelToken& cancel) {
    auto sampling = imaging::sample_line(cut.line, cut.width, source->wcs.get(), cancel);
    imaging::PvHeaderSpec spec;
    spec.type = cut.line.type;
    spec.positions = static_cast<std::int64_t>(sampling.boxes.size());
    spec.step = sampling.cdelt;
    spec.unit = sampling.unit;
    spec.channels = cut.channels;
    spec.stokes = cut.stokes;
    spec.reverse = cut.reverse;
    spec.history = history_of(cut);
    auto header = imaging::pv_header(*source->info, source->wcs.get(), source->header, spec);
    return std::make_shared<const PreparedCut>(PreparedCut{std::move(source), std::move(cut), std::move(sampling), std::move(header)});
}

void compute(const PreparedCut& prepared, imaging::MemoryImage& into, imaging::BudgetCache& budget, const imaging::ThreadShare& threads,
             const imaging::CancelToken& cancel, const std::function<void(double)>& progress = {}) {
    imaging::position_velocity(*prepared.source->pixels, prepared.what(), into.plane({}), budget, threads, cancel, progress);
    prepared.source->pixels->check_unchanged();
}

std::shared_ptr<const imaging::PolarizationSource> with_polarizations(std::shared_ptr<const imaging::ImageSource> source, const imaging::ImageInfo& info) {
    const auto& types = info.stokes_types;
    const bool known = std::any_of(types.begin(), types.end(), [](int type) { return type != 0; });
    return std::make_shared<imaging::PolarizationSource>(std::move(source), known ? types : std::vector<int>());
}

rpc::Map recipe_of_cut(const Image& image, const PvCut& cut, const std::string& name) {
    return {{"kind", "position_velocity"},
            {"source", recipe_of(image)},
            {"type", static_cast<std::int64_t>(cut.line.type)},
            {"points", *RegionState(image.file_id, cut.line, nullptr).points_text()},
            {"rotation", cut.line.rotation},
            {"width", cut.width},
            {"from", cut.channels.from},
            {"to", cut.channels.to},
            {"stokes", cut.stokes},
            {"reverse", cut.reverse},
            {"name", name}};
}

PvCut cut_of_recipe(const rpc::Map& recipe) {
    const auto small = [&](const char* field) {
        const auto value = integer_of_recipe(recipe, field);
        if (value < 0 || value > INT32_MAX) throw PathError(std::string("What an image was made from can't be read: \"") + field + "\" is out of range.");
        return static_cast<std::int32_t>(value);
    };
    PvCut cut;
    cut.line.type = static_cast<imaging::RegionType>(small("type"));
    cut.line.points = points_of(text_of_recipe(recipe, "points"));
    cut.line.rotation = number_of_recipe(recipe, "rotation");
    cut.width = small("width");
    cut.channels = {small("from"), small("to")};
    cut.stokes = small("stokes");
    cut.reverse = flag_of_recipe(recipe, "reverse");
    return cut;
}

/// The name without a number, unless a kept image has it.
std::string free_name(const Session& session, const Image& image, bool keep) {
    auto name = pv_name(image.file);
    if (!keep) return name;
    std::set<std::string> taken;
    for (const auto& other : session.images()) taken.insert(other->file);
    for (int number = 1; taken.contains(name); ++number) name = pv_name(image.file, std::to_string(number));
    return name;
}

/// What is read, roughly.
std::int64_t bytes_of(const PvRequest& request) {
    const auto& shape = request.image->shape();
    double pixels = static_cast<double>(shape.plane_size());
    if (request.image->source->capabilities().random_access) {
        const auto& points = request.region->shape.points;
        double length = 1;
        for (std::size_t i = 1; i < points.size(); ++i) length += std::hypot(points[i].x - points[i - 1].x, points[i].y - points[i - 1].y);
        pixels = std::min(pixels, length * (request.width + 2) * 16); // cache lines, not pixels
    }
    return static_cast<std::int64_t>(std::min(pixels * 4 * request.channels.count(), 1e18));
}

} // namespace

std::shared_ptr<const PvSource> pv_source(const ImagePtr& image) {
    return std::make_shared<const PvSource>(
        PvSource{image->source, std::shared_ptr<const imaging::ImageInfo>(image, &image->info), image->wcs, imaging::Header(image->cards)});
}

std::string pv_name(const std::string& file, const std::string& number) {
    const auto name = file.substr(file.rfind('/') + 1);
    auto dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0 && (name.substr(dot) == ".gz" || name.substr(dot) == ".fz")) {
        const auto before = name.rfind('.', dot - 1);
        if (before != std::string::npos) dot = before;
    }
    if (dot == std::string::npos || dot == 0) return name + "_pv" + number;
    return name.substr(0, dot) + "_pv" + number + name.substr(dot);
}

void answer_pv_failure(const rpc::CallPtr& call, const std::string& why) {
    icd::PvResponse response;
    response.set_message(why);
    icd::answer(call, std::move(response));
}

void answer_pv_cancelled(const rpc::CallPtr& call, const std::string& text) {
    icd::PvResponse response;
    response.set_success(true);
    response.set_message(text);
    response.set_cancel(true);
    icd::answer(call, std::move(response));
}

void PvProgress::operator()(double done) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(500);
    auto message = std::make_shared<icd::PvProgress>();
    message->set_file_id(file_id_);
    message->set_preview_id(preview_id_);
    message->set_progress(static_cast<float>(done));
    session_->publish(std::move(message), {}, pubsub::Audience::required_by({connection_}));
}

imaging::OpenedImage make_position_velocity(const rpc::Map& recipe, const MakeContext& context) {
    auto of = make_image(map_of_recipe(recipe, "source"), context);
    const auto cut = cut_of_recipe(recipe);
    const auto name = text_of_recipe(recipe, "name");
    auto pixels = with_polarizations(std::move(of.source), of.info);
    const bool is_computed = imaging::is_computed_stokes(cut.stokes) && pixels->has(static_cast<imaging::Polarization>(cut.stokes));
    const bool has_stokes = cut.stokes < pixels->shape().stokes || is_computed;
    if (!has_stokes || cut.channels.count() < 1 || cut.channels.to > pixels->shape().depth)
        throw imaging::ImageError("The image from which " + name + " was made has changed: it no longer has these channels or stokes.");
    imaging::Header header(of.cards);
    const auto prepared = prepare(std::make_shared<const PvSource>(PvSource{std::move(pixels), std::make_shared<const imaging::ImageInfo>(std::move(of.info)),
                                                                            std::move(of.wcs), std::move(header)}),
                                  cut, context.cancel);
    auto deferred = std::make_shared<imaging::DeferredImage>(
        prepared->shape(), context.budget,
        [prepared, &budget = context.budget, scratch = context.settings.scratch](int threads, const imaging::CancelToken& cancel) {
            auto image = std::make_shared<imaging::MemoryImage>(prepared->shape(), budget, cancel, scratch);
            compute(*prepared, *image, budget, threads, cancel);
            return image;
        });
    return imaging::describe_image(std::move(deferred), prepared->header.header, name);
}

void start_position_velocity(const OpenSettings& settings, PvRequest request) {
    struct State {
        PvRequest request;
        std::int32_t stokes = 0;
        std::string name;
        std::shared_ptr<imaging::MemoryImage> pixels;
        std::optional<GeneratedImage> generated;
        std::string warning;
    };
    const auto state = std::make_shared<State>();
    state->stokes = request.image->plane.stokes;
    state->name = free_name(*request.session, *request.image, request.keep);
    Calculation calculation;
    calculation.session = request.session;
    calculation.image = request.image;
    calculation.kind = CalculationKind::position_velocity;
    calculation.name = "position_velocity";
    calculation.bytes = bytes_of(request);
    calculation.call = request.call;
    state->request = std::move(request);
    calculation.work = [state, &settings](const TaskContext& context) {
        const auto& asked = state->request;
        const auto& image = *asked.image;
        auto& budget = asked.session->cache();
        const auto line = asked.region->shape_on(image);
        if (!line) throw imaging::ImageError("The region is not on this image's sky.");
        const PvCut cut{*line, asked.width, asked.channels, state->stokes, asked.reverse};
        const auto prepared = prepare(pv_source(asked.image), cut, context.cancel);
        PvProgress tell(asked, 0);
        state->pixels = std::make_shared<imaging::MemoryImage>(prepared->shape(), budget, context.cancel, settings.scratch);
        compute(*prepared, *state->pixels, budget, context.threads, context.cancel, [&](double done) {
            tell(done);
            context.progress(done);
        });
        state->warning = prepared->header.warning;
        state->generated = generated_image(state->name, recipe_of_cut(image, cut, state->name),
                                           imaging::describe_image(state->pixels, prepared->header.header, state->name), budget, context.cancel);
    };
    calculation.tells_cancelled = true;
    calculation.end = [state](const std::exception_ptr& failure) {
        const auto& asked = state->request;
        Leftovers leftovers;
        if (state->pixels) leftovers.push_back(std::exchange(state->pixels, nullptr));
        if (failure) {
            if (is_cancelled(failure)) answer_pv_cancelled(asked.call, "The position-velocity image was cancelled.");
            else answer_pv_failure(asked.call, text_of(failure));
            state->generated.reset();
            return release_later(*asked.session, std::move(leftovers));
        }
        std::vector<GeneratedImage> generated;
        generated.push_back(std::move(*state->generated));
        state->generated.reset();
        rename(generated.front(), free_name(*asked.session, *asked.image, asked.keep)); // others may have got the name that was free when the work began
        try {
            add_generated(*asked.session, *asked.image, std::move(generated), [&](const std::vector<ImagePtr>& images) {
                icd::PvResponse response;
                response.set_success(true);
                response.set_message(state->warning);
                const auto ack = std::dynamic_pointer_cast<const icd::OpenFileAck>(icd::message_of(images.front()->acknowledgement));
                if (ack) *response.mutable_open_file_ack() = *ack;
                icd::answer(asked.call, std::move(response));
            });
        } catch (const PathError& error) { answer_pv_failure(asked.call, error.what()); }
        release_later(*asked.session, std::move(leftovers));
    };
    calculation.on_session_closed = [state] { answer_pv_cancelled(state->request.call, "The session has ended."); };
    start(std::move(calculation));
}

} // namespace cubelink::server
