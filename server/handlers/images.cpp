// The methods for programs: image.header, image.read, image.to_world, image.to_pixel, image.spectral_axis.

#include "server/handlers/image_methods.hpp"
#include "server/handlers/image_read.hpp"
#include "server/tasks/task.hpp"

#include "imaging/base/budget_cache.hpp"
#include "imaging/world/celestial.hpp"
#include "imaging/world/spectral_axis.hpp"
#include "imaging/world/spectral_frame.hpp"
#include "pubsub/receiver.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace cubelink::server {

namespace {

/// Points that one call may convert.
constexpr std::size_t max_points = 1'000'000;
/// What takes less than a millisecond: more points or values are computed by a job, so that other sessions' commands don't wait.
constexpr std::size_t few_values = 256;
/// The same for a header, in bytes.
constexpr std::size_t short_header = 64 << 10;

/// Values of a spectral axis that one answer may have; images with more of them have no other kinds of spectral axes either.
constexpr std::int64_t max_channels = 1 << 22;

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

struct KindNames {
    imaging::SpectralKind kind;
    const char *name, *unit;
};
constexpr KindNames kinds[] = {
    {imaging::SpectralKind::channel, "channel", ""},
    {imaging::SpectralKind::frequency, "frequency", "Hz"},
    {imaging::SpectralKind::wavelength, "wavelength", "m"},
    {imaging::SpectralKind::air_wavelength, "air_wavelength", "m"},
    {imaging::SpectralKind::velocity_radio, "velocity_radio", "m/s"},
    {imaging::SpectralKind::velocity_optical, "velocity_optical", "m/s"},
    {imaging::SpectralKind::velocity_relativistic, "velocity_relativistic", "m/s"},
};

/// Also "radio velocity" and "Velocity radio": as people write it.
std::optional<imaging::SpectralKind> kind_named(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(c)); });
    if (const auto end = name.rfind("_velocity"); end != std::string::npos && end + 9 == name.size()) name.resize(end);
    return imaging::spectral_kind_of(name);
}

/// The frames that an axis can be brought to, at a place of the image.
class FramesOfAxis {
public:
    FramesOfAxis(const Image& image, const imaging::SpectralAxis* axis, std::optional<std::array<double, 2>> place)
        : observation_(imaging::observation_of(image.info.header)) {
        if (!axis) return;
        own_ = imaging::spectral_frame_of(axis->spectral_frame());
        const auto& shape = image.shape();
        const imaging::PixelPoint pixel = place ? imaging::PixelPoint{(*place)[0], (*place)[1]}
                                                : imaging::PixelPoint{static_cast<double>(shape.width - 1) / 2, static_cast<double>(shape.height - 1) / 2};
        if (image.wcs->celestial_plane()) image.wcs->pixels_to_sky({&pixel, 1}, 0, {imaging::SkyFrame::icrs}, {&direction_, 1});
        if (axis->spectral_frame().empty()) problem_ = "The header does not say which frame its spectral axis is in (SPECSYS).";
        else if (!own_) problem_ = "Nothing is known of the header's spectral frame, \"" + axis->spectral_frame() + "\".";
        else if (!std::isfinite(direction_.lon + direction_.lat)) problem_ = "There is no sky at this place of the image, on which the conversion depends.";
        else problem_ = imaging::why_not_convertible(*own_, observation_);
    }

    /// A sentence; empty if it can be.
    std::string why_not(imaging::SpectralFrame frame) const { return !problem_.empty() ? problem_ : imaging::why_not_convertible(frame, observation_); }
    double factor(imaging::SpectralFrame frame) const { return imaging::frequency_factor(*own_, frame, direction_, observation_); }

private:
    imaging::Observation observation_;
    std::optional<imaging::SpectralFrame> own_;
    imaging::SkyPoint direction_{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
    std::string problem_;
};

rpc::Value spectral_axis(const Image& image, std::vector<rpc::Value>&& values) {
    const auto name = rpc::from_value<std::optional<std::string>>(std::move(values[1]), rpc::Path("kind")).value_or("");
    const auto rest = rpc::from_value<std::optional<double>>(std::move(values[2]), rpc::Path("rest_freq"));
    if (rest && !(*rest > 0 && std::isfinite(*rest))) throw rpc::BadArguments("rest_freq: expected a frequency in Hz, above 0");
    const auto axis = image.wcs ? image.wcs->spectral_axis() : nullptr;
    auto kind = name.empty() ? std::optional(axis ? axis->kind() : imaging::SpectralKind::channel) : kind_named(name);
    if (!kind) throw rpc::BadArguments("kind: \"" + name + "\" is none of channel, frequency, wavelength, air_wavelength, velocity_radio, "
                                       "velocity_optical, velocity_relativistic");
    const auto frame_name = rpc::from_value<std::optional<std::string>>(std::move(values[3]), rpc::Path("frame")).value_or("");
    const auto wanted = imaging::spectral_frame_of(frame_name);
    if (!frame_name.empty() && !wanted)
        throw rpc::BadArguments("frame: \"" + frame_name + "\" is none of TOPOCENT, GEOCENTR, BARYCENT, HELIOCEN, LSRK, LSRD, GALACTOC, LOCALGRP, CMBDIPOL");
    const auto numbers = rpc::from_value<std::optional<std::vector<double>>>(std::move(values[4]), rpc::Path("point"));
    if (numbers && numbers->size() != 2) throw rpc::BadArguments("point: expected [x, y]");
    const auto place = numbers ? std::optional(std::array{(*numbers)[0], (*numbers)[1]}) : std::nullopt;
    const FramesOfAxis frames(image, axis.get(), place);
    double factor = 1;
    if (wanted && axis && *kind != imaging::SpectralKind::channel) {
        if (const auto why = frames.why_not(*wanted); !why.empty()) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": " + why);
        factor = frames.factor(*wanted);
    }
    rpc::Array out;
    if (*kind == imaging::SpectralKind::channel) {
        const auto n = axis ? axis->length() : image.shape().depth;
        if (n > max_channels) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the axis is too long to be sent.");
        for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<double>(i));
    } else {
        if (!axis) throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the image has no spectral axis.");
        const auto without_values = [&](imaging::SpectralKind of) {
            const auto list = axis->values(of, rest);
            return std::all_of(list.begin(), list.end(), [](double v) { return std::isnan(v); });
        };
        if (without_values(axis->kind()))
            throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the header does not define the values of its spectral axis.");
        const auto values = axis->values(*kind, rest, factor);
        if (!rest && !axis->rest_frequency() && without_values(*kind))
            throw rpc::CallError(rpc::code::method_failed, image.info.name + ": the header names no rest frequency: give one as rest_freq.");
        for (const double v : values) out.push_back(v);
    }
    const auto* names = std::find_if(std::begin(kinds), std::end(kinds), [&](const auto& k) { return k.kind == *kind; });
    rpc::Map result{{"values", std::move(out)}, {"kind", names->name}, {"unit", names->unit}};
    result["frame"] = !axis ? std::string() : wanted ? std::string(imaging::name_of(*wanted)) : axis->spectral_frame();
    rpc::Array offered;
    rpc::Map refused;
    if (axis) {
        for (const auto frame : imaging::spectral_frames) {
            if (auto why = frames.why_not(frame); why.empty()) offered.push_back(std::string(imaging::name_of(frame)));
            else refused[std::string(imaging::name_of(frame))] = std::move(why);
        }
    }
    result["frames"] = std::move(offered);
    result["frames_refused"] = std::move(refused);
    const auto used = rest ? rest : axis ? axis->rest_frequency() : std::nullopt;
    result["rest_freq"] = used ? rpc::Value(*used) : rpc::Value();
    return result;
}

} // namespace

void on_image_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list,
                     std::function<void(const SessionPtr&, const ImagePtr&, const rpc::CallPtr&, std::vector<rpc::Value>&&)> handle,
                     rpc::AnswerOrder order) {
    context.methods.add_generic(
        name,
        [&context, parameters = rpc::Parameters(list), handle = std::move(handle)](const rpc::CallPtr& call) {
            const auto session = session_of(context, *call);
            call->allow_cancel(); // reads only
            auto [args, kwargs] = call->take_arguments();
            auto values = std::make_shared<std::vector<rpc::Value>>(parameters.bind(std::move(args), std::move(kwargs)));
            const auto file_id = rpc::from_value<std::int32_t>(std::move((*values)[0]), rpc::Path("file_id"));
            Command command;
            command.call = call;
            command.touch(image_id(file_id));
            command.on_dropped = [call] { call->fail(rpc::code::method_failed, "The file was closed."); };
            command.run = [session, call, values, file_id, handle] {
                handle(session, session->require_unchanged_image(file_id), call, std::move(*values));
            };
            session->queue().push(std::move(command));
        },
        order);
}

std::int32_t stokes_of(rpc::Value&& value, const Image& image) {
    if (value.is_null()) return image.plane.stokes;
    if (const auto* name = value.get_if<std::string>()) {
        const auto parsed = parse_coordinate(*name, image);
        if (!parsed || parsed->axis != 0 || !parsed->stokes) throw rpc::BadArguments("stokes: the image has no \"" + *name + "\"");
        return *parsed->stokes;
    }
    const auto stokes = rpc::from_value<std::int32_t>(std::move(value), rpc::Path("stokes"));
    if (!image.has_stokes(stokes)) throw rpc::BadArguments("stokes: " + std::to_string(stokes) + " does not exist");
    return stokes;
}

void post_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class,
                 std::function<void(const JobContext&)> answer) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.job_class = job_class;
    job.group = image->number;
    job.work = std::move(answer);
    job.on_cancelled = [call] { call->fail(rpc::code::method_failed, "The file was closed."); };
    job.on_error = [session, image, call, what](const std::exception& error) {
        if (const auto* known = dynamic_cast<const rpc::CallError*>(&error)) return call->fail(known->error());
        session->report_failure(*image, error, what);
        call->fail_with_exception(error.what());
    };
    start(std::move(job));
}

namespace {

void post_large_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class, std::size_t bytes, LargeAnswer answer,
                       pubsub::Outbox::Turn turn) {
    post_answer(session, image, call, what, job_class, [session, image, call, what, job_class, bytes, answer = std::move(answer), turn](const JobContext& context) {
        if (!call->peer()->connected()) return;
        auto& outbox = connection_of(*call).receiver()->outbox();
        if (outbox.has_room(bytes, turn)) return answer(*session, *image, context);
        call->on_cancel([waiting = call.get()] { waiting->fail_cancelled(); });
        outbox.when_room(bytes, [weak_session = std::weak_ptr(session), weak_image = std::weak_ptr(image), call, what, job_class, bytes, answer] {
            if (call->answered()) return;
            const auto session_then = weak_session.lock();
            const auto image_then = weak_image.lock();
            if (session_then && image_then && !image_then->closed.cancelled())
                post_large_answer(session_then, image_then, call, what, job_class, bytes, answer, pubsub::Outbox::Turn::has_been_called);
            else call->fail(rpc::code::method_failed, "The file was closed.");
        }, turn);
    });
}

} // namespace

void post_large_answer(const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, const char* what, JobClass job_class, std::size_t bytes, LargeAnswer answer) {
    post_large_answer(session, image, call, what, job_class, bytes, std::move(answer), pubsub::Outbox::Turn::new_in_line);
}

imaging::PlaneId plane_of(rpc::Value&& channel, rpc::Value&& stokes, const Image& image) {
    imaging::PlaneId plane;
    plane.channel = rpc::from_value<std::optional<std::int32_t>>(std::move(channel), rpc::Path("channel")).value_or(image.plane.channel);
    if (!image.has_channel(plane.channel))
        throw rpc::BadArguments("channel: " + std::to_string(plane.channel) + " does not exist (the image has " + std::to_string(image.shape().depth) + ")");
    plane.stokes = stokes_of(std::move(stokes), image);
    return plane;
}

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
    on_image_method(context, "image.spectral_axis", {"file_id", {"kind", Value()}, {"rest_freq", Value()}, {"frame", Value()}, {"point", Value()}},
                    [](const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call, std::vector<Value>&& values) {
                        const auto axis = image->wcs ? image->wcs->spectral_axis() : nullptr;
                        const std::int64_t length = axis ? axis->length() : image->shape().depth;
                        if (length <= static_cast<std::int64_t>(few_values)) return call->answer(spectral_axis(*image, std::move(values)));
                        const auto shared = std::make_shared<std::vector<Value>>(std::move(values));
                        post_answer(session, image, call, "image.spectral_axis", JobClass::view,
                                    [image, call, shared](const JobContext&) { call->answer(spectral_axis(*image, std::move(*shared))); });
                    });
}

} // namespace cubelink::server
