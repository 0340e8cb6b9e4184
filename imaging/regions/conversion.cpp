#include "imaging/regions/conversion.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr double close_enough = 0.05; // pixels
constexpr double degree = std::numbers::pi / 180;
constexpr std::size_t outline_vertices = 1000;
constexpr std::array one_probe{0.5};
constexpr std::array three_probes{0.25, 0.5, 0.75};

using Points = std::vector<PixelPoint>;

PixelPoint operator+(PixelPoint a, PixelPoint b) { return {a.x + b.x, a.y + b.y}; }
PixelPoint operator-(PixelPoint a, PixelPoint b) { return {a.x - b.x, a.y - b.y}; }
PixelPoint operator*(PixelPoint a, double factor) { return {a.x * factor, a.y * factor}; }
double dot(PixelPoint a, PixelPoint b) { return a.x * b.x + a.y * b.y; }
double length(PixelPoint a) { return std::hypot(a.x, a.y); }
double angle_of(PixelPoint a) { return std::atan2(a.y, a.x) / degree; }
PixelPoint turned(PixelPoint a, double degrees) {
    const double c = std::cos(degrees * degree), s = std::sin(degrees * degree);
    return {a.x * c - a.y * s, a.x * s + a.y * c};
}
PixelPoint between(PixelPoint a, PixelPoint b, double t) { return {a.x * (1 - t) + b.x * t, a.y * (1 - t) + b.y * t}; }
PixelPoint middle(PixelPoint a, PixelPoint b) { return between(a, b, 0.5); }
double wrapped(double degrees) { return std::remainder(degrees, 360); }

/// Pixels of one image on the other.
class Mapping {
public:
    Mapping(const Wcs& from, const Wcs& to, const CancelToken& cancel) : from_(from), to_(to), cancel_(cancel) {}

    /// Nothing if one of them has no place there.
    std::optional<Points> operator()(const Points& points) const {
        Points found(points.size());
        std::vector<SkyPoint> sky(std::min(points.size(), batch));
        for (std::size_t i = 0; i < points.size(); i += batch) {
            cancel_.throw_if_cancelled();
            const auto count = std::min(batch, points.size() - i);
            const auto part = std::span(sky).first(count);
            from_.pixels_to_sky(std::span(points).subspan(i, count), 0, to_.sky_system(), part);
            to_.sky_to_pixels(part, 0, std::span(found).subspan(i, count));
        }
        const auto usable = [](PixelPoint p) { return std::abs(p.x) <= 3.4e38 && std::abs(p.y) <= 3.4e38; };
        if (!std::all_of(found.begin(), found.end(), usable)) return std::nullopt;
        return found;
    }

private:
    static constexpr std::size_t batch = 4096;
    const Wcs& from_;
    const Wcs& to_;
    const CancelToken& cancel_;
};

/// An outline on both images: neighbours are joined by a straight line on the first one, the last with the first.
struct Outline {
    Points here, there;
};

/// Inserts vertices halfway between neighbours until all edges lie within close_enough of straight lines on the other image, as far as
/// max_shape_points allows. Nothing if there is no end to that, which is so where the outline is torn.
std::optional<Outline> refined(Outline outline, const Mapping& map) {
    std::vector<char> straight(outline.here.size(), 0); // the edge after this vertex
    for (int round = 0; round < 16; ++round) {
        const auto count = outline.here.size();
        const auto after = [&](std::size_t i) { return i + 1 < count ? i + 1 : 0; };
        // Of a long edge the middle may be where it should be although it is an S.
        const auto probes_of = [&](std::size_t i) { return length(outline.there[after(i)] - outline.there[i]) > 16 ? std::span<const double>(three_probes) : std::span<const double>(one_probe); };
        Points probes;
        for (std::size_t i = 0; i < count; ++i) {
            if (straight[i]) continue;
            for (const double t : probes_of(i)) probes.push_back(between(outline.here[i], outline.here[after(i)], t));
        }
        const auto mapped = map(probes);
        if (!mapped) return std::nullopt;
        Outline finer;
        std::vector<char> finer_straight;
        bool bent = false;
        for (std::size_t i = 0, next = 0; i < count; ++i) {
            finer.here.push_back(outline.here[i]);
            finer.there.push_back(outline.there[i]);
            finer_straight.push_back(1);
            if (straight[i]) continue;
            bool bends = false;
            std::size_t half = next;
            for (const double t : probes_of(i)) {
                if (t == 0.5) half = next;
                bends = bends || length((*mapped)[next] - between(outline.there[i], outline.there[after(i)], t)) > close_enough;
                ++next;
            }
            if (!bends) continue;
            bent = true;
            finer_straight.back() = 0;
            finer.here.push_back(probes[half]);
            finer.there.push_back((*mapped)[half]);
            finer_straight.push_back(0);
        }
        if (!bent || finer.here.size() > max_shape_points) return outline;
        outline = std::move(finer);
        straight = std::move(finer_straight);
    }
    return std::nullopt;
}

/// True if a step between neighbours does not become shorter when it is halved, as it does not across the border of a projection.
bool is_torn(const Outline& outline, const Mapping& map) {
    const auto count = outline.here.size();
    std::vector<double> steps(count);
    for (std::size_t i = 0; i < count; ++i) steps[i] = length(outline.there[(i + 1) % count] - outline.there[i]);
    auto sorted = steps;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count / 2), sorted.end());
    const double usual = sorted[count / 2];
    for (std::size_t i = 0; i < count; ++i) {
        if (!(steps[i] > 10 * usual && steps[i] > 1)) continue;
        PixelPoint a = outline.here[i], b = outline.here[(i + 1) % count], a_there = outline.there[i], b_there = outline.there[(i + 1) % count];
        for (int round = 0; round < 12; ++round) {
            const auto half = middle(a, b);
            const auto mapped = map({half});
            if (!mapped) return true;
            const auto there = mapped->front();
            if (length(there - a_there) > length(b_there - there)) {
                b = half;
                b_there = there;
            } else {
                a = half;
                a_there = there;
            }
        }
        if (length(b_there - a_there) > steps[i] / 4) return true;
    }
    return false;
}

// A rectangle or an ellipse as its centre and two conjugate half-axes: u along x, v along y before it is turned.
struct Axes {
    PixelPoint centre, u, v;
};

bool is_ellipse(RegionType type) { return type == RegionType::ellipse || type == RegionType::ann_ellipse; }

Axes axes_of(const Shape& shape) {
    const auto size = shape.points[1];
    const PixelPoint half = is_ellipse(shape.type) ? PixelPoint{size.y, size.x} : PixelPoint{size.x / 2, size.y / 2};
    const double rotation = wrapped(shape.rotation);
    return {shape.points[0], turned({half.x, 0}, rotation), turned({0, half.y}, rotation)};
}

/// `count` points of the outline, a multiple of four: corners of rectangles are among them.
Points outline_of(const Axes& axes, bool ellipse, std::size_t count) {
    Points points;
    points.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        double p = 0, q = 0;
        if (ellipse) {
            const double t = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(count);
            p = std::cos(t);
            q = std::sin(t);
        } else {
            const auto side = count / 4;
            const double t = 2 * static_cast<double>(i % side) / static_cast<double>(side) - 1;
            switch (i / side) {
            case 0: p = t, q = -1; break;
            case 1: p = 1, q = t; break;
            case 2: p = -t, q = 1; break;
            default: p = -1, q = -t; break;
            }
        }
        points.push_back(axes.centre + axes.u * p + axes.v * q);
    }
    return points;
}

/// The axes on the other image, from the four points at their ends.
std::optional<Axes> mapped_axes(const Axes& axes, const Mapping& map) {
    const auto ends = map({axes.centre + axes.u, axes.centre - axes.u, axes.centre + axes.v, axes.centre - axes.v});
    if (!ends) return std::nullopt;
    const auto& e = *ends;
    return Axes{middle(middle(e[0], e[1]), middle(e[2], e[3])), (e[0] - e[1]) * 0.5, (e[2] - e[3]) * 0.5};
}

/// The rectangle whose sides are nearest to these.
Shape rectangle_along(RegionType type, const Axes& axes) {
    // The direction of the width, from both: v is a quarter turn ahead of it, or behind on an image that is flipped.
    const bool flipped = axes.u.x * axes.v.y - axes.u.y * axes.v.x < 0;
    const auto sum = axes.u + turned(axes.v, flipped ? 90 : -90);
    return {type, {axes.centre, {2 * length(axes.u), 2 * length(axes.v)}}, wrapped(angle_of(sum))};
}

/// The ellipse with these conjugate half-axes: eigenvectors of u uᵀ + v vᵀ. Its first semi-axis is the one nearer to v.
Shape ellipse_along(RegionType type, const Axes& axes) {
    const PixelPoint u = axes.u, v = axes.v;
    const double scale = std::max(length(u), length(v));
    const PixelPoint us = u * (1 / scale), vs = v * (1 / scale);
    const double xx = us.x * us.x + vs.x * vs.x, xy = us.x * us.y + vs.x * vs.y, yy = us.y * us.y + vs.y * vs.y;
    double a = length(v), b = length(u), direction = angle_of(v);
    // Axes that are at right angles already are kept: eigenvectors of a circle are any.
    if (std::abs(dot(us, vs)) > 1e-7 * std::sqrt(dot(us, us) * dot(vs, vs))) {
        const double mean = (xx + yy) / 2, spread = std::hypot((xx - yy) / 2, xy);
        const double major = std::sqrt(mean + spread), minor = std::abs(us.x * vs.y - us.y * vs.x) / major;
        const double along = 0.5 * std::atan2(2 * xy, xx - yy) / degree; // of the major axis
        const auto part = [&](double angle) { return std::abs(dot(v, turned({1, 0}, angle))); };
        const bool first_is_major = part(along) >= part(along + 90);
        a = scale * (first_is_major ? major : minor);
        b = scale * (first_is_major ? minor : major);
        direction = first_is_major ? along : along + 90;
        if (dot(v, turned({1, 0}, direction)) < 0) direction += 180;
    }
    return {type, {axes.centre, {a, b}}, wrapped(direction - 90)};
}

/// How far a point is from the outline, in pixels: exactly for rectangles, to first order for ellipses.
double distance_to(const Shape& shape, PixelPoint point) {
    const auto at = turned(point - shape.points[0], -shape.rotation);
    const auto size = shape.points[1];
    if (!is_ellipse(shape.type)) {
        const double dx = std::abs(at.x) - size.x / 2, dy = std::abs(at.y) - size.y / 2;
        return dx > 0 && dy > 0 ? std::hypot(dx, dy) : std::abs(std::max(dx, dy));
    }
    const double p = at.x / size.y, q = at.y / size.x, radius = std::hypot(p, q);
    const double gradient = std::hypot(p / size.y, q / size.x) / radius;
    return std::abs(radius - 1) / gradient;
}

RegionType polygon_like(RegionType type) { return is_annotation(type) ? RegionType::ann_polygon : RegionType::polygon; }

std::optional<Shape> convert_round(const Shape& shape, const Mapping& map) {
    const bool ellipse = is_ellipse(shape.type);
    const auto axes = axes_of(shape);
    if (const auto there = mapped_axes(axes, map)) {
        const auto candidate = ellipse ? ellipse_along(shape.type, *there) : rectangle_along(shape.type, *there);
        const auto outline = map(outline_of(axes, ellipse, 32));
        if (!outline) return std::nullopt;
        const auto near = [&](PixelPoint point) { return distance_to(candidate, point) <= close_enough; };
        if (why_invalid(candidate).empty() && std::all_of(outline->begin(), outline->end(), near)) return candidate;
    }
    Outline outline{outline_of(axes, ellipse, outline_vertices), {}};
    auto mapped = map(outline.here);
    if (!mapped) return std::nullopt;
    outline.there = std::move(*mapped);
    if (is_torn(outline, map)) return std::nullopt;
    return Shape{polygon_like(shape.type), std::move(outline.there), 0};
}

/// Texts and compasses: what they point at stays where it is, and they are turned and scaled as the image is there.
std::optional<Shape> convert_label(const Shape& shape, const Mapping& map) {
    const auto centre = shape.points[0];
    const auto near = map({centre, centre + PixelPoint{0.5, 0}, centre - PixelPoint{0.5, 0}, centre + PixelPoint{0, 0.5}, centre - PixelPoint{0, 0.5}});
    if (!near) return std::nullopt;
    const auto& n = *near;
    const auto x = n[1] - n[2], y = n[3] - n[4]; // one pixel's
    const auto through = [&](PixelPoint v) { return x * v.x + y * v.y; };
    const auto u = through(turned({1, 0}, wrapped(shape.rotation))), v = through(turned({0, 1}, wrapped(shape.rotation)));
    const auto size = shape.points[1];
    if (shape.type == RegionType::ann_compass) {
        const double scale = std::sqrt(std::abs(x.x * y.y - x.y * y.x));
        return Shape{shape.type, {n[0], size * scale}, shape.rotation};
    }
    return Shape{shape.type, {n[0], {size.x * length(u), size.y * length(v)}}, wrapped(angle_of(u))};
}

std::optional<Shape> convert_polygon(const Shape& shape, const Mapping& map) {
    Outline outline{shape.points, {}};
    auto mapped = map(outline.here);
    if (!mapped) return std::nullopt;
    outline.there = std::move(*mapped);
    auto fine = refined(std::move(outline), map);
    if (!fine) return std::nullopt;
    return Shape{shape.type, std::move(fine->there), shape.rotation};
}

} // namespace

std::optional<Shape> convert(const Shape& shape, const Wcs& from, const Wcs& to, const CancelToken& cancel) {
    if (const auto reason = why_invalid(shape); !reason.empty()) throw std::invalid_argument(reason);
    if (&from == &to) return shape;
    if (!from.celestial_plane() || !to.celestial_plane()) return std::nullopt;
    const Mapping map(from, to, cancel);
    std::optional<Shape> found;
    switch (shape.type) {
    case RegionType::rectangle:
    case RegionType::ann_rectangle:
    case RegionType::ellipse:
    case RegionType::ann_ellipse: found = convert_round(shape, map); break;
    case RegionType::polygon:
    case RegionType::ann_polygon: found = convert_polygon(shape, map); break;
    case RegionType::ann_text:
    case RegionType::ann_compass: found = convert_label(shape, map); break;
    default:
        if (auto points = map(shape.points)) found = Shape{shape.type, std::move(*points), shape.rotation};
    }
    if (found && !why_invalid(*found).empty()) return std::nullopt;
    return found;
}

} // namespace cubelink::imaging
