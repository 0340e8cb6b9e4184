#include "server/tasks/images/fitting.hpp"

#include "server/files/jail.hpp"
#include "server/tasks/images/fitting_images.hpp"
#include "server/tasks/images/image_recipes.hpp"

#include "imaging/analysis/fitting/fit_log.hpp"
#include "imaging/analysis/fitting/initial_values.hpp"
#include "imaging/pixels/order_statistics.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/icd/register.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int max_iterations = 200;
constexpr auto progress_interval = std::chrono::milliseconds(200);
/// Of the progress, where initial values are searched for.
constexpr double part_of_search = 0.5;
/// Passes over the pixels that a fit takes, roughly.
constexpr std::int64_t passes = 20;

class Work {
public:
    Work(const Fitting& fitting, imaging::PlaneId plane, const TaskContext& context)
        : fitting_(fitting), image_(*fitting.image), plane_(plane), context_(context), threads_(context.threads), budget_(fitting.session->cache()),
          plan_(fitting.plan) {}

    icd::FittingResponse run() {
        find_region();
        find_noise();
        const imaging::FitPixels pixels(source(), plane_, outcome_.model.rect, outcome_.mask.get(), budget_, threads_, context_.cancel,
                                        scale_);
        if (plan_.initial.empty()) find_initial(pixels);
        imaging::GaussianFitOptions options;
        options.decomposition = plan_.solver;
        options.max_iterations = max_iterations;
        options.noise = noise_.rms;
        options.on_iteration = [this](int iteration) { progress(searched_ + (1 - searched_) * double(iteration + 1) / double(max_iterations + 2)); };
        const auto memory = budget_.reserve(imaging::memory_of_fit(pixels, plan_.initial.size(), threads_), context_.cancel);
        fit_ = imaging::fit_gaussians(pixels, plan_.initial, plan_.offset, plan_.fixed, options, threads_, context_.cancel);
        if (fit_.end == imaging::LeastSquaresEnd::no_value) throw PathError(imaging::sentence_of(fit_));
        check_finite();
        outcome_.model.components = fit_.components;
        outcome_.model.offset = fit_.offset;
        return response();
    }

    /// After run(). The model first.
    std::vector<GeneratedImage> images() const {
        std::vector<GeneratedImage> images;
        const FittedImage of{image_.source, image_.info, image_.wcs, image_.cards, plane_};
        const auto add = [&](FitImageKind kind) {
            const auto name = name_of_fit(kind, image_.file, recipe_of(image_));
            images.push_back(generated_image(name, fit_recipe(kind, recipe_of(image_), plane_, outcome_, name), fit_image(kind, of, outcome_, name), budget_,
                                             context_.cancel));
        };
        if (fitting_.request->create_model_image()) add(FitImageKind::model);
        if (fitting_.request->create_residual_image()) add(FitImageKind::residual);
        return images;
    }

private:
    const imaging::ImageSource& source() const { return *image_.source; }
    bool computed() const { return imaging::is_computed_stokes(plane_.stokes); }
    std::string unit() const {
        return computed() ? imaging::polarization_unit(static_cast<imaging::Polarization>(plane_.stokes), image_.info.bunit) : image_.info.bunit;
    }

    void find_region() {
        const auto& shape = image_.shape();
        outcome_.model.rect = {0, 0, shape.width, shape.height};
        if (fitting_.region) {
            outcome_.region = fitting_.region->shape_on(image_);
            if (!outcome_.region) throw PathError("The region has no place on this image.");
        } else {
            outcome_.region = fitting_.view;
        }
        if (outcome_.region) outcome_.mask = fit_mask(*outcome_.region, shape, budget_, context_.cancel, outcome_.model.rect);
    }

    void find_noise() {
        // A rectangle without a mask: a mask of its rows.
        imaging::PixelMask rows;
        const imaging::PixelMask* mask = outcome_.mask.get();
        const auto& rect = outcome_.model.rect;
        if (!mask && outcome_.region) {
            std::vector<imaging::PixelRun> runs;
            for (auto y = rect.y0; y < rect.y1; ++y) runs.push_back({y, rect.x0, rect.x1});
            rows = imaging::PixelMask(std::move(runs));
            mask = &rows;
        }
        imaging::PixelSelection pixels{mask, {plane_.channel, plane_.channel + 1}, plane_.stokes};
        pixels.keep = std::min(pixels.keep, budget_.limit() / 64);
        auto threads = threads_;
        if (imaging::order_statistics_bytes(source(), pixels, threads) > budget_.limit() / 2) threads = 1;
        const auto memory = budget_.reserve(imaging::order_statistics_bytes(source(), pixels, threads), context_.cancel);
        const bool wide = source().capabilities().prefers_double;
        static constexpr std::array<double, 2> extremes{0, 100};
        const auto statistics = imaging::order_statistics(source(), pixels, wide ? std::span<const double>(extremes) : std::span<const double>(), true, threads,
                                                          context_.cancel);
        const std::string where = outcome_.region ? "the region" : "the image";
        if (statistics.count == 0) throw PathError("There is no finite pixel in " + where + ".");
        const auto free = std::count(plan_.fixed.begin(), plan_.fixed.end(), false);
        if (statistics.count < free)
            throw PathError("There are fewer finite pixels in " + where + " (" + std::to_string(statistics.count) + ") than free parameters (" + std::to_string(free) + ").");
        noise_.rms = 1.4826 * statistics.mad;
        if (wide) scale_ = imaging::scale_of(std::max(std::abs(statistics.percentiles.at(0)), std::abs(statistics.percentiles.at(1))));
        const auto* beam = imaging::find_beam(image_.info.beams, plane_.channel, computed() ? 0 : plane_.stokes);
        if (!beam || !beam->valid()) return;
        beam_ = *beam;
        if (const auto area = image_.wcs ? image_.wcs->pixel_area() : std::nullopt; area && *area > 0)
            noise_.beam = std::sqrt(beam->major * beam->minor / *area) / 3600;
    }

    void find_initial(const imaging::FitPixels& pixels) {
        const bool offset_fixed = plan_.fixed.back();
        const auto values = imaging::find_initial_values(pixels, plan_.components, offset_fixed ? std::optional(plan_.offset) : std::nullopt, noise_.beam, budget_,
                                                         threads_, context_.cancel, [this](double part) { progress(part_of_search * part); });
        searched_ = part_of_search;
        plan_.initial = values.components;
        if (!offset_fixed) plan_.offset = values.offset;
        plan_.fixed.assign(imaging::gaussian_parameters * values.components.size() + 1, false);
        plan_.fixed.back() = offset_fixed;
        log_ = imaging::log_of_initial_values(values.components, unit());
    }

    void progress(double done) {
        const auto part = float(done);
        context_.progress(done);
        const auto now = Clock::now();
        if (told_ != Clock::time_point() && now - told_ < progress_interval) return;
        told_ = now;
        auto message = std::make_shared<icd::FittingProgress>();
        message->set_file_id(image_.file_id);
        message->set_progress(part);
        fitting_.session->publish(std::move(message), {.delivery_class = pubsub::DeliveryClass::droppable},
                                  pubsub::Audience::view_of(fitting_.call->peer()->id()));
    }

    void check_finite() const {
        bool finite = std::isfinite(fit_.offset);
        for (const auto& component : fit_.components)
            for (const double value : imaging::parameters_of(component)) finite &= std::isfinite(value);
        if (!finite) throw PathError("The fit has gone to values that are not finite.");
    }

    /// 0 of what is not determined, as of what is fixed.
    static imaging::GaussianComponent finite(const imaging::GaussianComponent& errors) {
        auto values = imaging::parameters_of(errors);
        for (double& value : values)
            if (!std::isfinite(value)) value = 0;
        return imaging::component_of(values);
    }

    imaging::FixedParameters fixed(std::size_t component) const {
        imaging::FixedParameters flags{};
        for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = plan_.fixed[imaging::gaussian_parameters * component + i];
        return flags;
    }

    icd::FittingResponse response() {
        imaging::FitReport report;
        const auto flux_unit = imaging::flux_unit_of(unit());
        icd::FittingResponse answer;
        answer.set_success(true);
        for (std::size_t k = 0; k < fit_.components.size(); ++k) {
            imaging::ComponentReport one;
            one.value = fit_.components[k];
            one.fixed = fixed(k);
            one.state = fit_.states[k];
            const bool determined = one.state == imaging::ComponentState::determined;
            if (determined) one.error = finite(imaging::errors_of(one.value, one.fixed, noise_));
            if (flux_unit) one.flux = imaging::flux_of(one.value, one.fixed, noise_, *flux_unit);
            if (one.flux && !(determined && std::isfinite(one.flux->value) && std::isfinite(one.flux->error))) one.flux = imaging::Flux{};
            fill(*answer.add_result_values(), one.value);
            fill(*answer.add_result_errors(), one.error);
            // Clients take them for jansky.
            if (one.flux && flux_unit->scale == 1) {
                answer.add_integrated_flux_values(one.flux->value);
                answer.add_integrated_flux_errors(one.flux->error);
            }
            report.components.push_back(std::move(one));
        }
        // As many independent values as beams.
        const double beam_area = std::numbers::pi / (4 * std::numbers::ln2) * noise_.beam * noise_.beam;
        report.offset_error = noise_.rms * std::sqrt(fit_.offset_variance * std::max(1.0, beam_area));
        if (!std::isfinite(report.offset_error)) report.offset_error = 0;
        answer.set_offset_value(fit_.offset);
        answer.set_offset_error(report.offset_error);

        report.image = image_.info.name + ", channel " + std::to_string(plane_.channel) + stokes_name();
        report.region = region_name();
        report.unit = unit();
        if (flux_unit) report.flux_unit = flux_unit->unit;
        report.fit = fit_;
        report.decomposition = plan_.solver;
        report.noise = noise_;
        report.offset_fixed = plan_.fixed.back();
        report.wcs = image_.wcs.get();
        report.channel = plane_.channel;
        report.beam = beam_;
        answer.set_log(log_ + imaging::log_of_fit(report));
        answer.set_message(message());
        return answer;
    }

    static void fill(icd::GaussianComponent& to, const imaging::GaussianComponent& from) {
        to.mutable_center()->set_x(from.x);
        to.mutable_center()->set_y(from.y);
        to.set_amp(from.amplitude);
        to.mutable_fwhm()->set_x(from.fwhm_x);
        to.mutable_fwhm()->set_y(from.fwhm_y);
        to.set_pa(from.pa);
    }

    std::string stokes_name() const {
        if (computed()) return std::string(", ") + imaging::polarization_name(static_cast<imaging::Polarization>(plane_.stokes));
        const auto& names = image_.info.stokes_names;
        const auto index = static_cast<std::size_t>(plane_.stokes);
        return index < names.size() ? ", stokes " + names[index] : "";
    }
    std::string region_name() const {
        if (!outcome_.region) return "the whole image";
        const std::string type(imaging::name_of(outcome_.region->type));
        return fitting_.region ? "region " + std::to_string(fitting_.request->region_id()) + " (" + type + ")" : "the view";
    }
    /// Pages show it as a warning: empty if all is as it should be.
    std::string message() const {
        std::string text;
        if (fit_.components.size() < plan_.components)
            text = "Only " + std::to_string(fit_.components.size()) + " of " + std::to_string(plan_.components) + " components stand out of the noise. ";
        if (fit_.end == imaging::LeastSquaresEnd::iteration_limit) text += imaging::sentence_of(fit_) + " ";
        text += imaging::sentences_of(fit_.states);
        while (!text.empty() && text.back() == ' ') text.pop_back();
        return text;
    }

    const Fitting& fitting_;
    const Image& image_;
    const imaging::PlaneId plane_;
    const TaskContext& context_;
    const imaging::ThreadShare threads_;
    imaging::BudgetCache& budget_;
    FittingPlan plan_;
    FitOutcome outcome_;
    imaging::FitNoise noise_;
    std::optional<imaging::Beam> beam_;
    imaging::GaussianFit fit_;
    std::string log_;
    Clock::time_point told_{};
    double scale_ = 1;    // of the pixels while they are fitted
    double searched_ = 0; // the part of the progress that the search for initial values was
};

/// What the job has found, for the command that answers.
struct Found {
    icd::FittingResponse response;
    std::vector<GeneratedImage> images;
};

void fill_acknowledgement(icd::OpenFileAck& to, const Image& image) {
    if (const auto ack = std::dynamic_pointer_cast<const icd::OpenFileAck>(icd::message_of(image.acknowledgement))) to = *ack;
}

void answer(const Fitting& fitting, Found& found) {
    const bool model = fitting.request->create_model_image(), residual = fitting.request->create_residual_image();
    const auto send = [&](const std::vector<ImagePtr>& images) {
        std::size_t next = 0;
        if (model) fill_acknowledgement(*found.response.mutable_model_image(), *images.at(next++));
        if (residual) fill_acknowledgement(*found.response.mutable_residual_image(), *images.at(next));
        icd::answer(fitting.call, std::move(found.response));
    };
    if (found.images.empty()) return send({});
    add_generated(*fitting.session, *fitting.image, std::move(found.images), send);
}

} // namespace

namespace {

/// Pixels of the smallest upright rectangle around a shape, roughly; those of the image at most.
std::int64_t pixels_within(const imaging::Shape& shape, const imaging::ImageShape& image) {
    const auto& points = shape.points;
    double width = 0, height = 0;
    if (shape.type == imaging::RegionType::polygon) {
        const auto [left, right] = std::minmax_element(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
        const auto [low, high] = std::minmax_element(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.y < b.y; });
        width = right->x - left->x;
        height = high->y - low->y;
    } else {
        const double times = shape.type == imaging::RegionType::ellipse ? 2 : 1;
        width = times * points.at(1).x;
        height = times * points.at(1).y;
    }
    return static_cast<std::int64_t>(std::min((width + 1) * (height + 1), double(image.plane_size())));
}

std::int64_t pixels_of(const Fitting& fitting) {
    const auto& image = fitting.image->shape();
    if (fitting.view) return pixels_within(*fitting.view, image);
    if (fitting.region && fitting.region->belongs_to(*fitting.image)) return pixels_within(fitting.region->shape, image);
    return image.plane_size();
}

} // namespace

icd::FittingResponse fitting_failed(const std::string& why) {
    icd::FittingResponse response;
    response.set_message(why);
    return response;
}

void start_fitting(Fitting request) {
    const auto fitting = std::make_shared<const Fitting>(std::move(request));
    const auto found = std::make_shared<Found>();
    const auto plane = fitting->image->plane;
    Calculation calculation;
    calculation.session = fitting->session;
    calculation.image = fitting->image;
    calculation.kind = CalculationKind::fitting;
    calculation.name = "fitting";
    calculation.bytes = pixels_of(*fitting) * std::int64_t{sizeof(float)} * passes;
    calculation.call = fitting->call;
    calculation.work = [fitting, found, plane](const TaskContext& context) {
        Work work(*fitting, plane, context);
        found->response = work.run();
        found->images = work.images();
    };
    calculation.tells_cancelled = true;
    calculation.end = [fitting, found](const std::exception_ptr& failure) {
        if (failure) return icd::answer(fitting->call, fitting_failed(is_cancelled(failure) ? "task cancelled" : text_of(failure)));
        try {
            answer(*fitting, *found);
        } catch (const PathError& e) { icd::answer(fitting->call, fitting_failed(e.what())); } // too many images
    };
    calculation.on_session_closed = [fitting] { icd::answer(fitting->call, fitting_failed("The session was closed.")); };
    start(std::move(calculation));
}

} // namespace cubelink::server
