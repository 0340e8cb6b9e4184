#include "imaging/render/lines.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging {

namespace {

/// Cuts a line to a rectangle around the origin's quadrant [-margin, size + margin]; false if nothing is left. Liang and Barsky.
bool cut(PicturePoint& from, PicturePoint& to, const PictureSize& size, double margin) {
    double begin = 0, end = 1;
    const double dx = to.x - from.x, dy = to.y - from.y;
    const auto side = [&](double step, double room) {
        if (step == 0) return room >= 0;
        const double t = room / step;
        if (step < 0) begin = std::max(begin, t);
        else end = std::min(end, t);
        return begin <= end;
    };
    if (!side(-dx, from.x + margin) || !side(dx, size.width + margin - from.x) || !side(-dy, from.y + margin) || !side(dy, size.height + margin - from.y))
        return false;
    to = {from.x + end * dx, from.y + end * dy};
    from = {from.x + begin * dx, from.y + begin * dy};
    return true;
}

} // namespace

LineMask::LineMask(const PictureSize& size) : size_(size), cover_(static_cast<std::size_t>(size.pixels())) {}

void LineMask::add(PicturePoint from, PicturePoint to, double width) {
    if (!std::isfinite(from.x) || !std::isfinite(from.y) || !std::isfinite(to.x) || !std::isfinite(to.y)) return;
    const double half = width / 2, reach = half + 0.5;
    if (!cut(from, to, size_, reach + 1)) return;
    const double dx = to.x - from.x, dy = to.y - from.y, squared = dx * dx + dy * dy;
    const auto cover = [&](int x, int y) {
        const double px = x + 0.5 - from.x, py = y + 0.5 - from.y;
        const double t = squared > 0 ? std::clamp((px * dx + py * dy) / squared, 0.0, 1.0) : 0;
        const double covered = std::clamp(reach - std::hypot(px - t * dx, py - t * dy), 0.0, 1.0);
        auto& cell = cover_[static_cast<std::size_t>(y) * static_cast<std::size_t>(size_.width) + static_cast<std::size_t>(x)];
        cell = std::max(cell, static_cast<std::uint8_t>(std::lround(255 * covered)));
    };
    // Row by row, or column by column if the line is flat: only pixels near the line are looked at.
    const bool flat = std::abs(dx) >= std::abs(dy);
    const double slope = flat ? (dx != 0 ? dy / dx : 0) : dx / dy;
    const double slant = reach * std::hypot(1.0, slope) + 1;
    const int along_size = flat ? size_.width : size_.height, across_size = flat ? size_.height : size_.width;
    const double along_from = flat ? std::min(from.x, to.x) : std::min(from.y, to.y), along_to = flat ? std::max(from.x, to.x) : std::max(from.y, to.y);
    const int first = std::max(0, static_cast<int>(std::floor(along_from - reach))), last = std::min(along_size - 1, static_cast<int>(std::ceil(along_to + reach)));
    for (int i = first; i <= last; ++i) {
        const double middle = flat ? from.y + (i + 0.5 - from.x) * slope : from.x + (i + 0.5 - from.y) * slope;
        const int low = std::max(0, static_cast<int>(std::floor(middle - slant))), high = std::min(across_size - 1, static_cast<int>(std::ceil(middle + slant)));
        for (int k = low; k <= high; ++k) flat ? cover(i, k) : cover(k, i);
    }
}

void LineMask::add(std::span<const PicturePoint> line, double width) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) add(line[i], line[i + 1], width);
}

void LineMask::paint(Picture& picture, Rgba colour) const {
    const auto* cover = cover_.data();
    for (int y = 0; y < size_.height; ++y) {
        auto* row = picture.row(y);
        for (int x = 0; x < size_.width; ++x, ++cover) {
            if (*cover == 0) continue;
            auto& pixel = row[x];
            const int over = (*cover * colour.a + 127) / 255;            // alpha of what is laid over
            const int under = (pixel.a * (255 - over) + 127) / 255;      // what is left of the pixel's
            const int alpha = over + under;
            if (alpha == 0) continue;
            const auto mixed = [&](int top, int bottom) { return static_cast<std::uint8_t>((top * over + bottom * under + alpha / 2) / alpha); };
            pixel = {mixed(colour.r, pixel.r), mixed(colour.g, pixel.g), mixed(colour.b, pixel.b), static_cast<std::uint8_t>(alpha)};
        }
    }
}

} // namespace cubelink::imaging
