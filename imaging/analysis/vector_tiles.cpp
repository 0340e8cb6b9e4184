#include "imaging/analysis/vector_tiles.hpp"

#include "imaging/pixels/tile.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

void check_mip(std::int64_t mip) {
    if (mip < 1) throw std::invalid_argument("pixels can't be averaged over blocks of " + std::to_string(mip));
}

} // namespace

std::int64_t vector_tile_count(const ImageShape& shape, std::int64_t mip) {
    check_mip(mip);
    return ceil_div(ceil_div(shape.width, mip), kTileSize) * ceil_div(ceil_div(shape.height, mip), kTileSize);
}

std::vector<VectorTilePlace> vector_tiles(const ImageShape& shape, std::int64_t mip, const std::optional<Rect>& view) {
    check_mip(mip);
    const std::int64_t width = ceil_div(shape.width, mip), height = ceil_div(shape.height, mip);
    std::vector<VectorTilePlace> places;
    places.reserve(static_cast<std::size_t>(vector_tile_count(shape, mip)));
    for (std::int64_t y = 0; y * kTileSize < height; ++y) {
        for (std::int64_t x = 0; x * kTileSize < width; ++x)
            places.push_back({static_cast<std::int32_t>(x), static_cast<std::int32_t>(y),
                              static_cast<std::int32_t>(std::min(kTileSize, width - x * kTileSize)),
                              static_cast<std::int32_t>(std::min(kTileSize, height - y * kTileSize))});
    }
    if (view) {
        // In blocks, so that nothing overflows.
        const auto touches = [&](std::int64_t tile, std::int64_t blocks, std::int64_t from, std::int64_t to) {
            return from < to && (tile * kTileSize + blocks) > from / mip && tile * kTileSize < ceil_div(to, mip);
        };
        const Rect in{std::clamp<std::int64_t>(view->x0, 0, shape.width), std::clamp<std::int64_t>(view->y0, 0, shape.height),
                      std::clamp<std::int64_t>(view->x1, 0, shape.width), std::clamp<std::int64_t>(view->y1, 0, shape.height)};
        std::stable_partition(places.begin(), places.end(), [&](const VectorTilePlace& place) {
            return touches(place.x, place.width, in.x0, in.x1) && touches(place.y, place.height, in.y0, in.y1);
        });
    }
    return places;
}

std::int32_t vector_tile_layer(const ImageShape& shape, std::int64_t mip) {
    check_mip(mip);
    const std::int64_t tiles = ceil_div(std::max(shape.width, shape.height), kTileSize);
    std::int32_t layer = 0;
    // 2^layer ≥ tiles / mip
    while (layer < 62 && (std::int64_t{1} << layer) < ceil_div(tiles, mip)) ++layer;
    return layer;
}

} // namespace cubelink::imaging
