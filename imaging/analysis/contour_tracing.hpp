#pragma once
/// Contour lines of a band of rows by marching squares. Pure; a tracer belongs to one thread at a time.
///
/// The corners of a cell are four neighbouring values. A line crosses an edge of a cell whose one end is below the level and whose other end is not, where the
/// values, interpolated linearly, reach it. Walking along a line, the side that is not below the level is on the right (y grows upwards). In a
/// saddle (both pairs of opposite corners differ) the corners on the side of the four values' mean are connected.
///
/// First each value becomes a bit, then lines are followed by cells. Lines that begin or end where the band does, and not the grid, are fragments.

#include "imaging/base/geometry.hpp"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Of the grid of values that is traced.
struct ContourGrid {
    std::int64_t width = 0, height = 0;
    double scale = 1, offset = 0; // value (i, j) lies at scale · (i + 0.5) + offset, and so with j
};

/// Pixels of the grid within which lines are traced: a cell counts if all its corners do. One row of words for each row of pixels.
struct PixelBits {
    std::int64_t words = 0; // of a row
    std::vector<std::uint64_t> bits{};
    const std::uint64_t* row(std::int64_t y) const { return bits.data() + y * words; }
};

/// Where a line stands in the order of its level: those that begin at the border of the grid (at its row 0, its last column, its last row, its
/// column 0, each in the direction of the walk around the grid that has it on the left), then closed ones by the first edge that they cross upwards.
using ContourKey = std::uint64_t;
ContourKey closed_key(std::uint64_t lowest_edge);

/// A line, or a fragment of one. Its vertices are those from `first` on in TracedLines.
struct TracedLine {
    static constexpr std::uint64_t no_edge = std::numeric_limits<std::uint64_t>::max();
    std::size_t first = 0, count = 0; // vertices
    ContourKey key = 0;               // of a line that is whole, or begins at the border
    /// Where it goes on in the bands beside this one: the edge's place on its row of the grid, row · width + column of its left end.
    std::uint64_t from_edge = no_edge, to_edge = no_edge;
    /// Of a fragment: the first upward crossing, and its vertex. no_edge: none.
    std::uint64_t lowest_edge = no_edge;
    std::size_t lowest_vertex = 0;
    bool whole() const { return from_edge == no_edge && to_edge == no_edge; }
};

struct TracedLines {
    std::vector<float> vertices; // x, y, x, y, …; only the first `used` of them count
    std::size_t used = 0;
    std::vector<TracedLine> lines;
    std::span<const float> of(const TracedLine& line) const { return {vertices.data() + 2 * line.first, 2 * line.count}; }
};

class ContourTracer {
public:
    /// Upper bound on levels at once.
    static constexpr std::size_t max_levels = 8;

    explicit ContourTracer(const ContourGrid& grid) : grid_(grid) {}

    /// Values of rows [y0, y1] of the grid, y0 < y1 < grid.height, none of them NaN, and up to max_levels levels. Where lines are restricted, `within` has
    /// the pixels of the same rows and of one row on either side. `values` must last until the last trace().
    void load(std::int64_t y0, std::int64_t y1, const float* values, std::span<const double> levels, const PixelBits* within = nullptr);

    /// The lines of one of the levels, which replace what `out` holds, in the order of their keys but for fragments. Once for each load().
    void trace(std::size_t level, TracedLines& out);

    /// Bytes that load() takes for that many values.
    static std::size_t scratch_bytes(std::int64_t width, std::int64_t rows) {
        return (std::size_t(width) / 64 + 2) * std::size_t(rows) * 8 * (max_levels + 2);
    }

private:
    template <bool restricted>
    void trace_level(std::size_t level, TracedLines& out);
    template <bool restricted, bool closed>
    void follow(std::size_t level, std::int64_t x, std::int64_t y, unsigned edge, TracedLines& out);
    const std::uint64_t* cells(std::int64_t y) const { return cells_.data() + (one_row_of_cells_ ? 0 : (y + 1) * words_); }
    bool goes_on(std::int64_t x, std::int64_t y) const;

    const ContourGrid grid_;
    std::int64_t y0_ = 0, rows_ = 0, words_ = 0; // rows of cells; words of a row
    const float* values_ = nullptr;
    std::vector<double> levels_;
    std::vector<float> limits_; // the smallest float32 that is not below the level
    std::vector<std::uint64_t> high_;  // for each level and row: which pixels reach the level
    std::vector<std::uint64_t> cells_; // which cells count; of the rows beside the band too, if lines are restricted
    bool one_row_of_cells_ = true;
    std::vector<std::uint64_t> upward_; // crossings that have not been passed, for each row of edges
};

} // namespace cubelink::imaging
