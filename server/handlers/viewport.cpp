// ParaViewWeb's remote view (viewport.image.…, viewport.mouse.…, viewport.camera.…): pictures of an image, drawn here and pushed, whose mouse pans and zooms.
// The view of a file id, as text or a number; "-1" is the active one. What vtk.js calls is answered as its servers answer.

#include "server/handlers/context.hpp"
#include "server/handlers/render_arguments.hpp"

#include "rpc/parameter.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

namespace cubelink::server {

namespace {

using rpc::BadArguments;
using rpc::Path;
using rpc::Value;
using Clock = std::chrono::steady_clock;

constexpr std::int32_t active_view = -1;
constexpr double largest_scale = 64; // of pixels on the screen per image pixel, unless the image is smaller than the view even so

std::int32_t view_id_of(Value&& value) {
    if (const auto* text = value.get_if<std::string>()) {
        std::int32_t id = 0;
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), id);
        if (error != std::errc() || end != text->data() + text->size() || id < active_view)
            throw BadArguments("view: " + rpc::brief(value) + " is no view: a file id, or -1, the active one");
        return id;
    }
    const auto id = rpc::from_value<std::int32_t>(std::move(value), Path("view"));
    if (id < active_view) throw BadArguments("view: " + std::to_string(id) + " is no view: a file id, or -1, the active one");
    return id;
}

RequirementKey key_of(std::int32_t file_id, std::uint64_t connection) { return {file_id, image_region, RequirementKind::viewport, connection}; }

const ViewportRequirement* find_view(const Session& session, std::int32_t file_id, std::uint64_t connection) {
    const auto* list = session.requirements().find(key_of(file_id, connection));
    return list ? &std::get<std::vector<ViewportRequirement>>(*list).front() : nullptr;
}

/// A view that the connection observes, to be changed.
class ObservedView {
public:
    ObservedView(const HandlerContext& context, const SessionPtr& session, std::uint64_t connection, const ImagePtr& image, const ViewportRequirement& view)
        : context_(context), session_(session), connection_(connection), image_(image), view_(view) {}

    ViewportRequirement& operator*() { return view_; }
    ViewportRequirement* operator->() { return &view_; }
    const imaging::ImageShape& shape() const { return image_->shape(); }
    const ImagePtr& image() const { return image_; }
    std::string id() const { return std::to_string(image_->file_id); }

    imaging::Framing framing() const { return view_.framing ? *view_.framing : fitting(); }
    /// Within what is allowed, so that nobody gets lost: the middle of the view stays in the image.
    void show(imaging::Framing framing) {
        const double fit = fitting().scale;
        framing.scale = std::clamp(framing.scale, std::min(1.0, fit / 4), std::max(largest_scale, fit));
        framing.x = std::clamp(framing.x, -0.5, static_cast<double>(shape().width) - 0.5);
        framing.y = std::clamp(framing.y, -0.5, static_cast<double>(shape().height) - 0.5);
        view_.framing = framing;
    }
    /// The image point at that part of the view's sides stays there.
    void zoom(double x, double y, double factor) {
        const auto before = framing();
        const double px = x * view_.size.width, py = (1 - y) * view_.size.height;
        const double image_x = before.image_x(px, view_.size), image_y = before.image_y(py, view_.size);
        show({before.x, before.y, before.scale * factor});
        auto after = *view_.framing;
        after.x = image_x - (px - view_.size.width / 2.0) / after.scale;
        after.y = image_y + (py - view_.size.height / 2.0) / after.scale;
        show(after);
    }

    /// Stores it; `visible`: what is to be seen has changed.
    void store(bool visible) {
        if (!visible) return put();
        const auto now = Clock::now();
        const auto interval = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / view_.frames_per_second));
        if (view_.waits || now - view_.drawn >= interval) {
            if (!view_.waits) renew(now);
            return put(!view_.waits);
        }
        view_.waits = true;
        put();
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(view_.drawn + interval - now);
        context_.later(static_cast<std::uint64_t>(left.count()), [&context = context_, weak = std::weak_ptr(session_), connection = connection_, file_id = image_->file_id, number = view_.number] {
            const auto session = weak.lock();
            if (!session) return;
            Command command;
            command.touch(image_id(file_id));
            command.run = [&context, session, connection, file_id, number] {
                const auto image = session->image(file_id);
                const auto* view = find_view(*session, file_id, connection);
                if (!image || !view || view->number != number || !view->waits) return;
                ObservedView due(context, session, connection, image, *view);
                due.renew(Clock::now());
                due.put(true);
            };
            session->queue().push(std::move(command));
        });
    }

private:
    imaging::Framing fitting() const { return imaging::fitting(shape(), {std::max(1, view_.size.width), std::max(1, view_.size.height)}); }
    void renew(Clock::time_point now) {
        view_.waits = false;
        view_.drawn = now;
        ++view_.revision;
    }
    void put(bool notify = false) {
        const auto key = key_of(image_->file_id, connection_);
        session_->requirements().set(key, std::vector<ViewportRequirement>{view_});
        if (notify) session_->notify_requirement(key);
    }

    const HandlerContext& context_;
    const SessionPtr session_;
    const std::uint64_t connection_;
    const ImagePtr image_;
    ViewportRequirement view_;
};

/// The image that is meant by a view that is not observed yet.
ImagePtr image_of_view(Session& session, std::int32_t view_id) {
    if (view_id != active_view) return session.require_unchanged_image(view_id);
    if (session.last_cursor_file)
        if (auto image = session.image(*session.last_cursor_file)) return image;
    const auto images = session.images();
    if (images.empty()) throw rpc::CallError(rpc::code::method_failed, "There is no view: no file is open.");
    return images.front();
}

ObservedView observed(const HandlerContext& context, const SessionPtr& session, std::uint64_t connection, std::int32_t view_id) {
    if (view_id == active_view) {
        for (const auto& image : session->images())
            if (const auto* view = find_view(*session, image->file_id, connection); view && view->active) return {context, session, connection, image, *view};
        throw rpc::CallError(rpc::code::method_failed, "There is no active view: call viewport.image.push.observer.add first.");
    }
    const auto image = session->require_image(view_id);
    if (const auto* view = find_view(*session, view_id, connection)) return {context, session, connection, image, *view};
    throw rpc::CallError(rpc::code::method_failed, "View " + std::to_string(view_id) + " is not observed: call viewport.image.push.observer.add first.");
}

rpc::Value success() { return rpc::Map{{"result", "success"}}; }

struct ViewCall {
    const HandlerContext& context;
    const SessionPtr& session;
    const rpc::CallPtr& call;
    std::int32_t view_id;
    std::vector<Value>& values; // of the parameters; the first has been taken
    std::uint64_t connection() const { return call->peer()->id(); }
    ObservedView view() const { return observed(context, session, connection(), view_id); }
};

/// A method of a view. `list`: its parameters; the first names the view, or is a map in which "view" does: "event" or "options".
void on_view_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list, std::function<void(const ViewCall&)> handle) {
    context.methods.add_generic(name, [&context, parameters = rpc::Parameters(list), handle = std::move(handle)](const rpc::CallPtr& call) {
        const auto session = session_of(context, *call);
        auto [args, kwargs] = call->take_arguments();
        auto values = std::make_shared<std::vector<Value>>(parameters.bind(std::move(args), std::move(kwargs)));
        std::int32_t view_id = active_view;
        if (const auto& first = parameters.name(0); first == "event" || first == "options") {
            if (!values->front().is<rpc::Map>()) rpc::throw_mismatch(Path(first), "a map", values->front());
            if (const auto* named = values->front().get_if<rpc::Map>()->find("view")) view_id = view_id_of(Value(*named));
        } else {
            view_id = view_id_of(std::move(values->front()));
        }
        Command command;
        command.call = call;
        if (view_id != active_view) command.touch(image_id(view_id));
        command.on_dropped = [call] { call->fail(rpc::code::method_failed, "The file was closed."); };
        command.run = [&context, session, call, values, view_id, handle] { handle({context, session, call, view_id, *values}); };
        session->queue().push(std::move(command));
    });
}

double finite(Value&& value, const char* field) {
    const double number = rpc::from_value<double>(std::move(value), Path(field));
    if (!std::isfinite(number)) throw BadArguments(std::string(field) + ": expected a finite number");
    return number;
}

/// A side of the view may be 0 or less, while the page is being laid out: nothing is drawn then.
imaging::PictureSize view_size(double width, double height, double ratio, const char* field) {
    width = std::round(width), height = std::round(height);
    if (width < 1 || height < 1) return {};
    const auto size = checked_size(width, height, field);
    checked_size(std::max(1.0, width * ratio), std::max(1.0, height * ratio), field);
    return size;
}

void add_observer(const ViewCall& c) {
    // Once it is observed, -1 stays what it was: the client knows the view by it.
    if (c.view_id == active_view) {
        for (const auto& image : c.session->images())
            if (const auto* found = find_view(*c.session, image->file_id, c.connection()); found && found->active) {
                ObservedView view(c.context, c.session, c.connection(), image, *found);
                c.call->answer(rpc::Map{{"success", true}, {"viewId", view.id()}});
                ++view->observers;
                return view.store(true);
            }
    }
    const auto image = image_of_view(*c.session, c.view_id);
    const auto* found = find_view(*c.session, image->file_id, c.connection());
    ViewportRequirement fresh;
    fresh.number = next_number();
    fresh.look = default_look();
    fresh.observers = 0;
    ObservedView view(c.context, c.session, c.connection(), image, found ? *found : fresh);
    c.call->answer(rpc::Map{{"success", true}, {"viewId", view.id()}});
    ++view->observers;
    if (c.view_id == active_view) view->active = true;
    view.store(true);
}

void remove_observer(const ViewCall& c) {
    auto view = c.view();
    c.call->answer(success());
    if (--view->observers > 0) return view.store(false);
    c.session->require(key_of(view.image()->file_id, c.connection()), std::vector<ViewportRequirement>{});
}

/// {view, size} as vtk.js sends it, and what of image.render's parameters shall hold from now on.
void push(const ViewCall& c) {
    auto view = c.view();
    auto& options = *c.values.front().get_if<rpc::Map>();
    const auto take = [&](const char* name) {
        auto* field = options.find(name);
        return field ? std::move(*field) : Value();
    };
    if (auto size = take("size"); !size.is_null()) {
        auto sides = rpc::from_value<std::vector<double>>(std::move(size), Path("size"));
        if (sides.size() != 2 || !std::isfinite(sides[0]) || !std::isfinite(sides[1])) throw BadArguments("size: expected [width, height]");
        if (const auto asked = view_size(sides[0], sides[1], view->ratio.value_or(1), "size"); asked.width > 0) view->size = asked;
    }
    LookFields look;
    look.stretch = take("stretch");
    look.colour_map = take("colour_map");
    look.inverted = take("inverted");
    look.limits = take("limits");
    look.percentile = take("percentile");
    look.blank = take("blank");
    look.background = take("background");
    view->look = look_of(std::move(look), view->look);
    if (auto beam = take("beam"); !beam.is_null()) view->beam = beam_of(std::move(beam));
    if (auto grid = take("grid"); !grid.is_null()) view->grid = grid_of(std::move(grid), *view.image());
    rpc::Map place;
    for (const char* name : {"x", "y", "scale", "x_min", "x_max", "y_min", "y_max"})
        if (auto field = take(name); !field.is_null()) place[name] = std::move(field);
    if (!place.empty() && view->size.width > 0) view.show(view_of(std::move(place), view.shape()).framing(view.framing(), view->size));
    acknowledge(c.call);
    view.store(true);
}

void set_quality(const ViewCall& c) {
    auto view = c.view();
    const int quality = quality_of(std::move(c.values[1])).value_or(view->effective_quality());
    const double ratio = finite(std::move(c.values[2]), "ratio");
    if (!(ratio >= 0.01 && ratio <= 8)) throw BadArguments("ratio: expected a number from 0.01 to 8");
    view_size(view->size.width, view->size.height, ratio, "ratio");
    c.call->answer(success());
    const bool better = quality > view->effective_quality() || ratio > view->effective_ratio();
    view->quality = quality;
    view->ratio = ratio;
    view.store(better); // a worse one only counts once something moves
}

void set_size(const ViewCall& c) {
    auto view = c.view();
    const double width = finite(std::move(c.values[1]), "width"), height = finite(std::move(c.values[2]), "height");
    const auto size = view_size(width, height, view->ratio.value_or(1), "size");
    c.call->answer(success());
    if (size == view->size) return;
    view->size = size;
    view.store(true);
}

void set_enabled(const ViewCall& c) {
    auto view = c.view();
    const bool enabled = rpc::from_value<bool>(std::move(c.values[1]), Path("enabled"));
    c.call->answer(success());
    if (enabled == view->enabled) return;
    view->enabled = enabled;
    view.store(true);
}

void set_moving(ObservedView& view, bool moving, bool changed) {
    const auto quality = view->effective_quality();
    const auto ratio = view->effective_ratio();
    view->moving = moving;
    view.store(changed || view->effective_quality() > quality || view->effective_ratio() > ratio);
}

/// What is not zero, false or null.
bool is_set(const rpc::Map& event, const char* name) {
    const auto* value = event.find(name);
    if (!value) return false;
    if (const auto* flag = value->get_if<bool>()) return *flag;
    if (const auto* number = value->get_if<std::int64_t>()) return *number != 0;
    if (const auto* number = value->get_if<double>()) return *number != 0;
    return false;
}

double part_of_side(const rpc::Map& event, const char* name, double otherwise) {
    const auto* value = event.find(name);
    if (!value || value->is_null()) return otherwise;
    return std::clamp(finite(Value(*value), name), -10.0, 10.0);
}

/// The left and the middle button pan, the right one zooms about the place where it was pressed.
void mouse(const ViewCall& c) {
    auto view = c.view();
    const auto& event = *c.values.front().get_if<rpc::Map>();
    const auto* action = event.find("action");
    const auto* name = action ? action->get_if<std::string>() : nullptr;
    if (!name) throw BadArguments("event.action: expected \"down\", \"up\" or \"dblclick\"");
    constexpr int right = 4;
    const int buttons = (is_set(event, "buttonLeft") ? 1 : 0) | (is_set(event, "buttonMiddle") ? 2 : 0) | (is_set(event, "buttonRight") ? right : 0);
    const double x = part_of_side(event, "x", view->x), y = part_of_side(event, "y", view->y);
    c.call->answer(true);
    const double dx = x - view->x, dy = y - view->y;
    const int held = view->buttons;
    view->x = x, view->y = y;
    view->buttons = *name == "down" ? buttons : 0;
    if (held == 0) view->press_x = x, view->press_y = y;
    bool changed = held != 0 && (dx != 0 || dy != 0) && view->size.width > 0;
    if (*name == "dblclick") {
        view->framing.reset();
        changed = true;
    } else if (changed && (held & right) != 0) {
        view.zoom(view->press_x, view->press_y, std::exp(2 * dy));
    } else if (changed) {
        const auto framing = view.framing();
        view.show({framing.x - dx * view->size.width / framing.scale, framing.y - dy * view->size.height / framing.scale, framing.scale});
    }
    set_moving(view, view->buttons != 0, changed);
}

void wheel(const ViewCall& c) {
    auto view = c.view();
    const auto& event = *c.values.front().get_if<rpc::Map>();
    const auto* type = event.find("type");
    const auto* name = type ? type->get_if<std::string>() : nullptr;
    double factor = 1;
    if (const auto* spin = event.find("spinY"); spin && !spin->is_null()) factor = std::clamp(1 - finite(Value(*spin), "spinY") / 10, 0.2, 5.0);
    const double x = part_of_side(event, "x", 0.5), y = part_of_side(event, "y", 0.5);
    acknowledge(c.call);
    if (factor != 1 && view->size.width > 0) view.zoom(x, y, factor);
    const bool moving = name && name->starts_with("Start") ? true : name && name->starts_with("End") ? false : view->moving;
    set_moving(view, moving, factor != 1);
}

/// The camera looks at the image plane: the focal point is the image point in the middle, the parallel scale half of the view's height in image pixels.
void move_camera(const ViewCall& c, Value&& focal_point, Value&& parallel_scale) {
    auto view = c.view();
    auto framing = view.framing();
    if (!focal_point.is_null()) {
        const auto point = rpc::from_value<std::vector<double>>(std::move(focal_point), Path("focal_point"));
        if (point.size() < 2 || !std::isfinite(point[0]) || !std::isfinite(point[1])) throw BadArguments("focal_point: expected finite coordinates");
        framing.x = point[0], framing.y = point[1];
    }
    if (!parallel_scale.is_null()) {
        const double half = finite(std::move(parallel_scale), "parallelScale");
        if (!(half > 0)) throw BadArguments("parallelScale: expected a number above 0");
        framing.scale = std::max(1, view->size.height) / 2.0 / half;
    }
    acknowledge(c.call);
    const auto before = view.framing();
    view.show(framing);
    view.store(before != *view->framing);
}

void reset_camera(const ViewCall& c) {
    auto view = c.view();
    c.call->answer(view.id());
    view->framing.reset();
    view.store(true);
}

/// Of all views of the connection.
void set_frame_rate(const HandlerContext& context, const SessionPtr& session, const rpc::CallPtr& call) {
    auto [args, kwargs] = call->take_arguments();
    auto values = rpc::Parameters({{"fps", 30}}).bind(std::move(args), std::move(kwargs));
    const double rate = finite(std::move(values[0]), "fps");
    if (!(rate > 0)) throw BadArguments("fps: expected a number above 0");
    acknowledge(call);
    for (const auto& image : session->images()) {
        if (const auto* found = find_view(*session, image->file_id, call->peer()->id())) {
            ObservedView view(context, session, call->peer()->id(), image, *found);
            view->frames_per_second = std::clamp(rate, 0.1, 60.0);
            view.store(false);
        }
    }
}

void frame_rate(const SessionPtr& session, const rpc::CallPtr& call) {
    double rate = ViewportRequirement{}.frames_per_second;
    for (const auto& image : session->images())
        if (const auto* view = find_view(*session, image->file_id, call->peer()->id())) rate = view->frames_per_second;
    call->answer(rate);
}

} // namespace

void register_viewport(HandlerContext& context) {
    on_view_method(context, "viewport.image.push.observer.add", {{"viewId", "-1"}}, add_observer);
    on_view_method(context, "viewport.image.push.observer.remove", {{"viewId", "-1"}}, remove_observer);
    on_view_method(context, "viewport.image.push", {{"options", rpc::Map()}}, push);
    on_view_method(context, "viewport.image.push.enabled", {"viewId", "enabled"}, set_enabled);
    on_view_method(context, "viewport.image.push.quality", {"viewId", "quality", {"ratio", 1}}, set_quality);
    on_view_method(context, "viewport.image.push.original.size", {"viewId", "width", "height"}, set_size);
    on_view_method(context, "viewport.image.push.invalidate.cache", {{"viewId", "-1"}}, [](const ViewCall& c) {
        auto view = c.view();
        c.call->answer(success());
        view.store(true);
    });
    for (const bool begin : {true, false})
        on_view_method(context, begin ? "viewport.image.animation.start" : "viewport.image.animation.stop", {{"viewId", "-1"}}, [begin](const ViewCall& c) {
            auto view = c.view();
            acknowledge(c.call);
            set_moving(view, begin, false);
        });
    on_session_method(context, "viewport.image.animation.fps.max", [&context](const SessionPtr& session, const rpc::CallPtr& call) { set_frame_rate(context, session, call); });
    on_session_method(context, "viewport.image.animation.fps.get", [](const SessionPtr& session, const rpc::CallPtr& call) { frame_rate(session, call); });
    on_view_method(context, "viewport.mouse.interaction", {"event"}, mouse);
    on_view_method(context, "viewport.mouse.zoom.wheel", {"event"}, wheel);
    on_view_method(context, "viewport.camera.reset", {{"viewId", "-1"}}, reset_camera);
    on_view_method(context, "viewport.camera.update", {"view_id", "focal_point", {"view_up", Value()}, {"position", Value()}, {"forceUpdate", true}},
                   [](const ViewCall& c) { move_camera(c, std::move(c.values[1]), {}); });
    on_view_method(context, "viewport.camera.update.params", {"view_id", {"parameters", rpc::Map()}, {"forceUpdate", true}}, [](const ViewCall& c) {
        auto parameters = rpc::from_value<rpc::Map>(std::move(c.values[1]), Path("parameters"));
        const auto take = [&](const char* name) {
            auto* field = parameters.find(name);
            return field ? std::move(*field) : Value();
        };
        auto focal_point = take("focalPoint");
        move_camera(c, std::move(focal_point), take("parallelScale"));
    });
}

} // namespace cubelink::server
