#pragma once
/// What MOMENT_REQUEST asks for, checked; and as the recipe of each image that comes of it: {"kind": "moment", "source": a recipe, "name", "moment", "stokes", "from",
/// "to", "shape": null or {"type", "rotation", "points"}, "mask", "low", "high", "rest_frequency", "noise_threshold", "moment0_threshold"}.

#include "imaging/analysis/moments/moment.hpp"
#include "imaging/regions/shape.hpp"
#include "imaging/source/image_source.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/values/value.hpp"

#include <optional>
#include <vector>

namespace cubelink::server {

enum class MomentPixels { all, include, exclude };

struct MomentPlan {
    std::vector<imaging::Moment> moments;
    std::int32_t stokes = 0;
    imaging::ChannelRange channels;
    std::optional<imaging::Shape> shape; // of the region, in pixels of the image; none: all of it
    MomentPixels pixels = MomentPixels::all;
    double low = 0, high = 0;            // of `pixels`
    double rest_frequency = 0;           // Hz; 0: the header's
    double noise_threshold = 0, moment0_threshold = 0;
};

/// All but stokes and shape. Throws PathError, a sentence for the user.
MomentPlan moment_plan(const icd::MomentRequest& request, const imaging::ImageInfo& info);

/// Of the result `which`. `source`: the recipe of the image.
rpc::Map recipe_of_moment(const MomentPlan& plan, std::size_t which, rpc::Map source, const std::string& name);
/// With one moment. Throws PathError for what is no such recipe.
MomentPlan plan_of_recipe(const rpc::Map& recipe);

} // namespace cubelink::server
