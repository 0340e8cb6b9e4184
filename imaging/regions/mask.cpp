#include "imaging/regions/mask.hpp"

#include "imaging/regions/polygon_scan.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

std::vector<PixelRun> point_runs(PixelPoint point, const ImageShape& image) {
    const double x = std::round(point.x), y = std::round(point.y);
    if (!(x >= 0 && y >= 0 && x < static_cast<double>(image.width) && y < static_cast<double>(image.height))) return {};
    const auto column = static_cast<std::int64_t>(x);
    return {{static_cast<std::int64_t>(y), column, column + 1}};
}

/// In row y the ellipse with semi-axes p and q, turned by r, reaches from k·dy - w to k·dy + w relative to its centre, with h² = p² sin² r + q² cos² r,
/// k = (p² - q²) sin r cos r / h², w = p q / h · √(1 - (dy / h)²): no differences of large numbers, however thin it is.
std::vector<PixelRun> ellipse_runs(const Shape& shape, const ImageShape& image, const CancelToken& cancel) {
    const auto centre = shape.points[0];
    const double tolerance = outline_tolerance(std::span(shape.points).first(1), image.width, image.height);
    const double p = shape.points[1].y + tolerance, q = shape.points[1].x + tolerance; // along x and along y before it is turned
    const double angle = std::remainder(shape.rotation, 360) * std::numbers::pi / 180, s = std::sin(angle), c = std::cos(angle);
    const double h = std::hypot(p * s, q * c), k = (p - q) / h * ((p + q) / h) * s * c, widest = p / h * q;
    const auto height = static_cast<double>(image.height), width = static_cast<double>(image.width);
    const auto first = static_cast<std::int64_t>(std::clamp(std::ceil(centre.y - h), 0.0, height));
    const auto end = static_cast<std::int64_t>(std::clamp(std::floor(centre.y + h) + 1, 0.0, height));
    std::vector<PixelRun> runs;
    runs.reserve(static_cast<std::size_t>(std::max<std::int64_t>(0, end - first)));
    for (std::int64_t y = first; y < end; ++y) {
        if (y % 65536 == 0) cancel.throw_if_cancelled();
        const double dy = static_cast<double>(y) - centre.y, t = dy / h;
        const double middle = centre.x + k * dy, half = widest * std::sqrt(std::max(0.0, (1 - t) * (1 + t)));
        const auto x0 = static_cast<std::int64_t>(std::clamp(std::ceil(middle - half), 0.0, width));
        const auto x1 = static_cast<std::int64_t>(std::clamp(std::floor(middle + half) + 1, 0.0, width));
        if (x0 < x1) runs.push_back({y, x0, x1});
    }
    return runs;
}

std::vector<PixelRun> polygon_runs(std::span<const PixelPoint> vertices, const ImageShape& image, const CancelToken& cancel) {
    std::vector<PixelRun> runs;
    PolygonScanner().append(vertices, {image.width, image.height, outline_tolerance(vertices, image.width, image.height)}, runs, cancel);
    return runs;
}

} // namespace

PixelMask mask_of(const Shape& shape, const ImageShape& image, const CancelToken& cancel) {
    if (const auto reason = why_invalid(shape); !reason.empty()) throw std::invalid_argument(reason);
    switch (shape.type) {
    case RegionType::point: return PixelMask(point_runs(shape.points[0], image));
    case RegionType::rectangle: return PixelMask(polygon_runs(rectangle_corners(shape), image, cancel));
    case RegionType::ellipse: return PixelMask(ellipse_runs(shape, image, cancel));
    case RegionType::polygon: return PixelMask(polygon_runs(shape.points, image, cancel));
    default: throw std::invalid_argument("a " + std::string(name_of(shape.type)) + " has no pixels inside");
    }
}

} // namespace cubelink::imaging
