#include "imaging/regions/line_profile.hpp"

#include "imaging/base/image_error.hpp"
#include "imaging/regions/box_pixels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
constexpr double degree = std::numbers::pi / 180;
constexpr std::size_t batch = 16384;
/// Pixels that are read at once.
constexpr std::size_t profile_pixels = std::size_t{1} << 20;

PixelPoint operator+(PixelPoint a, PixelPoint b) { return {a.x + b.x, a.y + b.y}; }
PixelPoint operator-(PixelPoint a, PixelPoint b) { return {a.x - b.x, a.y - b.y}; }
PixelPoint operator*(PixelPoint a, double factor) { return {a.x * factor, a.y * factor}; }
double length(PixelPoint a) { return std::hypot(a.x, a.y); }

/// One straight part of a line.
struct Segment {
    PixelPoint start, direction; // of length 1; along x if the part has no length
    double length = 0;

    PixelPoint at(double distance) const { return start + direction * distance; }
    bool is_upright() const { return std::min(std::abs(direction.x), std::abs(direction.y)) * length < 1e-3; } // or level
};

Segment segment_between(PixelPoint from, PixelPoint to) {
    const auto step = to - from;
    const double whole = length(step);
    return {from, whole > 0 ? step * (1 / whole) : PixelPoint{1, 0}, whole};
}

/// In the order of the profile.
std::vector<Segment> segments_of(const Shape& line) {
    auto points = line.points;
    if (line.type == RegionType::line) std::swap(points[0], points[1]);
    std::vector<Segment> segments;
    for (std::size_t i = 0; i + 1 < points.size(); ++i) segments.push_back(segment_between(points[i], points[i + 1]));
    return segments;
}

/// The place of a box.
struct Place {
    std::size_t segment = 0;
    double distance = 0; // from the segment's start
};

[[noreturn]] void too_long(double boxes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", boxes);
    throw ImageError("a profile along this line would have " + std::string(text) + " values, the limit is " + std::to_string(max_line_boxes));
}

/// How many boxes lie on either side of the middle of a line that is `steps` steps long.
std::int64_t boxes_beside_middle(double steps) { return std::max<std::int64_t>(0, std::llround((steps - 1) / 2)); }

std::vector<Place> pixel_steps(const std::vector<Segment>& segments, bool two_points) {
    double sum = 0;
    for (const auto& segment : segments) sum += segment.length + 1;
    if (!(sum <= static_cast<double>(max_line_boxes))) too_long(sum);
    std::vector<Place> places;
    places.reserve(static_cast<std::size_t>(sum) + segments.size());
    if (two_points) {
        const double middle = segments[0].length / 2;
        const auto half = boxes_beside_middle(segments[0].length);
        for (std::int64_t i = -half; i <= half; ++i) places.push_back({0, middle + static_cast<double>(i)});
        return places;
    }
    for (std::size_t s = 0; s < segments.size(); ++s) {
        const auto last = std::llround(segments[s].length);
        for (std::int64_t i = 0; i <= last; ++i) {
            const Place place{s, static_cast<double>(i)};
            if (i == 0 && !places.empty() && length(segments[s].start - segments[places.back().segment].at(places.back().distance)) < 0.5) continue;
            places.push_back(place);
        }
    }
    return places;
}

/// A direction on the sky, of length 1.
struct Direction {
    double x = nothing, y = nothing, z = nothing;
};
Direction operator-(const Direction& a, const Direction& b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
double dot(const Direction& a, const Direction& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

Direction direction_of(SkyPoint point) {
    const double lon = point.lon * degree, lat = point.lat * degree;
    return {std::cos(lat) * std::cos(lon), std::cos(lat) * std::sin(lon), std::sin(lat)};
}

/// The sky behind the pixels of a grid.
struct GridSky {
    const Wcs& wcs;
    PixelGrid grid;

    void of(std::span<const PixelPoint> pixels, std::span<SkyPoint> out) const {
        if (grid == PixelGrid{}) return wcs.pixels_to_sky(pixels, 0, out);
        std::vector<PixelPoint> of_image;
        of_image.reserve(pixels.size());
        for (const auto& pixel : pixels) of_image.push_back(grid.to_image(pixel));
        wcs.pixels_to_sky(of_image, 0, out);
    }
};

/// Pixels through the sky, in batches.
template <class Each>
void through_sky(const GridSky& grid_sky, std::size_t count, const CancelToken& cancel, const std::function<PixelPoint(std::size_t)>& pixel, Each each) {
    std::vector<PixelPoint> pixels;
    std::vector<SkyPoint> sky;
    for (std::size_t from = 0; from < count; from += batch) {
        cancel.throw_if_cancelled();
        pixels.clear();
        for (std::size_t i = from; i < std::min(count, from + batch); ++i) pixels.push_back(pixel(i));
        sky.resize(pixels.size());
        grid_sky.of(pixels, sky);
        for (std::size_t i = 0; i < sky.size(); ++i) each(from + i, sky[i]);
    }
}

/// Angles between neighbours, in degrees.
struct Steps {
    double least = nothing, most = nothing, sum = 0;
    std::size_t count = 0, unknown = 0;

    void take(double angle) {
        if (!std::isfinite(angle)) {
            ++unknown;
            return;
        }
        least = count == 0 ? angle : std::min(least, angle);
        most = count == 0 ? angle : std::max(most, angle);
        sum += angle;
        ++count;
    }
};

/// Of neighbours on one segment: corners are shorter in any case.
Steps angular_steps(const GridSky& grid_sky, const std::vector<Segment>& segments, const std::vector<Place>& places, const CancelToken& cancel) {
    Steps steps;
    if (places.size() == 1) { // one pixel along the line
        const auto& segment = segments[places[0].segment];
        const std::array pixels{segment.at(places[0].distance - 0.5), segment.at(places[0].distance + 0.5)};
        std::array<SkyPoint, 2> sky;
        grid_sky.of(pixels, sky);
        steps.take(separation(sky[0], sky[1]));
        return steps;
    }
    SkyPoint before;
    through_sky(grid_sky, places.size(), cancel, [&](std::size_t i) { return segments[places[i].segment].at(places[i].distance); },
                [&](std::size_t i, SkyPoint here) {
                    if (i > 0 && places[i].segment == places[i - 1].segment) steps.take(separation(before, here));
                    before = here;
                });
    return steps;
}

/// Places at equal angular steps, counted along the whole line; from the middle outwards if it is a line of two points. Nothing if a part of it is not on
/// the sky.
std::optional<std::vector<Place>> equal_angles(const GridSky& grid_sky, const std::vector<Segment>& segments, bool two_points, double step, const CancelToken& cancel) {
    // Angles along the line up to places that are a pixel apart at most; between them pixels are taken for equal.
    std::vector<Place> stations;
    for (std::size_t s = 0; s < segments.size(); ++s) {
        const auto parts = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(segments[s].length)));
        for (std::int64_t i = 0; i <= parts; ++i)
            stations.push_back({s, segments[s].length * static_cast<double>(i) / static_cast<double>(parts)});
    }
    std::vector<double> angles(stations.size());
    SkyPoint before;
    through_sky(grid_sky, stations.size(), cancel, [&](std::size_t i) { return segments[stations[i].segment].at(stations[i].distance); },
                [&](std::size_t i, SkyPoint here) {
                    angles[i] = i == 0 ? 0 : angles[i - 1] + separation(before, here);
                    before = here;
                });
    const double whole = angles.back();
    if (!std::isfinite(whole)) return std::nullopt;
    double first = 0;
    double last = std::round(whole / step); // index
    if (two_points) {
        const double half = std::max(0.0, std::round((whole / step - 1) / 2));
        first = whole / 2 - half * step;
        last = 2 * half;
    }
    if (!(last < static_cast<double>(max_line_boxes))) too_long(last + 1);
    std::vector<Place> places;
    std::size_t next = 1; // the first station beyond the place
    for (std::int64_t i = 0; i <= static_cast<std::int64_t>(last); ++i) {
        const double angle = first + static_cast<double>(i) * step;
        while (next + 1 < stations.size() && (angles[next] < angle || stations[next].segment != stations[next - 1].segment)) ++next;
        const Place &a = stations[next - 1], &b = stations[next];
        const double part = angles[next] > angles[next - 1] ? (angle - angles[next - 1]) / (angles[next] - angles[next - 1]) : 0;
        places.push_back({a.segment, a.distance + part * (b.distance - a.distance)});
    }
    return places;
}

LineBox upright_box(const Segment& segment, double distance, int width) {
    const double along = segment.is_upright() ? 0.5 : 1.5, across = 0.5 * width;
    return {segment.at(distance), segment.direction * along, PixelPoint{-segment.direction.y, segment.direction.x} * across};
}

/// Boxes with the sizes of pixels that are `step` degrees high, and with right angles on the sky.
std::vector<LineBox> sky_boxes(const GridSky& grid_sky, const std::vector<Segment>& segments, const std::vector<Place>& places, int width, double step,
                               const CancelToken& cancel) {
    constexpr std::array<PixelPoint, 4> around{PixelPoint{0.5, 0}, {-0.5, 0}, {0, 0.5}, {0, -0.5}};
    std::vector<LineBox> boxes;
    boxes.reserve(places.size());
    std::array<Direction, 4> near;
    through_sky(grid_sky, 4 * places.size(), cancel,
                [&](std::size_t i) { return segments[places[i / 4].segment].at(places[i / 4].distance) + around[i % 4]; },
                [&](std::size_t i, SkyPoint sky) {
                    near[i % 4] = direction_of(sky);
                    if (i % 4 != 3) return;
                    const auto& segment = segments[places[i / 4].segment];
                    LineBox box = upright_box(segment, places[i / 4].distance, width);
                    // What one pixel along x and along y is on the sky, in radians, and the angles between them.
                    const auto x = near[0] - near[1], y = near[2] - near[3];
                    const double xx = dot(x, x), xy = dot(x, y), yy = dot(y, y);
                    const auto size = [&](PixelPoint v) { return std::sqrt(xx * v.x * v.x + 2 * xy * v.x * v.y + yy * v.y * v.y) / degree; };
                    const auto& d = segment.direction;
                    const PixelPoint across{-(xy * d.x + yy * d.y), xx * d.x + xy * d.y}; // at right angles to d on the sky
                    const double along_scale = step / size(d), across_scale = step / size(across);
                    if (std::isfinite(along_scale) && std::isfinite(across_scale)) {
                        box.along = d * (along_scale * (segment.is_upright() ? 0.5 : 1.5));
                        box.across = across * (across_scale * 0.5 * width);
                    }
                    boxes.push_back(box);
                });
    return boxes;
}

/// Turns degrees into the unit that suits a line of this length.
double unit_of(double whole, std::string& unit) {
    const double arcsec = whole * 3600;
    if (arcsec < 2e-3) {
        unit = "milliarcsec";
        return 3.6e6;
    }
    if (arcsec < 120) {
        unit = "arcsec";
        return 3600;
    }
    if (whole < 2) {
        unit = "arcmin";
        return 60;
    }
    unit = "deg";
    return 1;
}

} // namespace

LineSampling sample_line(const Shape& line, int width, const Wcs* wcs, const CancelToken& cancel, const PixelGrid& grid) {
    if (const auto reason = why_invalid(line); !reason.empty()) throw std::invalid_argument(reason);
    if (!is_line(line.type)) throw std::invalid_argument("a " + std::string(name_of(line.type)) + " has no profile along it");
    if (width < 1 || width > max_line_width) throw std::invalid_argument("the width of a line must be 1 to " + std::to_string(max_line_width));
    const bool two_points = line.type == RegionType::line;
    const auto segments = segments_of(line);
    auto places = pixel_steps(segments, two_points);

    LineSampling sampling;
    double step = 1, to_unit = 1; // degrees
    const auto matrix = wcs ? wcs->celestial_matrix() : std::nullopt;
    const auto steps = matrix ? angular_steps({*wcs, grid}, segments, places, cancel) : Steps{};
    if (steps.count == 0) {
        sampling.unit = "pixel";
    } else {
        step = steps.sum / static_cast<double>(steps.count);
        const double pixel_height = std::hypot((*matrix)[1], (*matrix)[3]) * grid.size;
        if (steps.unknown == 0 && pixel_height > 0 && steps.most - steps.least > 0.01 * pixel_height) {
            if (auto equal = equal_angles({*wcs, grid}, segments, two_points, pixel_height, cancel)) {
                places = std::move(*equal);
                step = pixel_height;
                sampling.equal_angles = true;
            }
        }
        to_unit = unit_of(step * static_cast<double>(std::max<std::size_t>(1, places.size() - 1)), sampling.unit);
    }
    if (sampling.equal_angles) {
        sampling.boxes = sky_boxes({*wcs, grid}, segments, places, width, step, cancel);
    } else {
        sampling.boxes.reserve(places.size());
        for (const auto& place : places) sampling.boxes.push_back(upright_box(segments[place.segment], place.distance, width));
    }
    sampling.crpix = static_cast<double>(places.size() / 2);
    sampling.cdelt = step * to_unit;
    sampling.crval = two_points ? 0 : sampling.crpix * sampling.cdelt;
    return sampling;
}

std::vector<float> line_profile(std::span<const LineBox> boxes, const ImageShape& image, const MaskedRead& read, const CancelToken& cancel) {
    std::vector<float> values(boxes.size());
    std::vector<float> pixels;
    for (std::size_t from = 0; from < boxes.size();) {
        cancel.throw_if_cancelled();
        const BoxPixels some(boxes.subspan(from), image, profile_pixels, cancel);
        pixels.resize(some.mask().count());
        if (!some.mask().empty()) read(some.mask(), pixels);
        some.means(pixels, std::span(values).subspan(from, some.size()));
        from += some.size();
    }
    return values;
}

} // namespace cubelink::imaging
