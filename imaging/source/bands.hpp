#pragma once
/// How passes over large rectangles are divided: into the same pieces for any number of threads, so that results don't depend on it.

#include "imaging/base/geometry.hpp"
#include "imaging/source/image_source.hpp"

#include <algorithm>
#include <cstddef>

namespace cubelink::imaging {

/// Bands of `rows` × `columns`, both multiples of `align` but at the far edges, from (x0, y0) of the rectangle.
struct Bands {
    Rect rect;
    std::int64_t rows = 1, columns = 1, across = 1, count = 0;

    /// `align`: a power of two. `target`: pixels of a band, roughly.
    static Bands cut(const Rect& rect, std::int64_t align, std::int64_t target) {
        Bands b;
        b.rect = rect;
        if (rect.width() <= 0 || rect.height() <= 0) return b;
        b.columns = std::min(rect.width(), std::max(align, (std::int64_t(1) << 19) / align));
        b.rows = align * std::max<std::int64_t>(1, target / (align * b.columns));
        b.across = (rect.width() + b.columns - 1) / b.columns;
        b.count = b.across * ((rect.height() + b.rows - 1) / b.rows);
        return b;
    }
    Rect band(std::int64_t index) const {
        const std::int64_t x = rect.x0 + index % across * columns, y = rect.y0 + index / across * rows;
        return {x, y, std::min(rect.x1, x + columns), std::min(rect.y1, y + rows)};
    }
    std::size_t largest() const { return std::size_t(columns * std::min(rows, rect.height())); }
};

/// Pixels of a band: more at once from sources that have to decompress whole tiles.
inline std::int64_t band_target(const ImageSource& source) { return source.capabilities().random_access ? std::int64_t(1) << 16 : std::int64_t(1) << 22; }

} // namespace cubelink::imaging
