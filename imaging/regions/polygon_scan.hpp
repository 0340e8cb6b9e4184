#pragma once
/// Polygons as runs of pixels, row by row: an active-edge table.

#include "imaging/base/cancel.hpp"
#include "imaging/source/pixel_mask.hpp"
#include "imaging/world/wcs.hpp"

#include <span>
#include <vector>

namespace cubelink::imaging {

/// Where the rows of a mask may end, and how close to an outline is on it.
struct ScanLimits {
    std::int64_t width = 1, height = 1; // of the image
    double tolerance = 0;               // pixels
};

/// Rows that all edges of one polygon cross together, and runs that a mask has, at most: a second or two of computation and 100 MB.
inline constexpr std::int64_t max_crossings = std::int64_t{1} << 25;
inline constexpr std::size_t max_mask_runs = std::size_t{1} << 22;

/// How close to an outline a pixel's centre is on it: 1e-5 pixels, and what a 32-bit float rounds of coordinates within the image.
double outline_tolerance(std::span<const PixelPoint> points, std::int64_t width, std::int64_t height);

/// Keeps its memory from one polygon to the next. One thread at a time.
class PolygonScanner {
public:
    /// Appends the pixels whose centres are inside of the closed polygon by the even-odd rule, or within the tolerance (in x and in y) of one of
    /// its edges, ascending by y, then x, without overlap. Vertices must be finite. Throws ImageError above max_crossings and max_mask_runs,
    /// Cancelled.
    void append(std::span<const PixelPoint> vertices, const ScanLimits& limits, std::vector<PixelRun>& runs, const CancelToken& cancel);

private:
    struct Edge {
        PixelPoint low, high; // by y
        double slope = 0;     // dx / dy; 0 of horizontal ones
        std::int64_t first = 0, last = 0; // rows within the tolerance

        double x_at(double y) const;
    };
    struct Span {
        std::int64_t x0 = 0, x1 = 0;
    };

    void take_edges(std::span<const PixelPoint> vertices, const ScanLimits& limits);
    void scan_row(std::int64_t row, const ScanLimits& limits);
    void take_spans(std::int64_t row, std::vector<PixelRun>& runs);

    std::vector<Edge> edges_;         // ascending by first
    std::vector<std::size_t> active_; // of edges_
    std::vector<double> crossings_;   // of the row
    std::vector<Span> spans_;         // of the row
};

} // namespace cubelink::imaging
