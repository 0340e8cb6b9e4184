#pragma once
/// Where tiles lie: codes, layers, mips, rectangles and sizes. Pure functions.
///
/// Layer 0 shows the whole image in one tile, layer L = ceil(log2(ceil(max(W, H) / 256))) is full resolution, and mip = 2^(L − layer) is
/// the number of source pixels along the side of one tile pixel. Tile (x, y) covers source pixels from (256 mip x, 256 mip y).

#include "imaging/base/geometry.hpp"

#include <cstdint>
#include <optional>

namespace cubelink::imaging {

inline constexpr std::int64_t kTileSize = 256;
inline constexpr int kMaxLayer = 12;

struct TileId {
    std::int32_t layer = 0, x = 0, y = 0;
    friend bool operator==(const TileId&, const TileId&) = default;
};

/// layer << 24 | y << 12 | x. The id must be valid by itself (0 ≤ layer ≤ 12, 0 ≤ x, y < 2^layer), otherwise −1.
std::int32_t encode_tile_code(const TileId& tile);
/// Nothing if the code is not of a valid tile (of any image).
std::optional<TileId> decode_tile_code(std::int32_t code);

struct TileGeometry {
    std::int64_t mip = 1;               // power of two
    Rect rect;                          // in source pixels, cut at the image's edge
    std::int32_t width = 0, height = 0; // of the tile: ceil(rect / mip), 1 to 256 each
};

/// L of an image of this size. Throws std::invalid_argument unless both are ≥ 1.
int max_layer(std::int64_t width, std::int64_t height);
/// Nothing if the image has no such tile.
std::optional<TileGeometry> tile_geometry(const TileId& tile, std::int64_t width, std::int64_t height);

} // namespace cubelink::imaging
