#include "server/handlers/render_arguments.hpp"

#include "rpc/error.hpp"
#include "rpc/values/convert.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

namespace cubelink::server {

namespace {

using rpc::BadArguments;
using rpc::Path;
using rpc::Value;

template <class Names>
std::string listed(const Names& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
    return text;
}

std::string in_quotes(const std::string& text) { return rpc::brief(Value(text)); }

double finite(Value&& value, const Path& path) {
    const double number = rpc::from_value<double>(std::move(value), path);
    if (!std::isfinite(number)) throw BadArguments(path.text() + ": expected a finite number");
    return number;
}

/// "#rrggbb", "#rrggbbaa" or "transparent".
imaging::Rgba colour_of(Value&& value, const char* field) {
    const auto text = rpc::from_value<std::string>(std::move(value), Path(field));
    if (text == "transparent") return {0, 0, 0, 0};
    const auto digit = [&](std::size_t i) -> int {
        const char c = text[i];
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    const bool right = (text.size() == 7 || text.size() == 9) && text[0] == '#';
    imaging::Rgba colour;
    std::uint8_t* const parts[] = {&colour.r, &colour.g, &colour.b, &colour.a};
    for (std::size_t i = 0; right && 2 * i + 2 < text.size(); ++i) {
        const int high = digit(2 * i + 1), low = digit(2 * i + 2);
        if (high < 0 || low < 0) throw BadArguments(std::string(field) + ": " + in_quotes(text) + " is no colour, as \"#21262e\", \"#21262e80\" or \"transparent\" are");
        *parts[i] = static_cast<std::uint8_t>(16 * high + low);
    }
    if (!right) throw BadArguments(std::string(field) + ": " + in_quotes(text) + " is no colour, as \"#21262e\", \"#21262e80\" or \"transparent\" are");
    return colour;
}

double checked_scale(double scale) {
    if (!(scale >= imaging::min_framing_scale && scale <= imaging::max_framing_scale))
        throw BadArguments("view.scale: expected a number from 1e-9 to 1e6, of picture pixels per image pixel");
    return scale;
}

double checked_centre(double at, const char* field) {
    if (std::abs(at) > imaging::max_framing_distance) throw BadArguments(std::string(field) + ": too far away from the image");
    return at;
}

} // namespace

LookRequest default_look() {
    LookRequest look;
    look.map = imaging::find_colour_map("Inferno");
    return look;
}

LookRequest look_of(LookFields&& fields, const LookRequest& standing) {
    LookRequest look = standing;
    if (!fields.stretch.is_null()) {
        const auto name = rpc::from_value<std::string>(std::move(fields.stretch), Path("stretch"));
        look.stretch = imaging::stretch_named(name);
        if (!look.stretch && name != "auto")
            throw BadArguments("stretch: " + in_quotes(name) + " is none of auto, " + listed(imaging::stretch_names));
    }
    if (!fields.colour_map.is_null()) {
        const auto name = rpc::from_value<std::string>(std::move(fields.colour_map), Path("colour_map"));
        look.map = imaging::find_colour_map(name);
        if (!look.map) {
            std::vector<std::string> names;
            for (const auto& map : imaging::colour_maps()) names.push_back(map.name);
            throw BadArguments("colour_map: " + in_quotes(name) + " is none of " + listed(names));
        }
    }
    if (!fields.inverted.is_null()) look.inverted = rpc::from_value<bool>(std::move(fields.inverted), Path("inverted"));
    if (!fields.percentile.is_null()) {
        look.percentile = rpc::from_value<double>(std::move(fields.percentile), Path("percentile"));
        if (!(look.percentile > 0 && look.percentile <= 100)) throw BadArguments("percentile: expected a number above 0, 100 at most");
        look.limits.reset();
    }
    if (!fields.limits.is_null()) {
        auto list = rpc::from_value<std::vector<Value>>(std::move(fields.limits), Path("limits"));
        if (list.size() != 2) throw BadArguments("limits: expected [low, high]");
        const Path path("limits");
        look.limits = imaging::ClipLimits{finite(std::move(list[0]), Path(path, std::size_t{0})), finite(std::move(list[1]), Path(path, std::size_t{1}))};
        if (look.limits->low > look.limits->high) throw BadArguments("limits: the lower one is above the upper one");
    }
    if (!fields.blank.is_null()) look.blank = colour_of(std::move(fields.blank), "blank");
    if (!fields.background.is_null()) look.background = colour_of(std::move(fields.background), "background");
    return look;
}

imaging::PictureSize checked_size(double width, double height, const char* field) {
    const auto most = static_cast<double>(imaging::max_picture_side);
    if (!(width >= 1 && height >= 1 && width <= most && height <= most && width * height <= static_cast<double>(imaging::max_picture_pixels)))
        throw BadArguments(std::string(field) + ": a picture has 1 to " + std::to_string(imaging::max_picture_side) + " pixels along each side, and " +
                           std::to_string(imaging::max_picture_pixels) + " at most");
    return {static_cast<int>(width), static_cast<int>(height)};
}

imaging::PictureSize size_of(Value&& value, double aspect, const imaging::PictureSize& standing) {
    if (value.is_null()) return standing;
    if (value.is<rpc::Array>()) {
        const auto sides = rpc::from_value<std::vector<std::int64_t>>(std::move(value), Path("size"));
        if (sides.size() != 2) throw BadArguments("size: expected [width, height]");
        return checked_size(static_cast<double>(sides[0]), static_cast<double>(sides[1]), "size");
    }
    const auto longer = static_cast<double>(rpc::from_value<std::int64_t>(std::move(value), Path("size")));
    const double shorter = std::max(1.0, std::round(longer * std::min(aspect, 1 / aspect)));
    return aspect >= 1 ? checked_size(longer, shorter, "size") : checked_size(shorter, longer, "size");
}

namespace {

imaging::SkySystem grid_frame(const std::string& name, const char* field) {
    if (const auto system = imaging::sky_system_of(name)) return *system;
    throw BadArguments(std::string(field) + ": " + in_quotes(name) + " is none of ICRS, FK5, FK4, GALACTIC, ECLIPTIC");
}

GridRequest grid_fields(rpc::Map&& fields) {
    GridRequest grid;
    const Path path("grid");
    for (auto& [key, field] : fields) {
        const auto* name = key.get_if<std::string>();
        if (name && *name == "frame") {
            if (!field.is_null()) grid.frame = grid_frame(rpc::from_value<std::string>(std::move(field), Path(path, "frame")), "grid.frame");
        } else if (name && *name == "labels") {
            grid.labels = rpc::from_value<bool>(std::move(field), Path(path, "labels"));
        } else if (name && *name == "notation") {
            const auto text = rpc::from_value<std::string>(std::move(field), Path(path, "notation"));
            constexpr std::array notations{"auto", "sexagesimal", "degrees"};
            const auto found = std::find(notations.begin(), notations.end(), text);
            if (found == notations.end()) throw BadArguments("grid.notation: " + in_quotes(text) + " is none of " + listed(notations));
            grid.notation = static_cast<imaging::GridNotation>(found - notations.begin());
        } else {
            throw BadArguments("grid: there is no field " + rpc::brief(key) + ", but frame, labels, notation");
        }
    }
    return grid;
}

} // namespace

std::optional<GridRequest> grid_of(Value&& value, const Image& image) {
    if (value.is_null()) return {};
    GridRequest grid;
    if (const auto* name = value.get_if<std::string>()) {
        grid.frame = grid_frame(*name, "grid");
    } else if (value.is<rpc::Map>()) {
        grid = grid_fields(std::move(*value.get_if<rpc::Map>()));
    } else if (!rpc::from_value<bool>(std::move(value), Path("grid"))) {
        return {};
    }
    if (!image.wcs || (grid.frame && !image.wcs->celestial_plane()))
        throw rpc::CallError(rpc::code::method_failed, image.info.name + (image.wcs ? ": the displayed axes are not celestial, so it has no grid in another frame."
                                                                                    : ": the header has no world coordinates, so it has no grid."));
    return grid;
}

bool beam_of(Value&& value) { return !value.is_null() && rpc::from_value<bool>(std::move(value), Path("beam")); }

std::optional<int> quality_of(Value&& value) {
    if (value.is_null()) return {};
    const double quality = finite(std::move(value), Path("quality"));
    if (!(quality >= 0 && quality <= 100)) throw BadArguments("quality: expected a number from 0 to 100");
    return static_cast<int>(std::lround(quality));
}

imaging::PictureFormat format_of(Value&& value) {
    if (value.is_null()) return imaging::PictureFormat::png;
    const auto name = rpc::from_value<std::string>(std::move(value), Path("format"));
    if (const auto format = imaging::picture_format_named(name)) return *format;
    throw BadArguments("format: " + in_quotes(name) + " is none of " + listed(imaging::picture_format_names));
}

double ViewRequest::aspect(const imaging::ImageShape& shape) const {
    const auto part = bounds.value_or(imaging::Rect{0, 0, shape.width, shape.height});
    return static_cast<double>(part.width()) / static_cast<double>(part.height());
}

imaging::Framing ViewRequest::framing(const imaging::Framing& standing, const imaging::PictureSize& size) const {
    if (bounds)
        return imaging::fitting(static_cast<double>(bounds->x0), static_cast<double>(bounds->y0), static_cast<double>(bounds->x1), static_cast<double>(bounds->y1), size);
    return {x.value_or(standing.x), y.value_or(standing.y), scale.value_or(standing.scale)};
}

ViewRequest view_of(Value&& value, const imaging::ImageShape& shape) {
    ViewRequest view;
    if (value.is_null()) return view;
    auto fields = rpc::from_value<rpc::Map>(std::move(value), Path("view"));
    const Path path("view");
    std::optional<std::int64_t> edges[4];
    constexpr const char* edge_names[] = {"x_min", "x_max", "y_min", "y_max"};
    for (auto& [key, field] : fields) {
        const auto* name = key.get_if<std::string>();
        const auto* edge = name ? std::find(std::begin(edge_names), std::end(edge_names), *name) : std::end(edge_names);
        if (edge != std::end(edge_names)) {
            edges[edge - edge_names] = rpc::from_value<std::int64_t>(std::move(field), Path(path, *name));
        } else if (name && *name == "x") {
            view.x = checked_centre(finite(std::move(field), Path(path, "x")), "view.x");
        } else if (name && *name == "y") {
            view.y = checked_centre(finite(std::move(field), Path(path, "y")), "view.y");
        } else if (name && *name == "scale") {
            view.scale = checked_scale(finite(std::move(field), Path(path, "scale")));
        } else {
            throw BadArguments("view: there is no field " + rpc::brief(key) + ", but x, y, scale, or x_min, x_max, y_min, y_max");
        }
    }
    if (std::any_of(std::begin(edges), std::end(edges), [](const auto& edge) { return edge.has_value(); })) {
        if (!edges[0] || !edges[1] || !edges[2] || !edges[3] || view.x || view.y || view.scale)
            throw BadArguments("view: expected x, y, scale, or all of x_min, x_max, y_min, y_max");
        const imaging::Rect bounds{*edges[0], *edges[2], *edges[1], *edges[3]};
        const auto within = [](std::int64_t from, std::int64_t to, std::int64_t length) { return from >= 0 && from < to && to <= length; };
        if (!within(bounds.x0, bounds.x1, shape.width) || !within(bounds.y0, bounds.y1, shape.height))
            throw BadArguments("view: x_min to x_max and y_min to y_max are no part of this image (it has " + std::to_string(shape.width) + " × " +
                               std::to_string(shape.height) + " pixels)");
        view.bounds = bounds;
    }
    return view;
}

Value value_of(const imaging::Framing& framing) { return rpc::Map{{"x", framing.x}, {"y", framing.y}, {"scale", framing.scale}}; }

} // namespace cubelink::server
