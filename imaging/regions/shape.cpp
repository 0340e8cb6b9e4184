#include "imaging/regions/shape.hpp"

#include <cmath>
#include <numbers>

namespace cubelink::imaging {

namespace {

struct Rule {
    RegionType type;
    const char* name;
    std::size_t least, most; // control points
    enum class Sizes { none, positive, not_negative } sizes; // of the second control point
};

constexpr auto any = max_shape_points;
using Sizes = Rule::Sizes;
constexpr Rule rules[] = {
    {RegionType::point, "point", 1, 1, Sizes::none},
    {RegionType::line, "line", 2, 2, Sizes::none},
    {RegionType::polyline, "polyline", 3, any, Sizes::none},
    {RegionType::rectangle, "rectangle", 2, 2, Sizes::positive},
    {RegionType::ellipse, "ellipse", 2, 2, Sizes::positive},
    {RegionType::polygon, "polygon", 3, any, Sizes::none},
    {RegionType::ann_point, "point annotation", 1, 1, Sizes::none},
    {RegionType::ann_line, "line annotation", 2, 2, Sizes::none},
    {RegionType::ann_polyline, "polyline annotation", 2, any, Sizes::none},
    {RegionType::ann_rectangle, "rectangle annotation", 2, 2, Sizes::positive},
    {RegionType::ann_ellipse, "ellipse annotation", 2, 2, Sizes::positive},
    {RegionType::ann_polygon, "polygon annotation", 3, any, Sizes::none},
    {RegionType::ann_vector, "vector annotation", 2, 2, Sizes::none},
    {RegionType::ann_ruler, "ruler annotation", 2, 2, Sizes::none},
    {RegionType::ann_text, "text annotation", 2, 2, Sizes::not_negative},
    {RegionType::ann_compass, "compass annotation", 2, 2, Sizes::not_negative},
};

const Rule* rule_of(RegionType type) {
    for (const auto& rule : rules)
        if (rule.type == type) return &rule;
    return nullptr;
}

/// Float's range, as the ICD carries it.
bool is_usable(double value) { return std::abs(value) <= 3.4028234e38; }

std::string with_article(std::string_view name) {
    return (name.front() == 'e' ? "an " : "a ") + std::string(name);
}

} // namespace

std::string why_invalid(const Shape& shape) {
    const auto* rule = rule_of(shape.type);
    if (!rule) return "region_type: " + std::to_string(static_cast<int>(shape.type)) + " is not a type of region that is supported";
    const auto count = shape.points.size();
    if (count < rule->least || count > rule->most) {
        const auto wanted = rule->least == rule->most ? std::to_string(rule->least)
                            : count < rule->least     ? "at least " + std::to_string(rule->least)
                                                      : "at most " + std::to_string(rule->most);
        return "control_points: " + with_article(rule->name) + " has " + wanted + ", got " + std::to_string(count);
    }
    for (std::size_t i = 0; i < count; ++i)
        if (!is_usable(shape.points[i].x) || !is_usable(shape.points[i].y)) return "control_points[" + std::to_string(i) + "]: expected finite numbers";
    if (!is_usable(shape.rotation)) return "rotation: expected a finite number";
    if (rule->sizes == Sizes::none) return {};
    const auto& size = shape.points[1];
    if (rule->sizes == Sizes::positive && !(size.x > 0 && size.y > 0))
        return "control_points[1]: the sizes of " + with_article(rule->name) + " must be positive";
    if (!(size.x >= 0 && size.y >= 0)) return "control_points[1]: the sizes of " + with_article(rule->name) + " must not be negative";
    return {};
}

std::string_view name_of(RegionType type) {
    const auto* rule = rule_of(type);
    return rule ? rule->name : "unknown region";
}

bool is_annotation(RegionType type) { return type > RegionType::polygon; }

bool is_closed(RegionType type) { return type == RegionType::rectangle || type == RegionType::ellipse || type == RegionType::polygon; }

bool is_line(RegionType type) { return type == RegionType::line || type == RegionType::polyline; }

RegionType geometry_of(RegionType type) {
    switch (type) {
    case RegionType::ann_point:
    case RegionType::ann_compass: return RegionType::point;
    case RegionType::ann_line:
    case RegionType::ann_vector:
    case RegionType::ann_ruler: return RegionType::line;
    case RegionType::ann_polyline: return RegionType::polyline;
    case RegionType::ann_rectangle:
    case RegionType::ann_text: return RegionType::rectangle;
    case RegionType::ann_ellipse: return RegionType::ellipse;
    case RegionType::ann_polygon: return RegionType::polygon;
    default: return type;
    }
}

std::vector<PixelPoint> rectangle_corners(const Shape& shape) {
    const auto centre = shape.points[0];
    const double half_width = shape.points[1].x / 2, half_height = shape.points[1].y / 2;
    const double angle = std::remainder(shape.rotation, 360) * std::numbers::pi / 180;
    const double c = std::cos(angle), s = std::sin(angle);
    std::vector<PixelPoint> corners;
    for (const auto& [u, v] : {std::pair(-1, -1), std::pair(1, -1), std::pair(1, 1), std::pair(-1, 1)}) {
        const double dx = u * half_width, dy = v * half_height;
        corners.push_back({centre.x + dx * c - dy * s, centre.y + dx * s + dy * c});
    }
    return corners;
}

} // namespace cubelink::imaging
