#pragma once
/// Where the tiles of a plane lie that has been averaged over blocks of mip × mip pixels, mip any number ≥ 1. Pure functions.
///
/// Tile (x, y) has the blocks from (256 x, 256 y) on, 256 × 256 of them or what is left at the far edges. Blocks are aligned to pixel (0, 0) and cut at the
/// image's edge.

#include "imaging/base/geometry.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace cubelink::imaging {

struct VectorTilePlace {
    std::int32_t x = 0, y = 0;
    std::int32_t width = 0, height = 0; // in blocks
    friend bool operator==(const VectorTilePlace&, const VectorTilePlace&) = default;
};

/// How many there are; no vector_tiles() should be asked for where these are too many to be listed.
std::int64_t vector_tile_count(const ImageShape& shape, std::int64_t mip);

/// All of them, row by row from the bottom up; those that `view` (in pixels) touches come first.
std::vector<VectorTilePlace> vector_tiles(const ImageShape& shape, std::int64_t mip, const std::optional<Rect>& view = {});

/// The layer of such tiles: ceil(log2(T / mip)), T being the tiles along the longer side of the full resolution; 0 if mip is larger.
std::int32_t vector_tile_layer(const ImageShape& shape, std::int64_t mip);

} // namespace cubelink::imaging
