#include "imaging/analysis/contour_tracing.hpp"

#include "imaging/analysis/contour_kernels.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace cubelink::imaging {

namespace {

using Word = std::uint64_t;

/// The smallest float32 that is not below the level, so that float32 values can be compared with it.
float limit_of(double level) {
    if (level > std::numeric_limits<float>::max()) return std::numeric_limits<float>::infinity();
    if (level < std::numeric_limits<float>::lowest()) return std::numeric_limits<float>::lowest();
    const float nearest = static_cast<float>(level);
    return static_cast<double>(nearest) < level ? std::nextafter(nearest, std::numeric_limits<float>::infinity()) : nearest;
}

/// Bit i of the result is bit i + 1 of the row, or i - 1.
Word from_right(const Word* row, std::int64_t w, std::int64_t words) { return row[w] >> 1 | (w + 1 < words ? row[w + 1] << 63 : 0); }
Word from_left(const Word* row, std::int64_t w) { return row[w] << 1 | (w > 0 ? row[w - 1] >> 63 : 0); }

bool bit(const Word* row, std::int64_t i) { return row[i >> 6] >> (i & 63) & 1; }

// Edges of a cell: 0 below, 1 right, 2 above, 3 left, each from corner e to corner e + 1, which go around the cell in the same way from its corner
// (x, y). A line enters through an edge whose corner e is below the level, and leaves through one whose corner e is not.
constexpr unsigned below = 0, right = 1, above = 2, left = 3;
constexpr std::array<int, 4> edge_x{0, 1, 0, 0}, edge_y{0, 0, 1, 0}; // its end of smaller x and y
constexpr std::array<double, 4> along_x{1, 0, 1, 0}, along_y{0, 1, 0, 1};
constexpr std::array<int, 4> next_x{0, 1, 0, -1}, next_y{-1, 0, 1, 0};

constexpr ContourKey key_class = ContourKey(1) << 61;

} // namespace

ContourKey closed_key(std::uint64_t lowest_edge) { return 4 * key_class + lowest_edge; }

void ContourTracer::load(std::int64_t y0, std::int64_t y1, const float* values, std::span<const double> levels, const PixelBits* within) {
    y0_ = y0;
    rows_ = y1 - y0;
    words_ = (grid_.width + 63) / 64;
    values_ = values;
    levels_.assign(levels.begin(), levels.end());
    limits_.clear();
    for (const double level : levels) limits_.push_back(limit_of(level));

    const auto row_words = std::size_t(words_);
    high_.resize(levels_.size() * std::size_t(rows_ + 1) * row_words);
    for (std::int64_t y = 0; y <= rows_; ++y) // each row for all levels, as long as it is in the first-level cache
        for (std::size_t k = 0; k < levels_.size(); ++k)
            kernels::at_least(values + y * grid_.width, std::size_t(grid_.width), limits_[k], high_.data() + (std::int64_t(k) * (rows_ + 1) + y) * words_);

    one_row_of_cells_ = within == nullptr;
    if (one_row_of_cells_) {
        cells_.assign(row_words, ~Word(0));
        const auto last = (grid_.width - 1) & 63; // the first column that begins no cell
        cells_.back() = last == 0 ? 0 : ~Word(0) >> (64 - last);
        return;
    }
    // Row y of the band is row y + 1 of `within`; of cells there is a row on either side.
    cells_.resize(std::size_t(rows_ + 2) * row_words);
    for (std::int64_t y = 0; y < rows_ + 2; ++y)
        for (std::int64_t w = 0; w < words_; ++w) {
            const Word *low = within->row(y), *high = within->row(y + 1);
            cells_[std::size_t(y * words_ + w)] = low[w] & from_right(low, w, words_) & high[w] & from_right(high, w, words_);
        }
}

/// Whether the cell, of a row beside the band, belongs to another band.
bool ContourTracer::goes_on(std::int64_t x, std::int64_t y) const {
    if (y0_ + y < 0 || y0_ + y >= grid_.height - 1) return false;
    return one_row_of_cells_ || bit(cells(y), x);
}

template <bool restricted, bool closed>
void ContourTracer::follow(std::size_t index, std::int64_t x, std::int64_t y, unsigned edge, TracedLines& out) {
    const double level = levels_[index], scale = grid_.scale, offset = grid_.offset;
    const float limit = limits_[index];
    const auto width = grid_.width;
    const std::array<std::int64_t, 4> corner{0, 1, width + 1, width};
    const std::array<std::int64_t, 4> from{0, 1, width, 0}, to{1, width + 1, width + 1, width}; // the ends of each edge
    const std::array<std::int64_t, 4> step{-width, 1, width, -1};
    const auto position = [&](std::int64_t at_x, std::int64_t at_y) { return std::uint64_t((y0_ + at_y) * width + at_x); };

    TracedLine line;
    line.first = out.used / 2;
    const float* cell = values_ + y * width + x;
    const auto add = [&](unsigned e) {
        const double a = double(cell[from[e]]), b = double(cell[to[e]]);
        const double t = (level - a) / (b - a);
        if (out.used + 2 > out.vertices.size()) out.vertices.resize(out.used + out.used / 2 + 1024);
        float* vertex = out.vertices.data() + out.used;
        vertex[0] = static_cast<float>(scale * (double(x + edge_x[e]) + along_x[e] * t + 0.5) + offset);
        vertex[1] = static_cast<float>(scale * (double(y0_ + y + edge_y[e]) + along_y[e] * t + 0.5) + offset);
        out.used += 2;
    };
    const auto note_lowest = [&](std::int64_t at_x, std::int64_t at_y) {
        const auto at = position(at_x, at_y);
        if (at >= line.lowest_edge) return;
        line.lowest_edge = at;
        line.lowest_vertex = out.used / 2 - 1 - line.first;
    };

    const std::int64_t start_x = x, start_y = y;
    const unsigned start_edge = edge;
    add(edge);
    if (!closed && edge == below) note_lowest(x, y);
    for (;;) {
        const bool a = cell[corner[(edge + 2) & 3]] >= limit, b = cell[corner[(edge + 3) & 3]] >= limit;
        unsigned turn = a ? (b ? 3 : 2) : 1;
        if (!a && b) { // a saddle
            const double mean = 0.25 * (double(cell[0]) + double(cell[1]) + double(cell[width]) + double(cell[width + 1]));
            turn = mean >= level ? 3 : 1;
        }
        edge = (edge + turn) & 3;
        add(edge);
        if (edge == above) {
            upward_[std::size_t((y + 1) * words_ + (x >> 6))] &= ~(Word(1) << (x & 63));
            if (!closed) note_lowest(x, y + 1);
        }
        x += next_x[edge];
        y += next_y[edge];
        const auto onward = step[edge];
        edge ^= 2;
        if (closed) {
            if (x == start_x && y == start_y && edge == start_edge) break;
        } else {
            if (x < 0 || x >= width - 1 || y < 0 || y >= rows_) break;
            if (restricted && !bit(cells(y), x)) break;
        }
        cell += onward;
    }
    line.count = out.used / 2 - line.first;

    const auto places = std::uint64_t(width) * std::uint64_t(grid_.height);
    const auto start = position(start_x, start_y);
    if (closed) {
        line.key = closed_key(start);
    } else {
        switch (start_edge) {
        case below: line.key = start; break;
        case right: line.key = key_class + start; break;
        case above: line.key = 2 * key_class + (places - start); break;
        default: line.key = 3 * key_class + (places - start); break;
        }
        if (start_edge == below && start_y == 0 && goes_on(start_x, -1)) line.from_edge = position(start_x, 0);
        if (start_edge == above && start_y == rows_ - 1 && goes_on(start_x, rows_)) line.from_edge = position(start_x, rows_);
        if (y == -1 && goes_on(x, -1)) line.to_edge = position(x, 0);
        if (y == rows_ && goes_on(x, rows_)) line.to_edge = position(x, rows_);
    }
    out.lines.push_back(line);
}

template <bool restricted>
void ContourTracer::trace_level(std::size_t index, TracedLines& out) {
    const Word* high = high_.data() + std::int64_t(index) * (rows_ + 1) * words_;
    const auto upward_of = [&](std::int64_t y, std::int64_t w) -> Word& { return upward_[std::size_t(y * words_ + w)]; };
    upward_.resize(std::size_t((rows_ + 1) * words_));
    for (std::int64_t y = 0; y <= rows_; ++y)
        for (std::int64_t w = 0; w < words_; ++w) {
            const Word* row = high + y * words_;
            upward_of(y, w) = y > 0 && y < rows_ ? ~row[w] & from_right(row, w, words_) & cells(y)[w] & cells(y - 1)[w] : 0;
        }

    const auto each = [](Word word, std::int64_t w, const auto& fn) {
        for (; word != 0; word &= word - 1) fn(w * 64 + std::countr_zero(word));
    };
    // Lines that are open begin where they enter a cell that counts from one that doesn't, or from outside of the band.
    for (std::int64_t y = 0; y < rows_; ++y) {
        const Word *low = high + y * words_, *top = low + words_;
        const Word *here = cells(y), *under = y > 0 ? cells(y - 1) : nullptr, *over = y + 1 < rows_ ? cells(y + 1) : nullptr;
        const bool inner = !restricted && under != nullptr && over != nullptr; // but for its first and last cell
        for (std::int64_t w = 0; w < words_; w = inner && w == 0 ? std::max<std::int64_t>(1, words_ - 2) : w + 1) {
            const Word count = here[w];
            if (count == 0) continue;
            const Word corner0 = low[w], corner1 = from_right(low, w, words_), corner3 = top[w], corner2 = from_right(top, w, words_);
            const Word up = ~corner0 & corner1 & count, down = ~corner2 & corner3 & count;
            each(under != nullptr ? up & ~under[w] : up, w, [&](std::int64_t x) { follow<restricted, false>(index, x, y, below, out); });
            each(~corner1 & corner2 & count & ~from_right(here, w, words_), w,
                 [&](std::int64_t x) { follow<restricted, false>(index, x, y, right, out); });
            each(over != nullptr ? down & ~over[w] : down, w, [&](std::int64_t x) { follow<restricted, false>(index, x, y, above, out); });
            each(~corner3 & corner0 & count & ~from_left(here, w), w, [&](std::int64_t x) { follow<restricted, false>(index, x, y, left, out); });
        }
    }
    std::sort(out.lines.begin(), out.lines.end(), [](const TracedLine& a, const TracedLine& b) { return a.key < b.key; });
    for (std::int64_t y = 1; y < rows_; ++y)
        for (std::int64_t w = 0; w < words_; ++w)
            while (const Word left_over = upward_of(y, w)) {
                upward_of(y, w) &= left_over - 1;
                follow<restricted, true>(index, w * 64 + std::countr_zero(left_over), y, below, out);
            }
}

void ContourTracer::trace(std::size_t level, TracedLines& out) {
    out.used = 0;
    out.lines.clear();
    if (rows_ < 1 || grid_.width < 2) return;
    if (one_row_of_cells_) trace_level<false>(level, out);
    else trace_level<true>(level, out);
}

} // namespace cubelink::imaging
