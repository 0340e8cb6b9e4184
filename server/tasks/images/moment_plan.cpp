#include "server/tasks/images/moment_plan.hpp"

#include "imaging/source/image_info.hpp"
#include "rpc/values/convert.hpp"
#include "server/files/jail.hpp"
#include "server/tasks/images/image_recipes.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::server {

namespace {

std::vector<imaging::Moment> moments_of(const icd::MomentRequest& request) {
    std::vector<imaging::Moment> moments;
    if (request.moments().empty()) throw PathError("moments: no moment was asked for.");
    for (const int number : request.moments()) {
        const auto moment = imaging::moment_of_number(number);
        if (!moment) throw PathError("moments: there is no moment " + std::to_string(number) + ".");
        if (std::find(moments.begin(), moments.end(), *moment) != moments.end())
            throw PathError("moments: \"" + std::string(imaging::moment_suffix(*moment)) + "\" was asked for twice.");
        moments.push_back(*moment);
    }
    return moments;
}

imaging::ChannelRange channels_of(const icd::MomentRequest& request, std::int64_t depth) {
    if (!request.has_spectral_range()) return {0, static_cast<std::int32_t>(depth)};
    const std::int64_t min = request.spectral_range().min(), max = request.spectral_range().max();
    const std::string range = "spectral_range: channels " + std::to_string(min) + " to " + std::to_string(max);
    if (min > max) throw PathError(range + ": the first must not be above the last.");
    if (max < 0 || min >= depth) throw PathError(range + " lie outside of the image, which has channels 0 to " + std::to_string(depth - 1) + ".");
    return {static_cast<std::int32_t>(std::max<std::int64_t>(min, 0)), static_cast<std::int32_t>(std::min(max, depth - 1) + 1)};
}

double finite(double value, const char* field) {
    if (!std::isfinite(value)) throw PathError(std::string(field) + ": must be a finite number.");
    return value;
}

void set_pixels(MomentPlan& plan, const icd::MomentRequest& request) {
    switch (request.mask()) {
    case icd::None: return;
    case icd::Include: plan.pixels = MomentPixels::include; break;
    case icd::Exclude: plan.pixels = MomentPixels::exclude; break;
    default: throw PathError("mask: there is no mask " + std::to_string(request.mask()) + ".");
    }
    if (!request.has_pixel_range()) throw PathError("pixel_range: the values to include or to exclude are missing.");
    plan.low = request.pixel_range().min();
    plan.high = request.pixel_range().max();
    if (!(plan.low <= plan.high)) throw PathError("pixel_range: the smallest value must not be above the largest.");
}

/// Throws unless the image has channels that are those of its spectral axis.
void require_spectral(const imaging::ImageInfo& info) {
    if (info.swapped_axes) throw PathError("The spectral axis is one of the two that are shown: moments are made along a third one.");
    if (!info.has_spectral_axis || info.axes.spectral == 0) throw PathError("The image has no spectral axis.");
    if (info.axes.depth != 0 && info.axes.depth != info.axes.spectral) throw PathError("The channels of this image are not along its spectral axis.");
}

rpc::Value number(double value) { return std::isfinite(value) ? rpc::Value(value) : rpc::Value(value > 0 ? "inf" : "-inf"); }
/// Bounds may be infinite, which snapshots do not keep.
double bound_of(const rpc::Map& recipe, const char* field) {
    const auto* value = recipe.find(field);
    const auto* text = value ? value->get_if<std::string>() : nullptr;
    if (text) return *text == "-inf" ? -INFINITY : INFINITY;
    return number_of_recipe(recipe, field);
}

rpc::Value of_shape(const std::optional<imaging::Shape>& shape) {
    if (!shape) return {};
    rpc::Array points;
    for (const auto& point : shape->points) {
        points.push_back(point.x);
        points.push_back(point.y);
    }
    return rpc::Map{{"type", static_cast<int>(shape->type)}, {"rotation", shape->rotation}, {"points", std::move(points)}};
}

std::optional<imaging::Shape> shape_of(const rpc::Map& recipe) {
    const auto* value = recipe.find("shape");
    if (!value || value->is_null()) return std::nullopt;
    const auto& map = map_of_recipe(recipe, "shape");
    imaging::Shape shape;
    shape.type = static_cast<imaging::RegionType>(integer_of_recipe(map, "type"));
    shape.rotation = number_of_recipe(map, "rotation");
    const auto* points = map.find("points");
    const auto* numbers = points ? points->get_if<rpc::Array>() : nullptr;
    if (!numbers) throw PathError("What an image was made from is incomplete: its region has no points.");
    for (std::size_t i = 0; i + 1 < numbers->size(); i += 2)
        shape.points.push_back({rpc::from_value<double>(rpc::Value((*numbers)[i]), rpc::Path("points")), rpc::from_value<double>(rpc::Value((*numbers)[i + 1]), rpc::Path("points"))});
    if (const auto why = imaging::why_invalid(shape); !why.empty() || !imaging::is_closed(shape.type))
        throw PathError("What an image was made from can't be read: its region is not valid.");
    return shape;
}

} // namespace

MomentPlan moment_plan(const icd::MomentRequest& request, const imaging::ImageInfo& info) {
    MomentPlan plan;
    if (request.axis() != icd::SPECTRAL) throw PathError("axis: moments are made along the spectral axis only.");
    plan.moments = moments_of(request);
    require_spectral(info);
    plan.channels = channels_of(request, info.shape.depth);
    set_pixels(plan, request);
    plan.rest_frequency = std::isnan(request.rest_freq()) ? 0 : finite(request.rest_freq(), "rest_freq");
    if (plan.rest_frequency < 0) throw PathError("rest_freq: must not be negative.");
    plan.noise_threshold = finite(request.noise_threshold(), "noise_threshold");
    plan.moment0_threshold = finite(request.moment0_threshold(), "moment0_threshold");
    if (plan.moment0_threshold < 0) throw PathError("moment0_threshold: must not be negative.");
    return plan;
}

rpc::Map recipe_of_moment(const MomentPlan& plan, std::size_t which, rpc::Map source, const std::string& name) {
    return {{"kind", "moment"},
            {"source", std::move(source)},
            {"name", name},
            {"moment", static_cast<int>(plan.moments.at(which))},
            {"stokes", plan.stokes},
            {"from", plan.channels.from},
            {"to", plan.channels.to},
            {"shape", of_shape(plan.shape)},
            {"mask", static_cast<int>(plan.pixels)},
            {"low", number(plan.low)},
            {"high", number(plan.high)},
            {"rest_frequency", plan.rest_frequency},
            {"noise_threshold", plan.noise_threshold},
            {"moment0_threshold", plan.moment0_threshold}};
}

MomentPlan plan_of_recipe(const rpc::Map& recipe) {
    MomentPlan plan;
    const auto moment = imaging::moment_of_number(static_cast<int>(integer_of_recipe(recipe, "moment")));
    const auto mask = integer_of_recipe(recipe, "mask");
    if (!moment || mask < 0 || mask > 2) throw PathError("What an image was made from can't be read: there is no such moment.");
    plan.moments = {*moment};
    plan.stokes = static_cast<std::int32_t>(integer_of_recipe(recipe, "stokes"));
    plan.channels = {static_cast<std::int32_t>(integer_of_recipe(recipe, "from")), static_cast<std::int32_t>(integer_of_recipe(recipe, "to"))};
    plan.shape = shape_of(recipe);
    plan.pixels = static_cast<MomentPixels>(mask);
    plan.low = bound_of(recipe, "low");
    plan.high = bound_of(recipe, "high");
    plan.rest_frequency = number_of_recipe(recipe, "rest_frequency");
    plan.noise_threshold = number_of_recipe(recipe, "noise_threshold");
    plan.moment0_threshold = number_of_recipe(recipe, "moment0_threshold");
    return plan;
}

} // namespace cubelink::server
