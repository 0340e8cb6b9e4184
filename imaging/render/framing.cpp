#include "imaging/render/framing.hpp"

#include <algorithm>
#include <cmath>

namespace cubelink::imaging {

namespace {

/// Of the picture pixel whose middle is at `centre` and which is 2 · `half` wide, both in image pixels.
BlockRange blocks_at(double centre, double half, std::int64_t length, std::int64_t mip) {
    if (!(centre >= -0.5 && centre < static_cast<double>(length) - 0.5)) return {};
    const auto blocks = (length + mip - 1) / mip;
    const auto step = static_cast<double>(mip);
    const auto nearest = std::clamp(static_cast<std::int64_t>(std::floor((centre + 0.5) / step)), std::int64_t{0}, blocks - 1);
    const double first_centre = (step - 1) / 2;
    // Both within a few blocks of `nearest`, unless the image is a single block.
    const double most = static_cast<double>(blocks);
    const auto from = static_cast<std::int64_t>(std::clamp(std::ceil((centre - half - first_centre) / step), 0.0, most));
    const auto to = static_cast<std::int64_t>(std::clamp(std::ceil((centre + half - first_centre) / step), 0.0, most));
    if (to - from < 2) return {nearest, nearest + 1};
    return {from, to};
}

} // namespace

bool is_usable(const Framing& framing) {
    return std::abs(framing.x) <= max_framing_distance && std::abs(framing.y) <= max_framing_distance && framing.scale >= min_framing_scale &&
           framing.scale <= max_framing_scale;
}

Framing fitting(double x0, double y0, double x1, double y1, const PictureSize& size) {
    const double scale = std::min(size.width / (x1 - x0), size.height / (y1 - y0));
    return {(x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2, std::clamp(scale, min_framing_scale, max_framing_scale)};
}

Framing fitting(const ImageShape& shape, const PictureSize& size) {
    return fitting(0, 0, static_cast<double>(shape.width), static_cast<double>(shape.height), size);
}

std::int64_t mip_of_scale(double scale, const ImageShape& shape) {
    const auto longest = std::max(shape.width, shape.height);
    std::int64_t mip = 1;
    while (mip < longest && static_cast<double>(2 * mip) * scale <= 1) mip *= 2;
    return mip;
}

std::vector<BlockRange> columns_of(const Framing& framing, const PictureSize& size, std::int64_t image_width, std::int64_t mip) {
    std::vector<BlockRange> columns(static_cast<std::size_t>(size.width));
    for (int i = 0; i < size.width; ++i) columns[static_cast<std::size_t>(i)] = blocks_at(framing.image_x(i + 0.5, size), 0.5 / framing.scale, image_width, mip);
    return columns;
}

std::vector<BlockRange> rows_of(const Framing& framing, const PictureSize& size, std::int64_t image_height, std::int64_t mip) {
    std::vector<BlockRange> rows(static_cast<std::size_t>(size.height));
    for (int i = 0; i < size.height; ++i) rows[static_cast<std::size_t>(i)] = blocks_at(framing.image_y(i + 0.5, size), 0.5 / framing.scale, image_height, mip);
    return rows;
}

} // namespace cubelink::imaging
