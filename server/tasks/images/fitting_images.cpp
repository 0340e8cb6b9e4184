#include "server/tasks/images/fitting_images.hpp"

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/fits/describe_image.hpp"
#include "imaging/pixels/polarization.hpp"
#include "imaging/regions/mask.hpp"
#include "imaging/world/header_editor.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cubelink::server {

namespace {

/// The header of one plane of the image, of a rectangle of it.
imaging::HeaderEditor header_of_plane(const FittedImage& of, const imaging::Rect& rect) {
    imaging::HeaderEditor header{imaging::Header(of.cards)};
    const bool computed = imaging::is_computed_stokes(of.plane.stokes);
    for (int axis = 1; axis <= int(of.info.axis_lengths.size()); ++axis) {
        if (axis == of.info.rendered_axes[0]) header.cut(axis, {rect.x0, rect.width(), 1});
        else if (axis == of.info.rendered_axes[1]) header.cut(axis, {rect.y0, rect.height(), 1});
        else if (axis == of.info.axes.stokes) header.cut(axis, {computed ? 0 : of.plane.stokes, 1, 1});
        else header.cut(axis, {axis == of.info.axes.depth ? of.plane.channel : 0, 1, 1});
    }
    if (computed) {
        const auto type = static_cast<imaging::Polarization>(of.plane.stokes);
        header.set("BUNIT", imaging::polarization_unit(type, of.info.bunit));
        // FITS has no number for it.
        if (of.info.axes.stokes > 0) header.set("CRVAL" + std::to_string(of.info.axes.stokes), 0.0, std::string("computed: ") + imaging::polarization_name(type));
    }
    for (const char* gone : {"DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "CASAMBM"}) header.remove(gone);
    if (const auto* beam = imaging::find_beam(of.info.beams, of.plane.channel, computed ? 0 : of.plane.stokes); beam != nullptr && beam->valid()) {
        header.set("BMAJ", beam->major / 3600);
        header.set("BMIN", beam->minor / 3600);
        header.set("BPA", std::isfinite(beam->pa) ? beam->pa : 0.0);
    }
    return header;
}

const rpc::Array& array_of(const rpc::Map& recipe, const char* field) {
    const auto* value = recipe.find(field);
    const auto* array = value ? value->get_if<rpc::Array>() : nullptr;
    if (!array) throw PathError(std::string("What a fit's image was made from can't be read: \"") + field + "\" is no list.");
    return *array;
}

std::vector<double> numbers_of(const rpc::Array& array, const char* field) {
    return rpc::from_value<std::vector<double>>(rpc::Value(array), rpc::Path(field));
}

FittedImage fitted_image(imaging::OpenedImage opened, imaging::PlaneId plane) {
    const auto& types = opened.info.stokes_types;
    const bool known = std::any_of(types.begin(), types.end(), [](int type) { return type != 0; });
    auto source = std::make_shared<imaging::PolarizationSource>(std::move(opened.source), known ? types : std::vector<int>());
    const auto& shape = source->shape();
    const bool there = plane.channel >= 0 && plane.channel < shape.depth &&
                       (imaging::is_computed_stokes(plane.stokes) ? source->has(static_cast<imaging::Polarization>(plane.stokes))
                                                                  : plane.stokes >= 0 && plane.stokes < shape.stokes);
    if (!there) throw PathError("\"" + opened.info.name + "\" no longer has the plane that was fitted.");
    return {std::move(source), std::move(opened.info), std::move(opened.wcs), std::move(opened.cards), plane};
}

imaging::Shape shape_of_recipe(const rpc::Map& map) {
    imaging::Shape shape;
    shape.type = static_cast<imaging::RegionType>(integer_of_recipe(map, "type"));
    shape.rotation = number_of_recipe(map, "rotation");
    const auto numbers = numbers_of(array_of(map, "points"), "points");
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) shape.points.push_back({numbers[i], numbers[i + 1]});
    return shape;
}

rpc::Map recipe_of_shape(const imaging::Shape& shape) {
    rpc::Array points;
    for (const auto& point : shape.points) {
        points.push_back(point.x);
        points.push_back(point.y);
    }
    return {{"type", static_cast<int>(shape.type)}, {"points", std::move(points)}, {"rotation", shape.rotation}};
}

imaging::OpenedImage make(FitImageKind kind, const rpc::Map& recipe, const MakeContext& context) {
    const imaging::PlaneId plane{static_cast<std::int32_t>(integer_of_recipe(recipe, "channel")), static_cast<std::int32_t>(integer_of_recipe(recipe, "stokes"))};
    const auto of = fitted_image(make_image(map_of_recipe(recipe, "source"), context), plane);
    FitOutcome outcome;
    outcome.model.offset = number_of_recipe(recipe, "offset");
    for (const auto& component : array_of(recipe, "components")) {
        const auto* values = component.get_if<rpc::Array>();
        const auto numbers = values ? numbers_of(*values, "components") : std::vector<double>();
        if (numbers.size() != imaging::gaussian_parameters) throw PathError("What a fit's image was made from can't be read: a component has six numbers.");
        outcome.model.components.push_back(imaging::component_of(numbers));
    }
    if (outcome.model.components.size() > imaging::max_gaussians) throw PathError("What a fit's image was made from has too many components.");
    const auto& image = of.source->shape();
    outcome.model.rect = {0, 0, image.width, image.height};
    if (const auto* region = recipe.find("region"); region && !region->is_null()) {
        const auto shape = shape_of_recipe(map_of_recipe(recipe, "region"));
        if (const auto why = imaging::why_invalid(shape); !why.empty()) throw PathError("What a fit's image was made from can't be read: region: " + why);
        outcome.mask = fit_mask(shape, image, context.budget, context.cancel, outcome.model.rect);
    }
    return fit_image(kind, of, outcome, text_of_recipe(recipe, "name"));
}

/// What an image's pixels come from in the end.
struct Origin {
    bool of_expression = false;
    bool has_moment = false; // in between
};
Origin origin_of(const rpc::Map& recipe) {
    Origin origin;
    for (const rpc::Map* at = &recipe; at != nullptr;) {
        const auto kind = text_of_recipe(*at, "kind");
        origin.of_expression = kind == "expression";
        origin.has_moment |= kind == "moment";
        const auto* source = at->find("source");
        at = source != nullptr ? source->get_if<rpc::Map>() : nullptr;
    }
    return origin;
}

} // namespace

imaging::OpenedImage fit_image(FitImageKind kind, const FittedImage& of, const FitOutcome& outcome, const std::string& name) {
    auto header = header_of_plane(of, outcome.model.rect);
    const auto count = std::to_string(outcome.model.components.size());
    const auto what = "a fit with " + count + " Gaussian component" + (count == "1" ? "" : "s") + " to " + of.info.name;
    std::shared_ptr<const imaging::ImageSource> source;
    if (kind == FitImageKind::model) {
        header.add_history("Model of " + what);
        source = std::make_shared<imaging::ModelImage>(outcome.model);
    } else {
        header.add_history("Residual of " + what);
        source = std::make_shared<imaging::ResidualImage>(outcome.model, of.source, of.plane, outcome.mask);
    }
    const auto& shape = of.source->shape();
    const bool whole = outcome.model.rect == imaging::Rect{0, 0, shape.width, shape.height} && shape.depth == 1 && shape.stokes == 1;
    return imaging::describe_image(std::move(source), header.header(), name, {}, whole ? of.wcs : nullptr);
}

rpc::Map fit_recipe(FitImageKind kind, const rpc::Map& source, imaging::PlaneId plane, const FitOutcome& outcome, const std::string& name) {
    rpc::Array components;
    for (const auto& component : outcome.model.components) {
        rpc::Array values;
        for (const double value : imaging::parameters_of(component)) values.push_back(value);
        components.push_back(std::move(values));
    }
    rpc::Map recipe{{"kind", kind == FitImageKind::model ? "fit_model" : "fit_residual"},
                    {"name", name},
                    {"source", source},
                    {"channel", plane.channel},
                    {"stokes", plane.stokes},
                    {"components", std::move(components)},
                    {"offset", outcome.model.offset}};
    recipe["region"] = outcome.region ? rpc::Value(recipe_of_shape(*outcome.region)) : rpc::Value();
    return recipe;
}

std::string name_of_fit(FitImageKind kind, const std::string& file, const rpc::Map& recipe) {
    const Origin origin = origin_of(recipe);
    auto moment = std::string::npos;
    if (!origin.of_expression) moment = file.find(".moment.");
    else if (origin.has_moment) moment = file.rfind(".moment."); // the expression may name a moment too
    auto name = file.substr(0, moment);
    auto rest = moment == std::string::npos ? std::string() : file.substr(moment);
    if (const auto dot = name.rfind('.'); !origin.of_expression && dot != std::string::npos && dot > 0) {
        rest = name.substr(dot) + rest;
        name.resize(dot);
    }
    return name + (kind == FitImageKind::model ? "_model" : "_residual") + rest;
}

std::shared_ptr<const imaging::PixelMask> fit_mask(const imaging::Shape& shape, const imaging::ImageShape& image, imaging::BudgetCache& budget,
                                                   const imaging::CancelToken& cancel, imaging::Rect& rect) {
    struct Held {
        imaging::PixelMask mask;
        imaging::Reservation memory;
    };
    auto held = std::make_shared<Held>();
    held->mask = imaging::mask_of(shape, image, cancel);
    if (held->mask.empty()) throw PathError("There are no pixels of the image in the region.");
    held->memory = budget.reserve(held->mask.runs().size_bytes(), cancel);
    rect = held->mask.bounds();
    if (held->mask.count() == static_cast<std::size_t>(rect.size())) return nullptr;
    return {held, &held->mask};
}

imaging::OpenedImage make_fit_model(const rpc::Map& recipe, const MakeContext& context) { return make(FitImageKind::model, recipe, context); }
imaging::OpenedImage make_fit_residual(const rpc::Map& recipe, const MakeContext& context) { return make(FitImageKind::residual, recipe, context); }

} // namespace cubelink::server
