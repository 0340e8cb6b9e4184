// The method image.preview: a plane of any size at once, from a sample of its rows.

#include "server/handlers/image_methods.hpp"

#include "imaging/pixels/histogram.hpp"
#include "imaging/pixels/plane_preview.hpp"
#include "rpc/error.hpp"
#include "rpc/icd/bridge.hpp"
#include "rpc/values/convert.hpp"
#include "server/products/histogram_message.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace cubelink::server {

namespace {

using rpc::Value;

constexpr std::int64_t most_side = 4096, most_pixels = std::int64_t{1} << 22;
constexpr std::int32_t most_bins = 4096;

struct Request {
    imaging::PlaneId plane;
    std::int64_t width = 0, height = 0;
};

/// As large as fits into width × height with the plane's own proportions, and no larger than the plane.
Request request_of(const Image& image, std::vector<Value>&& values) {
    Request request;
    const auto& shape = image.shape();
    const auto most_width = rpc::integer_from_value(values[1], rpc::Path("width"), 1, most_side);
    const auto most_height = rpc::integer_from_value(values[2], rpc::Path("height"), 1, most_side);
    if (most_width * most_height > most_pixels) throw rpc::BadArguments("width: a preview has at most " + std::to_string(most_pixels) + " pixels");
    const auto scale = std::min({1.0, static_cast<double>(most_width) / static_cast<double>(shape.width), static_cast<double>(most_height) / static_cast<double>(shape.height)});
    const auto side = [scale](std::int64_t length) { return std::clamp<std::int64_t>(std::llround(static_cast<double>(length) * scale), 1, length); };
    request.width = std::min(side(shape.width), most_width);
    request.height = std::min(side(shape.height), most_height);
    request.plane = plane_of(std::move(values[3]), std::move(values[4]), image);
    return request;
}

void answer(Session& session, const Image& image, const Request& request, const rpc::CallPtr& call, const JobContext& context) {
    const auto& shape = image.shape();
    const auto count = static_cast<std::size_t>(request.width * request.height);
    const auto memory = session.cache().reserve(2 * count * sizeof(float), context.cancel);
    std::vector<float> values(count);
    const auto rows = imaging::preview_positions(shape.height, request.height), columns = imaging::preview_positions(shape.width, request.width);
    const auto read = imaging::read_preview(*image.source, request.plane, rows, columns, values, context.threads, context.cancel);
    image.source->check_unchanged();
    imaging::HistogramSpec spec;
    spec.num_bins = std::min(most_bins, imaging::automatic_bins(shape.width, shape.height));
    const auto histogram = std::make_shared<icd::Histogram>();
    fill(*histogram, imaging::histogram_of(values, request.width, request.height, spec));
    const bool all = request.width == shape.width && request.height == shape.height && read == shape.height;
    call->answer(rpc::Map{{"width", request.width},
                          {"height", request.height},
                          {"data", rpc::Bytes::take(std::move(values))},
                          {"histogram", icd::to_value(histogram)},
                          {"sampled", !all},
                          {"rows_read", read},
                          {"channel", request.plane.channel},
                          {"stokes", request.plane.stokes}});
}

} // namespace

void register_preview(HandlerContext& context) {
    on_image_method(
        context, "image.preview", {"file_id", {"width", Value(512)}, {"height", Value(512)}, {"channel", Value()}, {"stokes", Value()}},
        [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
            const auto request = request_of(*image, std::move(values));
            if (!imaging::has_rows(*image->source))
                throw rpc::CallError(rpc::code::method_failed, image->info.name + " is still to be computed: there is no preview, ask for tiles.");
            const auto bytes = static_cast<std::size_t>(request.width * request.height) * sizeof(float);
            post_large_answer(session, image, call, "image.preview", JobClass::interactive, bytes,
                              [call, request](Session& owner, const Image& open, const JobContext& job) { answer(owner, open, request, call, job); });
        },
        rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
