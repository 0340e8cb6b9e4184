#include "imaging/pixels/tile.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

std::int32_t encode_tile_code(const TileId& tile) {
    if (tile.layer < 0 || tile.layer > kMaxLayer) return -1;
    const std::int32_t side = 1 << tile.layer;
    if (tile.x < 0 || tile.y < 0 || tile.x >= side || tile.y >= side) return -1;
    return tile.layer << 24 | tile.y << 12 | tile.x;
}

std::optional<TileId> decode_tile_code(std::int32_t code) {
    if (code < 0) return std::nullopt;
    const TileId tile{code >> 24, code & 0xfff, code >> 12 & 0xfff};
    if (encode_tile_code(tile) != code) return std::nullopt;
    return tile;
}

int max_layer(std::int64_t width, std::int64_t height) {
    if (width < 1 || height < 1)
        throw std::invalid_argument("an image of " + std::to_string(width) + " × " + std::to_string(height) + " pixels has no tiles");
    const std::int64_t longer = std::max(width, height);
    const std::int64_t tiles = longer / kTileSize + (longer % kTileSize != 0 ? 1 : 0);
    int layer = 0;
    while ((std::int64_t(1) << layer) < tiles) ++layer;
    return layer;
}

std::optional<TileGeometry> tile_geometry(const TileId& tile, std::int64_t width, std::int64_t height) {
    const int full = max_layer(width, height);
    if (encode_tile_code(tile) < 0 || tile.layer > full) return std::nullopt;
    TileGeometry g;
    g.mip = std::int64_t(1) << (full - tile.layer);
    const std::int64_t side = kTileSize * g.mip;
    if (tile.x > (width - 1) / side || tile.y > (height - 1) / side) return std::nullopt;
    g.rect.x0 = side * tile.x;
    g.rect.y0 = side * tile.y;
    g.rect.x1 = g.rect.x0 + std::min(side, width - g.rect.x0);
    g.rect.y1 = g.rect.y0 + std::min(side, height - g.rect.y0);
    g.width = std::int32_t((g.rect.width() + g.mip - 1) / g.mip);
    g.height = std::int32_t((g.rect.height() + g.mip - 1) / g.mip);
    return g;
}

} // namespace cubelink::imaging
