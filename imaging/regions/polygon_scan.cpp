#include "imaging/regions/polygon_scan.hpp"

#include "imaging/base/image_error.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace cubelink::imaging {

namespace {

/// The first pixel at or right of x, and the one after the last at or left of it, cut at the image.
std::int64_t first_pixel(double x, std::int64_t width) { return static_cast<std::int64_t>(std::clamp(std::ceil(x), 0.0, static_cast<double>(width))); }
std::int64_t end_pixel(double x, std::int64_t width) { return static_cast<std::int64_t>(std::clamp(std::floor(x) + 1, 0.0, static_cast<double>(width))); }

} // namespace

double outline_tolerance(std::span<const PixelPoint> points, std::int64_t width, std::int64_t height) {
    double largest = 0;
    for (const auto& point : points) largest = std::max({largest, std::abs(point.x), std::abs(point.y)});
    return 1e-5 + 6e-8 * std::min(largest, static_cast<double>(std::max(width, height)));
}

/// From the nearer end: the other one may be so far away that the differences to it have no fractions.
double PolygonScanner::Edge::x_at(double y) const {
    const double x = y - low.y < high.y - y ? low.x + (y - low.y) * slope : high.x - (high.y - y) * slope;
    return std::clamp(x, std::min(low.x, high.x), std::max(low.x, high.x));
}

void PolygonScanner::take_edges(std::span<const PixelPoint> vertices, const ScanLimits& limits) {
    edges_.clear();
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < vertices.size(); ++i) {
        Edge edge{vertices[i], vertices[i + 1 < vertices.size() ? i + 1 : 0]};
        if (edge.high.y < edge.low.y) std::swap(edge.low, edge.high);
        // Right of the image an edge decides nothing: pixels are inside by the crossings left of them.
        if (std::min(edge.low.x, edge.high.x) - limits.tolerance > static_cast<double>(limits.width - 1)) continue;
        edge.first = first_pixel(edge.low.y - limits.tolerance, limits.height);
        edge.last = end_pixel(edge.high.y + limits.tolerance, limits.height) - 1;
        if (edge.last < edge.first) continue;
        rows += edge.last - edge.first + 1;
        const double slope = (edge.high.x - edge.low.x) / (edge.high.y - edge.low.y);
        if (std::isfinite(slope)) edge.slope = slope;
        edges_.push_back(edge);
    }
    if (rows > max_crossings)
        throw ImageError("the outline of the region crosses the rows of the image " + std::to_string(rows) + " times, which is more than " +
                         std::to_string(max_crossings));
    std::sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.first < b.first; });
}

void PolygonScanner::scan_row(std::int64_t row, const ScanLimits& limits) {
    const auto y = static_cast<double>(row);
    crossings_.clear();
    spans_.clear();
    for (const auto index : active_) {
        const Edge& edge = edges_[index];
        if (edge.low.y <= y && y < edge.high.y) crossings_.push_back(edge.x_at(y));
        // The part of the edge that is within the tolerance of this row.
        double from = 0, to = 0;
        if (edge.slope == 0) {
            from = edge.low.x;
            to = edge.high.x;
        } else {
            from = edge.x_at(std::clamp(y - limits.tolerance, edge.low.y, edge.high.y));
            to = edge.x_at(std::clamp(y + limits.tolerance, edge.low.y, edge.high.y));
        }
        if (to < from) std::swap(from, to);
        const Span on_edge{first_pixel(from - limits.tolerance, limits.width), end_pixel(to + limits.tolerance, limits.width)};
        if (on_edge.x0 < on_edge.x1) spans_.push_back(on_edge);
    }
    std::sort(crossings_.begin(), crossings_.end());
    for (std::size_t i = 0; i < crossings_.size(); i += 2) {
        const Span inside{first_pixel(crossings_[i], limits.width), i + 1 < crossings_.size() ? end_pixel(crossings_[i + 1], limits.width) : limits.width};
        if (inside.x0 < inside.x1) spans_.push_back(inside);
    }
}

void PolygonScanner::take_spans(std::int64_t row, std::vector<PixelRun>& runs) {
    std::sort(spans_.begin(), spans_.end(), [](const Span& a, const Span& b) { return a.x0 < b.x0; });
    for (std::size_t i = 0; i < spans_.size();) {
        Span merged = spans_[i++];
        while (i < spans_.size() && spans_[i].x0 <= merged.x1) merged.x1 = std::max(merged.x1, spans_[i++].x1);
        runs.push_back({row, merged.x0, merged.x1});
    }
}

void PolygonScanner::append(std::span<const PixelPoint> vertices, const ScanLimits& limits, std::vector<PixelRun>& runs, const CancelToken& cancel) {
    take_edges(vertices, limits);
    active_.clear();
    const std::size_t before = runs.size();
    std::size_t next = 0, work = 0;
    for (std::int64_t row = 0; next < edges_.size() || !active_.empty(); ++row) {
        if (active_.empty()) row = std::max(row, edges_[next].first);
        std::erase_if(active_, [&](std::size_t index) { return edges_[index].last < row; });
        while (next < edges_.size() && edges_[next].first <= row) active_.push_back(next++);
        scan_row(row, limits);
        take_spans(row, runs);
        if (runs.size() - before > max_mask_runs)
            throw ImageError("the region consists of more than " + std::to_string(max_mask_runs) + " separate runs of pixels in the image's rows");
        work += active_.size() + 1;
        if (work >= 65536) {
            cancel.throw_if_cancelled();
            work = 0;
        }
    }
}

} // namespace cubelink::imaging
