#include "imaging/regions/region_placement.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cubelink::imaging {

namespace {

constexpr double degree = std::numbers::pi / 180;
/// Semi-axes that differ by less are those of a circle.
constexpr double same_axes = 1e-6;
/// Pixels that are lost on the way over a length and an angle.
constexpr double rounded_off = 1e-9;
/// Degrees on the sky by which an image is probed for its scale: small for curvature, large for rounding.
constexpr double probe = 1e-4;
constexpr double min_step = 0.01, max_step = 1000; // pixels
constexpr const char* no_place = "it lies outside of this image's projection";

bool finite(PixelPoint p) { return std::isfinite(p.x) && std::isfinite(p.y); }
bool finite(SkyPoint p) { return std::isfinite(p.lon) && std::isfinite(p.lat); }
double length_of(PixelPoint p) { return std::hypot(p.x, p.y); }

/// From `centre`, in degrees: {west, north}.
PixelPoint offset_from(SkyPoint centre, SkyPoint point) {
    const double lon = (point.lon - centre.lon) * degree, lat = centre.lat * degree;
    const double east = std::cos(point.lat * degree) * std::sin(lon);
    const double half = std::sin(lon / 2);
    const double north = std::sin((point.lat - centre.lat) * degree) + 2 * std::cos(point.lat * degree) * std::sin(lat) * half * half;
    return {-east / degree, north / degree};
}

double turned(double degrees) {
    const double rest = std::fmod(degrees, 360);
    return rest < 0 ? rest + 360 : rest;
}

bool is_box(RegionType type) { return geometry_of(type) == RegionType::rectangle; }
bool is_ellipse(RegionType type) { return geometry_of(type) == RegionType::ellipse; }

} // namespace

SkyPoint sky_point_at(SkyPoint from, double distance, double position_angle) {
    const double d = distance * degree, p = position_angle * degree, lat = from.lat * degree;
    const double east = std::sin(d) * std::sin(p);
    const double along = std::cos(d) * std::cos(lat) - std::sin(d) * std::cos(p) * std::sin(lat);
    const double up = std::cos(d) * std::sin(lat) + std::sin(d) * std::cos(p) * std::cos(lat);
    return {turned(from.lon + std::atan2(east, along) / degree), std::atan2(up, std::hypot(along, east)) / degree};
}

double position_angle(SkyPoint from, SkyPoint to) {
    const auto offset = offset_from(from, to);
    return std::atan2(-offset.x, offset.y) / degree;
}

PixelPoint RegionPlacement::Steps::to_pixels(PixelPoint d) const {
    const double det = determinant();
    return {(m[1][1] * d.x - m[0][1] * d.y) / det, (m[0][0] * d.y - m[1][0] * d.x) / det};
}

RegionPlacement::RegionPlacement(const RegionFileImage& image) : image_(image) {
    const auto& scale = image.physical.scale;
    const Steps pixels_of_physical{{{scale[0][0], scale[0][1]}, {scale[1][0], scale[1][1]}}};
    const auto x = pixels_of_physical.to_pixels({1, 0}), y = pixels_of_physical.to_pixels({0, 1});
    physical_ = Steps{{{x.x, y.x}, {x.y, y.y}}};
    sky_ = image.wcs && image.wcs->celestial_plane();
    if (!sky_) return;
    const auto area = image.wcs->pixel_area();
    if (area && *area > 0) step_ = std::clamp(probe / std::sqrt(*area), min_step, max_step);
}

/// Into pixels_.
bool RegionPlacement::to_pixel_positions(const FileShape& from, std::string& problem) {
    pixels_.assign(from.positions.begin(), from.positions.end());
    if (from.frame.kind == FrameKind::sky) {
        if (!sky_) {
            problem = "this image has no celestial coordinates";
            return false;
        }
        sky_points_.resize(pixels_.size());
        for (std::size_t i = 0; i < pixels_.size(); ++i) {
            if (!(std::abs(pixels_[i].y) <= 90)) {
                problem = "a latitude is beyond ±90°";
                return false;
            }
            sky_points_[i] = {pixels_[i].x, pixels_[i].y};
        }
        image_.wcs->sky_to_pixels(sky_points_, 0, from.frame.sky, pixels_);
    } else if (from.frame.kind == FrameKind::physical) {
        const auto& [scale, offset] = image_.physical;
        for (auto& p : pixels_)
            p = {scale[0][0] * p.x + scale[0][1] * p.y + offset[0] - 1, scale[1][0] * p.x + scale[1][1] * p.y + offset[1] - 1};
    }
    if (std::all_of(pixels_.begin(), pixels_.end(), [](PixelPoint p) { return finite(p); })) return true;
    problem = from.frame.kind == FrameKind::sky ? no_place : "a position is no finite number";
    return false;
}

/// Steps in degrees towards west and north of `frame`, at a pixel.
bool RegionPlacement::sky_steps(PixelPoint pixel, const SkySystem& frame, Steps& steps) {
    const std::array<PixelPoint, 5> around{pixel, PixelPoint{pixel.x - step_, pixel.y}, PixelPoint{pixel.x + step_, pixel.y},
                                           PixelPoint{pixel.x, pixel.y - step_}, PixelPoint{pixel.x, pixel.y + step_}};
    std::array<SkyPoint, 5> sky{};
    image_.wcs->pixels_to_sky(around, 0, sky);
    if (!std::all_of(sky.begin(), sky.end(), [](SkyPoint p) { return finite(p); })) return false;
    for (int axis = 0; axis < 2; ++axis) {
        const auto a = offset_from(sky[0], sky[static_cast<std::size_t>(1 + 2 * axis)]), b = offset_from(sky[0], sky[static_cast<std::size_t>(2 + 2 * axis)]);
        steps.m[0][axis] = (b.x - a.x) / (2 * step_);
        steps.m[1][axis] = (b.y - a.y) / (2 * step_);
    }
    const auto& own = image_.wcs->sky_system();
    if (!(frame == own)) {
        // Turned by the angle between the two norths.
        const auto centre = convert(sky[0], own, frame);
        const double towards = centre.lat > 0 ? -1 : 1; // not over the pole
        const auto other = convert(SkyPoint{centre.lon, centre.lat + towards * 0.01}, frame, own);
        const auto north = offset_from(sky[0], other);
        const double size = towards * length_of(north);
        const double s = north.x / size, c = north.y / size; // of frame's north, along the own west and north
        const Steps mine = steps;
        for (int axis = 0; axis < 2; ++axis) {
            steps.m[0][axis] = c * mine.m[0][axis] - s * mine.m[1][axis];
            steps.m[1][axis] = s * mine.m[0][axis] + c * mine.m[1][axis];
        }
    }
    return std::isfinite(steps.determinant()) && steps.determinant() != 0;
}

bool RegionPlacement::steps_of(FrameKind kind, PixelPoint centre, const SkySystem& frame, Steps& steps, std::string& problem) {
    switch (kind) {
    case FrameKind::pixel: steps = {}; return true;
    case FrameKind::physical: steps = physical_; return true;
    case FrameKind::sky: break;
    }
    if (!sky_) problem = "its size is an angle, and this image has no celestial coordinates";
    else if (sky_steps(centre, frame, steps)) return true;
    else problem = no_place;
    return false;
}

bool RegionPlacement::place_box(const FileShape& from, Shape& to, std::string& problem) {
    const auto centre = pixels_[0];
    Steps axes;
    if (!steps_of(from.frame.kind, centre, from.frame.sky, axes, problem)) return false;
    double angle = from.angle;
    if (from.frame.kind != FrameKind::pixel) {
        const auto along = axes.to_pixels({std::cos(from.angle * degree), std::sin(from.angle * degree)});
        angle = turned(std::atan2(along.y, along.x) / degree);
    }
    to.points = {centre, {0, 0}};
    to.rotation = angle;
    if (from.lengths.empty()) return true;
    const double c = std::cos(angle * degree), s = std::sin(angle * degree);
    double sizes[2];
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& length = from.lengths[i];
        const PixelPoint direction = i == 0 ? PixelPoint{c, s} : PixelPoint{-s, c};
        Steps unit = axes;
        if (length.unit != from.frame.kind && !steps_of(length.unit, centre, image_.wcs ? image_.wcs->sky_system() : SkySystem{}, unit, problem)) return false;
        sizes[i] = length.unit == FrameKind::pixel ? length.value : length.value / length_of(unit.of_pixels(direction));
    }
    to.points[1] = {sizes[0], sizes[1]};
    return true;
}

bool RegionPlacement::place_ellipse(const FileShape& from, Shape& to, std::string& problem) {
    const auto centre = pixels_[0];
    const bool circle = from.lengths.size() == 1;
    Steps axes;
    if (!steps_of(from.frame.kind, centre, from.frame.sky, axes, problem)) return false;
    const auto own = image_.wcs ? image_.wcs->sky_system() : SkySystem{};
    if (circle) {
        const auto& radius = from.lengths[0];
        Steps unit;
        if (!steps_of(radius.unit, centre, own, unit, problem)) return false;
        // The pixels of a circle in those units are an ellipse, whose axes are the singular vectors of the inverse of the steps.
        const auto x = unit.to_pixels({radius.value, 0}), y = unit.to_pixels({0, radius.value});
        const double sum = std::hypot(x.x + y.y, x.y - y.x) / 2, difference = std::hypot(x.x - y.y, x.y + y.x) / 2;
        const double major = sum + difference, minor = std::abs(sum - difference);
        if (radius.unit == FrameKind::pixel || major - minor < same_axes * major) {
            const double mean = radius.unit == FrameKind::pixel ? radius.value : (major + minor) / 2;
            to.points = {centre, {mean, mean}};
            to.rotation = 0;
        } else {
            const double direction = (std::atan2(x.y + y.x, x.x - y.y) + std::atan2(x.y - y.x, x.x + y.y)) / 2; // of the major axis, from x
            to.points = {centre, {major, minor}};
            to.rotation = turned(direction / degree - 90);
        }
        return true;
    }
    double angle = from.angle;
    if (from.frame.kind != FrameKind::pixel) {
        const auto along = axes.to_pixels({-std::sin(from.angle * degree), std::cos(from.angle * degree)});
        angle = turned(std::atan2(-along.x, along.y) / degree);
    }
    const double c = std::cos(angle * degree), s = std::sin(angle * degree);
    double sizes[2];
    for (std::size_t i = 0; i < 2; ++i) {
        const auto& length = from.lengths[i];
        const PixelPoint direction = i == 0 ? PixelPoint{-s, c} : PixelPoint{c, s};
        Steps unit = axes;
        if (length.unit != from.frame.kind && !steps_of(length.unit, centre, own, unit, problem)) return false;
        sizes[i] = length.unit == FrameKind::pixel ? length.value : length.value / length_of(unit.of_pixels(direction));
    }
    to.points = {centre, {sizes[0], sizes[1]}};
    to.rotation = angle;
    return true;
}

bool RegionPlacement::place_vector(const FileShape& from, Shape& to, std::string& problem) {
    const auto start = pixels_[0];
    const auto& length = from.lengths[0];
    const double c = std::cos(from.angle * degree), s = std::sin(from.angle * degree);
    if (from.frame.kind == FrameKind::sky && length.unit == FrameKind::sky) {
        const SkyPoint end = sky_point_at({from.positions[0].x, from.positions[0].y}, length.value, from.angle - 90);
        PixelPoint pixel;
        image_.wcs->sky_to_pixels(std::span(&end, 1), 0, from.frame.sky, std::span(&pixel, 1));
        to.points = {start, pixel};
        if (finite(pixel)) return true;
        problem = no_place;
        return false;
    }
    Steps axes, unit;
    if (!steps_of(from.frame.kind, start, from.frame.sky, axes, problem)) return false;
    if (!steps_of(length.unit, start, image_.wcs ? image_.wcs->sky_system() : SkySystem{}, unit, problem)) return false;
    auto along = axes.to_pixels({c, s});
    const double size = length.value / length_of(unit.of_pixels(along));
    // An end at 0 comes back as what rounding left of it, which is another float.
    const auto end = [](double value) { return std::abs(value) < rounded_off ? 0 : value; };
    to.points = {start, {end(start.x + along.x * size), end(start.y + along.y * size)}};
    return true;
}

/// A box by two opposite corners has its sides along the axes of the frame.
bool RegionPlacement::place_corners(const FileShape& from, Shape& to, std::string& problem) {
    auto a = from.positions[0], b = from.positions[1];
    FileShape box;
    box.type = from.type;
    box.frame = from.frame;
    double width = std::abs(b.x - a.x);
    if (from.frame.kind == FrameKind::sky) {
        // The short way round.
        b.x = a.x + std::remainder(b.x - a.x, 360);
        width = std::abs(b.x - a.x) * std::cos((a.y + b.y) / 2 * degree);
    }
    box.positions = {{(a.x + b.x) / 2, (a.y + b.y) / 2}};
    box.lengths = {{width, from.frame.kind}, {std::abs(b.y - a.y), from.frame.kind}};
    return to_pixel_positions(box, problem) && place_box(box, to, problem);
}

bool RegionPlacement::place(const FileShape& from, Shape& to, std::string& problem) {
    to.type = from.type;
    to.rotation = 0;
    for (const auto& length : from.lengths) {
        if (length.value >= 0) continue;
        problem = "a size is negative";
        return false;
    }
    if (!to_pixel_positions(from, problem)) return false;
    if (is_box(from.type)) {
        const bool corners = from.lengths.empty() && from.positions.size() == 2;
        if (!(corners ? place_corners(from, to, problem) : place_box(from, to, problem))) return false;
    } else if (is_ellipse(from.type)) {
        if (!place_ellipse(from, to, problem)) return false;
    } else if (from.type == RegionType::ann_vector && from.positions.size() == 1) {
        if (!place_vector(from, to, problem)) return false;
    } else if (from.type == RegionType::ann_compass) {
        double size = from.lengths[0].value;
        if (from.lengths[0].unit != FrameKind::pixel) {
            Steps unit;
            if (!steps_of(from.lengths[0].unit, pixels_[0], image_.wcs ? image_.wcs->sky_system() : SkySystem{}, unit, problem)) return false;
            size /= std::sqrt(std::abs(unit.determinant()));
        }
        to.points = {pixels_[0], {size, size}};
    } else {
        to.points = pixels_;
    }
    problem = why_invalid(to);
    return problem.empty();
}

bool RegionPlacement::describe(const Shape& from, const SkySystem& frame, FileShape& to, std::string& problem) {
    to.type = from.type;
    to.frame = {FrameKind::sky, frame};
    to.angle = 0;
    to.lengths.clear();
    const bool box = is_box(from.type), ellipse = is_ellipse(from.type), compass = from.type == RegionType::ann_compass;
    const std::size_t count = box || ellipse || compass ? 1 : from.points.size();
    sky_points_.resize(count);
    image_.wcs->pixels_to_sky(std::span(from.points).first(count), 0, frame, sky_points_);
    to.positions.clear();
    for (const auto& p : sky_points_) to.positions.push_back({p.lon, p.lat});
    problem = no_place;
    if (!std::all_of(sky_points_.begin(), sky_points_.end(), [](SkyPoint p) { return finite(p); })) return false;
    Steps steps;
    if ((box || ellipse || compass) && !sky_steps(from.points[0], frame, steps)) return false;
    problem.clear();
    if (count > 1 || from.points.size() == 1) return true;
    const auto& size = from.points[1];
    const double c = std::cos(from.rotation * degree), s = std::sin(from.rotation * degree);
    const auto along = steps.of_pixels({c, s}), across = steps.of_pixels({-s, c});
    if (compass) {
        to.lengths = {{size.x * std::sqrt(std::abs(steps.determinant())), FrameKind::sky}};
    } else if (box) {
        to.angle = turned(std::atan2(along.y, along.x) / degree);
        to.lengths = {{size.x * length_of(along), FrameKind::sky}, {size.y * length_of(across), FrameKind::sky}};
    } else {
        to.angle = turned(std::atan2(-across.x, across.y) / degree);
        to.lengths = {{size.x * length_of(across), FrameKind::sky}, {size.y * length_of(along), FrameKind::sky}};
        const double a = to.lengths[0].value, b = to.lengths[1].value;
        // It must come back as one: a circle of the sky is a circle on the image.
        const double square = std::abs(along.x * across.x + along.y * across.y) / (length_of(along) * length_of(across));
        if (size.x == size.y && std::abs(a - b) < same_axes / 4 * a && square < same_axes / 4) to.lengths = {{(a + b) / 2, FrameKind::sky}};
    }
    return true;
}

} // namespace cubelink::imaging
