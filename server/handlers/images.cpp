// The methods for programs: image.header, image.read, image.to_world, image.to_pixel.

#include "server/handlers/image_methods.hpp"
#include "server/handlers/image_read.hpp"

#include "imaging/base/budget_cache.hpp"
#include "imaging/world/celestial.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cubelink::server {

namespace {

/// Points that one call may convert.
constexpr std::size_t max_points = 1'000'000;
/// Bytes of a header that the command itself answers with; longer ones are cut into cards by a job.
constexpr std::size_t short_header = 64 << 10;

rpc::Value header_of(const Image& image) {
    rpc::Array cards;
    for (std::size_t at = 0; at + 80 <= image.cards.size(); at += 80) {
        auto card = image.cards.substr(at, 80);
        card.erase(card.find_last_not_of(' ') + 1);
        cards.push_back(std::move(card));
    }
    return rpc::Map{{"cards", std::move(cards)}, {"hdu", image.info.hdu}, {"name", image.info.name}};
}

void read_image(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<rpc::Value>&& values) {
    const auto& shape = image->shape();
    BlockRequest request;
    request.x = checked_range(values[1], shape.width, "x");
    request.y = checked_range(values[2], shape.height, "y");
    request.channel = checked_range(values[3], shape.depth, "channel");
    request.stokes = checked_range(values[4], shape.stokes, "stokes", [&](std::int64_t s) {
        return s >= 0 && s < 100 && image->has_stokes(static_cast<std::int32_t>(s));
    });
    const auto limit = max_block_bytes / (image->source->capabilities().prefers_double ? 8 : 4);
    if (static_cast<double>(request.x.count()) * static_cast<double>(request.y.count()) * static_cast<double>(request.channel.count()) *
            static_cast<double>(request.stokes.count()) >
        static_cast<double>(limit))
        throw rpc::CallError(rpc::code::method_failed, "That would be more than " + std::to_string(limit) + " values (" +
                                                           std::to_string(max_block_bytes >> 20) + " MiB) at once: read it in parts.");
    const auto bytes = static_cast<std::size_t>(request.values()) * (image->source->capabilities().prefers_double ? 8 : 4);
    post_large_answer(session, image, call, "image.read", JobClass::block, bytes, [call, request, bytes](Session& owner, const Image& open, const JobContext& context) {
        // Many clients that read large blocks at once take turns, as far as there is memory.
        auto& cache = owner.cache();
        const auto memory = cache.reserve(std::min(bytes, cache.limit() / 2), context.cancel);
        call->answer(read_block(open, request, context.threads, context.cancel, [&call] { return !call->peer()->connected(); }));
    });
}

std::vector<std::array<double, 2>> points_of(rpc::Value&& value) {
    auto rows = rpc::from_value<std::vector<std::vector<double>>>(std::move(value), rpc::Path("points"));
    if (rows.size() > max_points) throw rpc::BadArguments("points: at most " + std::to_string(max_points) + " at once");
    std::vector<std::array<double, 2>> points;
    points.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].size() != 2) throw rpc::BadArguments("points[" + std::to_string(i) + "]: expected two numbers");
        points.push_back({rows[i][0], rows[i][1]});
    }
    return points;
}

/// The frame that was asked for; nothing: the image's own.
std::optional<imaging::SkySystem> frame_of(rpc::Value&& value, const Image& image) {
    const auto name = rpc::from_value<std::optional<std::string>>(std::move(value), rpc::Path("frame")).value_or("");
    if (name.empty()) return {};
    const auto system = imaging::sky_system_of(name);
    if (!system) throw rpc::BadArguments("frame: \"" + name + "\" is none of ICRS, FK5, FK4, GALACTIC, ECLIPTIC");
    if (!image.wcs->celestial_plane())
        throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the displayed axes are not celestial, so it has no positions in " + name + ".");
    return system;
}

/// What the two numbers of a point are called: longitude and latitude on the sky, also where the image has latitude first.
std::array<std::string, 2> names_of_points(const imaging::Wcs& wcs, const std::optional<imaging::SkySystem>& frame) {
    if (frame) switch (frame->frame) {
        case imaging::SkyFrame::galactic: return {"GLON", "GLAT"};
        case imaging::SkyFrame::ecliptic: return {"ELON", "ELAT"};
        default: return {"RA", "DEC"};
        }
    auto names = wcs.plane_names();
    const auto is_latitude = [](const std::string& name) { return name == "DEC" || name.ends_with("LAT"); };
    if (wcs.celestial_plane() && is_latitude(names[0])) std::swap(names[0], names[1]);
    return names;
}

/// What image.to_world or image.to_pixel is to convert.
struct Conversion {
    bool to_world = true;
    std::vector<std::array<double, 2>> points;
    std::optional<imaging::SkySystem> frame;
    double channel = 0;
};

/// The points [from, to) of it, appended to `out`.
void convert(const imaging::Wcs& wcs, const Conversion& asked, std::size_t from, std::size_t to, rpc::Array& out) {
    const auto& [to_world, points, frame, channel] = asked;
    const auto add = [&](double a, double b) { out.push_back(rpc::Array{a, b}); };
    if (!wcs.celestial_plane()) {
        for (std::size_t i = from; i < to; ++i) {
            if (to_world) {
                const auto world = wcs.plane_world({points[i][0], points[i][1]}, channel);
                add(world[0], world[1]);
            } else {
                const auto pixel = wcs.plane_pixel(points[i], channel);
                add(pixel.x, pixel.y);
            }
        }
        return;
    }
    std::vector<imaging::PixelPoint> pixels(to - from);
    std::vector<imaging::SkyPoint> sky(to - from);
    for (std::size_t i = from; i < to; ++i) {
        if (to_world) pixels[i - from] = {points[i][0], points[i][1]};
        else sky[i - from] = {points[i][0], points[i][1]};
    }
    if (to_world) {
        if (frame) wcs.pixels_to_sky(pixels, channel, *frame, sky);
        else wcs.pixels_to_sky(pixels, channel, sky);
        for (const auto& p : sky) add(p.lon, p.lat);
    } else {
        if (frame) wcs.sky_to_pixels(sky, channel, *frame, pixels);
        else wcs.sky_to_pixels(sky, channel, pixels);
        for (const auto& p : pixels) add(p.x, p.y);
    }
}

rpc::Value described(const imaging::Wcs& wcs, const Conversion& asked, rpc::Array&& points) {
    rpc::Map result{{"points", std::move(points)}};
    const auto names = names_of_points(wcs, asked.frame);
    const auto units = wcs.plane_units();
    result["frame"] = asked.frame ? std::string(imaging::name_of(asked.frame->frame)) : wcs.frame_text();
    result["names"] = rpc::Array{names[0], names[1]};
    result["units"] = rpc::Array{units[0], units[1]};
    return result;
}

/// What image.to_world or image.to_pixel has been given; `plane_channel` if it names no channel.
Conversion conversion_of(std::vector<rpc::Value>&& values, const Image& image, bool to_world, std::int32_t plane_channel) {
    if (!image.wcs) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the header has no world coordinates.");
    Conversion asked;
    asked.to_world = to_world;
    asked.points = points_of(std::move(values[1]));
    asked.frame = frame_of(std::move(values[2]), image);
    asked.channel = rpc::from_value<std::optional<double>>(std::move(values[3]), rpc::Path("channel")).value_or(plane_channel);
    return asked;
}

/// Points that are converted at once, between two looks at whether anybody still waits.
constexpr std::size_t points_at_once = 4096;

/// A few points by the command itself; more, reading them included, by a job.
void convert_points(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<rpc::Value>&& values, bool to_world) {
    const auto* list = values[1].get_if<rpc::Array>();
    if (!list || list->size() <= few_values) {
        const auto asked = conversion_of(std::move(values), *image, to_world, image->plane.channel);
        rpc::Array out;
        convert(*image->wcs, asked, 0, asked.points.size(), out);
        return call->answer(described(*image->wcs, asked, std::move(out)));
    }
    const auto shared = std::make_shared<std::vector<rpc::Value>>(std::move(values));
    post_answer(session, image, call, to_world ? "image.to_world" : "image.to_pixel", JobClass::view,
                [image, call, shared, to_world, channel = image->plane.channel](const JobContext& context) {
                    const auto asked = conversion_of(std::move(*shared), *image, to_world, channel);
                    rpc::Array out;
                    out.reserve(asked.points.size());
                    for (std::size_t from = 0; from < asked.points.size(); from += points_at_once) {
                        context.cancel.throw_if_cancelled();
                        if (!call->peer()->connected()) return;
                        convert(*image->wcs, asked, from, std::min(from + points_at_once, asked.points.size()), out);
                    }
                    call->answer(described(*image->wcs, asked, std::move(out)));
                });
}

} // namespace

void register_image_methods(HandlerContext& context) {
    using rpc::Value;
    on_image_method(context, "image.header", {"file_id"}, [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&&) {
        if (image->cards.size() <= short_header) return call->answer(header_of(*image));
        post_answer(session, image, call, "image.header", JobClass::view, [image, call](const JobContext&) { call->answer(header_of(*image)); });
    });
    on_image_method(context, "image.read", {"file_id", {"x", Value()}, {"y", Value()}, {"channel", Value()}, {"stokes", Value()}}, read_image,
                    rpc::AnswerOrder::when_done);
    for (const bool to_world : {true, false})
        on_image_method(context, to_world ? "image.to_world" : "image.to_pixel", {"file_id", "points", {"frame", Value()}, {"channel", Value()}},
                        [to_world](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
                            convert_points(session, image, call, std::move(values), to_world);
                        });
}

} // namespace cubelink::server
