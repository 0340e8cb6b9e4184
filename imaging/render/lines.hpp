#pragma once
/// Smooth lines over a picture. Of one thread.

#include "imaging/base/cancel.hpp"
#include "imaging/render/picture.hpp"

#include <span>
#include <vector>

namespace cubelink::imaging {

/// In picture pixels, the corner of the first one at (0, 0), y downwards.
struct PicturePoint {
    double x = 0, y = 0;
};

/// How much of each picture pixel the lines cover. All lines of one colour are drawn into one, so that where they cross or join nothing is drawn twice.
class LineMask {
public:
    /// One byte for each pixel of the picture.
    explicit LineMask(const PictureSize& size);

    /// A straight line with round ends, `width` ≥ 1 pixels wide. Points may lie anywhere; not finite ones are left out.
    void add(PicturePoint from, PicturePoint to, double width);
    void add(std::span<const PicturePoint> line, double width);

    /// Lays the colour over the picture, as far as the lines cover it and the colour is opaque.
    void paint(Picture& picture, Rgba colour) const;

private:
    PictureSize size_;
    std::vector<std::uint8_t> cover_;
};

} // namespace cubelink::imaging
