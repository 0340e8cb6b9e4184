#pragma once
/// What clients say of pictures, for image.render and viewport.image.push. Everything here throws BadArguments that names the field.

#include "rpc/values/value.hpp"
#include "server/products/rendering.hpp"

#include <cstdint>

namespace cubelink::server {

/// What a client may say of colours, each null if it doesn't.
struct LookFields {
    rpc::Value stretch, colour_map, inverted, limits, percentile, blank, background;
};
/// `standing`: what holds where nothing is said.
LookRequest look_of(LookFields&& fields, const LookRequest& standing);
/// The viewer's own: Inferno, by the percentile.
LookRequest default_look();

/// [width, height]; a number, of the longer side, the other one by the aspect width / height. Null: `standing`.
imaging::PictureSize size_of(rpc::Value&& value, double aspect, const imaging::PictureSize& standing);
/// Throws BadArguments unless there are pictures of that size.
imaging::PictureSize checked_size(double width, double height, const char* field);

/// true, false or null, the name of a frame, or {frame, labels, notation}.
std::optional<GridRequest> grid_of(rpc::Value&& value, const Image& image);
bool beam_of(rpc::Value&& value);

/// 0 to 100, null if the client doesn't say.
std::optional<int> quality_of(rpc::Value&& value);
imaging::PictureFormat format_of(rpc::Value&& value);

/// A part of the image that is to be shown: {x, y, scale}, or {x_min, y_min, x_max, y_max} as the ICD's ImageBounds, or null: the whole image.
struct ViewRequest {
    std::optional<imaging::Rect> bounds;
    std::optional<double> x, y, scale;
    double aspect(const imaging::ImageShape& shape) const;
    /// Each of x, y and scale that was not said is that of `standing`, or of the bounds.
    imaging::Framing framing(const imaging::Framing& standing, const imaging::PictureSize& size) const;
};
ViewRequest view_of(rpc::Value&& value, const imaging::ImageShape& shape);
rpc::Value value_of(const imaging::Framing& framing);

} // namespace cubelink::server
