#pragma once
/// A selection of pixels within a plane, such as the pixels of a region. Immutable; any thread.

#include "imaging/base/geometry.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Neighbouring selected pixels of a row: (x0, y) to (x1 - 1, y), in pixels of the image.
struct PixelRun {
    std::int64_t y = 0, x0 = 0, x1 = 0;
    std::int64_t length() const { return x1 - x0; }
    friend bool operator==(const PixelRun&, const PixelRun&) = default;
};

class PixelMask {
public:
    PixelMask() = default;
    /// One byte for each pixel of `rect`, row by row from the bottom up; those that are not 0 are selected. Throws std::invalid_argument
    /// unless selected.size() == rect.size().
    PixelMask(const Rect& rect, std::span<const std::uint8_t> selected);
    /// Ascending by y, then x, without overlap; empty runs are left out. Throws std::invalid_argument for others.
    explicit PixelMask(std::vector<PixelRun> runs);

    /// The smallest rectangle that holds all selected pixels.
    const Rect& bounds() const { return bounds_; }
    std::span<const PixelRun> runs() const { return runs_; }
    /// Number of selected pixels.
    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }

private:
    void measure();

    Rect bounds_;
    std::vector<PixelRun> runs_;
    std::size_t count_ = 0;
};

/// Several masks of one plane, for work that is done for all of them by one pass over the pixels. None is null.
using MaskList = std::span<const PixelMask* const>;

} // namespace cubelink::imaging
