// The method image.render: a picture of a plane, as a file.

#include "server/handlers/image_methods.hpp"
#include "server/handlers/render_arguments.hpp"

#include "rpc/values/convert.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

using rpc::Value;

/// The longer side of a picture whose size was not said, if the image is larger.
constexpr int default_side = 1024;

constexpr const char* mime_types[] = {"image/png", "image/jpeg", "image/webp"};

RenderRequest request_of(const Image& image, std::vector<Value>&& values) {
    RenderRequest request;
    const auto& shape = image.shape();
    const auto view = view_of(std::move(values[1]), shape);
    const double aspect = view.aspect(shape);
    const auto part = view.bounds.value_or(imaging::Rect{0, 0, shape.width, shape.height});
    const auto longest = std::min<std::int64_t>(default_side, std::max(part.width(), part.height()));
    request.size = size_of(std::move(values[2]), aspect, size_of(Value(longest), aspect, {}));
    request.framing = view.framing(imaging::fitting(shape, request.size), request.size);
    LookFields look;
    look.stretch = std::move(values[3]);
    look.colour_map = std::move(values[4]);
    request.encoding.format = format_of(std::move(values[5]));
    request.encoding.quality = quality_of(std::move(values[6]));
    look.inverted = std::move(values[7]);
    look.percentile = std::move(values[8]);
    look.limits = std::move(values[9]);
    look.blank = std::move(values[10]);
    look.background = std::move(values[11]);
    request.look = look_of(std::move(look), default_look());
    request.beam = beam_of(std::move(values[12]));
    request.grid = grid_of(std::move(values[13]), image);
    request.plane = plane_of(std::move(values[14]), std::move(values[15]), image);
    return request;
}

void post_render(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const RenderRequest& request) {
    const auto bytes = static_cast<std::size_t>(request.size.pixels()); // of the file, in most cases
    post_large_answer(session, image, call, "image.render", JobClass::block, bytes, [call, request](Session& owner, const Image& open, const JobContext& context) {
        const auto check = [&] {
            context.cancel.throw_if_cancelled();
            if (!call->peer()->connected()) throw imaging::Cancelled();
        };
        auto file = render(open, request, owner.cache(), context.threads, context.cancel, check);
        call->answer(rpc::Map{{"data", std::move(file.bytes)},
                              {"width", request.size.width},
                              {"height", request.size.height},
                              {"format", imaging::name_of(request.encoding.format)},
                              {"mime_type", mime_types[static_cast<std::size_t>(request.encoding.format)]},
                              {"limits", rpc::Array{file.limits.low, file.limits.high}},
                              {"stretch", imaging::name_of(file.stretch)},
                              {"sampled", file.sampled},
                              {"view", value_of(request.framing)},
                              {"channel", request.plane.channel},
                              {"stokes", request.plane.stokes}});
    });
}

} // namespace

void register_render(HandlerContext& context) {
    on_image_method(
        context, "image.render",
        {"file_id", {"view", Value()}, {"size", Value()}, {"stretch", Value()}, {"colour_map", Value()}, {"format", Value()}, {"quality", Value()},
         {"inverted", Value()}, {"percentile", Value()}, {"limits", Value()}, {"blank", Value()}, {"background", Value()}, {"beam", Value()}, {"grid", Value()},
         {"channel", Value()}, {"stokes", Value()}},
        [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
            post_render(session, image, call, request_of(*image, std::move(values)));
        },
        rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
