#include "server/tasks/images/moment_images.hpp"

#include "server/files/jail.hpp"
#include "server/tasks/images/image_recipes.hpp"

#include "imaging/analysis/moments/moment_axis.hpp"
#include "imaging/analysis/moments/moment_header.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/regions/mask.hpp"
#include "imaging/source/deferred_image.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::server {

MomentWork::MomentWork(MomentSource source, MomentPlan plan, const imaging::CancelToken& cancel) : source_(std::move(source)), plan_(std::move(plan)) {
    const auto& shape = source_.pixels->shape();
    const bool computed = imaging::is_computed_stokes(plan_.stokes) && plan_.stokes >= shape.stokes;
    if (computed ? !source_.pixels->has(static_cast<imaging::Polarization>(plan_.stokes)) : plan_.stokes < 0 || plan_.stokes >= shape.stokes)
        throw PathError(source_.info.name + " has no stokes " + std::to_string(plan_.stokes) + ".");
    if (plan_.channels.from < 0 || plan_.channels.from >= plan_.channels.to || plan_.channels.to > shape.depth)
        throw PathError(source_.info.name + " has no channels " + std::to_string(plan_.channels.from) + " to " + std::to_string(plan_.channels.to - 1) + ".");
    if (source_.info.axes.spectral == 0 || source_.info.swapped_axes) throw PathError(source_.info.name + " has no spectral axis along its channels.");
    bunit_ = computed ? imaging::polarization_unit(static_cast<imaging::Polarization>(plan_.stokes), source_.info.bunit) : source_.info.bunit;

    maps_.source = source_.pixels;
    maps_.stokes = plan_.stokes;
    maps_.channels = plan_.channels;
    maps_.rect = {0, 0, shape.width, shape.height};
    if (plan_.shape) {
        auto mask = std::make_shared<const imaging::PixelMask>(imaging::mask_of(*plan_.shape, shape, cancel));
        if (mask->empty()) throw PathError("The region holds no pixel of the image.");
        maps_.rect = mask->bounds();
        maps_.mask = std::move(mask);
    }
    const auto axis = imaging::moment_axis(source_.info, source_.wcs.get(), plan_.rest_frequency);
    maps_.coordinates.assign(axis.coordinates.begin() + plan_.channels.from, axis.coordinates.begin() + plan_.channels.to);
    maps_.widths.assign(axis.widths.begin() + plan_.channels.from, axis.widths.begin() + plan_.channels.to);
    unit_ = axis.unit;
    meaning_ = axis.meaning;
    const auto unknown = std::count_if(maps_.coordinates.begin(), maps_.coordinates.end(), [](double value) { return !std::isfinite(value); });
    if (unknown == plan_.channels.count()) throw PathError("The channels have no values on the spectral axis.");
    if (unknown > 0) notes_ += "Left out: " + std::to_string(unknown) + " channels without a value on the spectral axis. ";
    if (unit_ != "km/s")
        notes_ += "Coordinates are not velocities, but " + (meaning_ == "frequency" || meaning_.starts_with("wavelength") ? meaning_ + ", for there is no rest frequency. "
                                                    : meaning_ == "value on the axis"                                       ? "values on the axis. "
                                                                                                                            : meaning_ + "s. ");

    if (plan_.pixels == MomentPixels::include) maps_.include = imaging::ValueRange{plan_.low, plan_.high};
    if (plan_.pixels == MomentPixels::exclude) maps_.exclude = imaging::ValueRange{plan_.low, plan_.high};
    maps_.noise_threshold = plan_.noise_threshold;
    maps_.moment0_threshold = plan_.moment0_threshold;
    set_beams();
    while (!notes_.empty() && notes_.back() == ' ') notes_.pop_back();
}

/// A stokes of the file whose beams count: of a computed polarization the first that it is made of.
std::int32_t MomentWork::beam_stokes() const {
    if (plan_.stokes < source_.pixels->shape().stokes) return plan_.stokes;
    for (const std::int32_t index : source_.pixels->inputs_of(static_cast<imaging::Polarization>(plan_.stokes)))
        if (index >= 0) return index;
    return 0;
}

void MomentWork::set_beams() {
    const auto& beams = source_.info.beams;
    if (beams.empty()) return;
    const std::int32_t stokes = beam_stokes();
    if (!imaging::beams_differ(beams, plan_.channels, stokes)) {
        if (const auto* beam = imaging::find_beam(beams, plan_.channels.from, stokes); beam && beam->valid()) beam_ = *beam;
        return;
    }
    imaging::BeamPlan common;
    if (plan_.stokes >= source_.pixels->shape().stokes) common.problem = "they can't be convolved after a polarization was computed";
    else {
        const auto matrix = source_.wcs ? source_.wcs->celestial_matrix() : std::nullopt;
        common = imaging::plan_common_beam(beams, plan_.channels, stokes, matrix, source_.pixels->shape(), source_.info.bunit);
    }
    if (!common.problem.empty()) {
        notes_ += "The channels have different beams, and were not convolved to a common one: " + common.problem + ". ";
        return;
    }
    beam_ = common.beam;
    maps_.beams = std::move(common);
}

std::int64_t MomentWork::bytes_read() const { return maps_.rect.size() * maps_.channels.count() * std::int64_t{sizeof(float)}; }

std::vector<std::shared_ptr<imaging::MemoryImage>> MomentWork::compute(const imaging::MomentResources& resources, const imaging::ThreadShare& threads,
                                                                       const imaging::CancelToken& cancel, const std::function<void(double)>& progress) const {
    std::vector<std::shared_ptr<imaging::MemoryImage>> images;
    std::vector<std::span<float>> planes;
    for (std::size_t i = 0; i < plan_.moments.size(); ++i) {
        images.push_back(std::make_shared<imaging::MemoryImage>(shape(), resources.budget, cancel, resources.scratch));
        if (resources.leftovers != nullptr) resources.leftovers->push_back(images.back());
        planes.push_back(images.back()->plane({0, 0}));
    }
    imaging::compute_moment_maps(maps_, plan_.moments, planes, resources, threads, cancel, progress);
    for (const auto& image : images) image->check_unchanged(); // the scratch disk
    return images;
}

imaging::OpenedImage MomentWork::describe(std::size_t which, std::shared_ptr<const imaging::ImageSource> pixels, const std::string& name) const {
    const imaging::Moment moment = plan_.moments.at(which);
    imaging::MomentHeader what;
    what.rect = maps_.rect;
    what.channels = plan_.channels;
    what.stokes = plan_.stokes;
    what.unit = imaging::moment_unit(moment, bunit_, unit_);
    what.rest_frequency = plan_.rest_frequency;
    what.beam = beam_;
    what.history = "Cubelink: moment " + std::string(imaging::moment_suffix(moment)) + " of " + source_.info.name + ", channels " +
                   std::to_string(plan_.channels.from) + " to " + std::to_string(plan_.channels.to - 1) + " (from 0), by " + meaning_;
    const imaging::Header header = imaging::moment_header(imaging::Header(source_.cards), source_.info, source_.wcs.get(), what);
    std::vector<imaging::Beam> beams;
    if (beam_) beams.push_back({beam_->major, beam_->minor, beam_->pa, -1, -1});
    return imaging::describe_image(std::move(pixels), header, name, std::move(beams));
}

imaging::OpenedImage make_moment(const rpc::Map& recipe, const MakeContext& context) {
    auto plan = plan_of_recipe(recipe);
    auto cube = make_image(map_of_recipe(recipe, "source"), context);
    const auto& types = cube.info.stokes_types;
    const bool known = std::any_of(types.begin(), types.end(), [](int type) { return type != 0; });
    MomentSource source;
    source.pixels = std::make_shared<imaging::PolarizationSource>(cube.source, known ? types : std::vector<int>());
    source.info = std::move(cube.info);
    source.wcs = std::move(cube.wcs);
    source.cards = std::move(cube.cards);
    const auto work = std::make_shared<const MomentWork>(std::move(source), std::move(plan), context.cancel);
    auto pixels = std::make_shared<imaging::DeferredImage>(
        work->shape(), context.budget,
        [work, &budget = context.budget, scratch = context.settings.scratch](int threads, const imaging::CancelToken& cancel) -> std::shared_ptr<const imaging::ImageSource> {
            return work->compute({budget, scratch}, threads, cancel).front();
        });
    return work->describe(0, std::move(pixels), text_of_recipe(recipe, "name"));
}

} // namespace cubelink::server
