#include "imaging/regions/mask.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace cubelink::imaging {

// Every pixel of the bounding box by itself, until scan lines take its place.
PixelMask mask_of(const Shape& shape, const ImageShape& image) {
    if (shape.type == RegionType::point) {
        const auto x = static_cast<std::int64_t>(std::round(shape.points[0].x)), y = static_cast<std::int64_t>(std::round(shape.points[0].y));
        if (x < 0 || y < 0 || x >= image.width || y >= image.height) return {};
        return PixelMask(std::vector{PixelRun{y, x, x + 1}});
    }
    if (!is_closed(shape.type)) throw std::invalid_argument("a region without an inside has no mask");
    auto vertices = shape.type == RegionType::rectangle ? rectangle_corners(shape) : shape.points;
    const double angle = shape.rotation * std::numbers::pi / 180;
    if (shape.type == RegionType::ellipse) {
        const double r = std::max(vertices[1].x, vertices[1].y);
        const auto c = vertices[0];
        vertices = {{c.x - r, c.y - r}, {c.x + r, c.y + r}};
    }
    double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
    for (const auto& v : vertices) x0 = std::min(x0, v.x), x1 = std::max(x1, v.x), y0 = std::min(y0, v.y), y1 = std::max(y1, v.y);
    const auto inside = [&](double x, double y) {
        if (shape.type == RegionType::ellipse) {
            const double dx = x - shape.points[0].x, dy = y - shape.points[0].y;
            const double u = dx * std::cos(angle) + dy * std::sin(angle), v = -dx * std::sin(angle) + dy * std::cos(angle);
            return u * u / (shape.points[1].y * shape.points[1].y) + v * v / (shape.points[1].x * shape.points[1].x) <= 1 + 1e-9;
        }
        bool in = false;
        for (std::size_t i = 0, j = vertices.size() - 1; i < vertices.size(); j = i++) {
            const auto a = vertices[i], b = vertices[j];
            const double cross = (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x);
            const double along = (x - a.x) * (b.x - a.x) + (y - a.y) * (b.y - a.y);
            const double length2 = (b.x - a.x) * (b.x - a.x) + (b.y - a.y) * (b.y - a.y);
            if (std::abs(cross) <= 1e-6 * std::sqrt(length2) && along >= -1e-9 && along <= length2 + 1e-9) return true;
            if ((a.y > y) != (b.y > y) && x < (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x) in = !in;
        }
        return in;
    };
    std::vector<PixelRun> runs;
    const auto from = [](double v) { return static_cast<std::int64_t>(std::clamp(std::ceil(v - 1e-6), 0.0, 1e9)); };
    const auto to = [](double v, std::int64_t n) { return static_cast<std::int64_t>(std::clamp(std::floor(v + 1e-6) + 1, 0.0, static_cast<double>(n))); };
    for (auto y = from(y0); y < to(y1, image.height); ++y)
        for (auto x = from(x0); x < to(x1, image.width); ++x) {
            if (!inside(static_cast<double>(x), static_cast<double>(y))) continue;
            if (!runs.empty() && runs.back().y == y && runs.back().x1 == x) ++runs.back().x1;
            else runs.push_back({y, x, x + 1});
        }
    return PixelMask(std::move(runs));
}

} // namespace cubelink::imaging
