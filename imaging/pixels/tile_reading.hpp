#pragma once
/// Tiles straight from the source, without the plane's pyramid. Pure functions; they may be called from any thread.
///
/// The first tiles of a large plane needn't wait until all of it has been read: at full resolution they need few of its pixels.

#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/pixels/tile.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// What reading a tile from the source costs, in pixels of a large contiguous read: those that must be read or decoded, and what
/// the system calls for short rows cost.
std::int64_t tile_read_cost(const ImageSource& source, const TileGeometry& tile);

/// Groups of tiles (indices into `tiles`), each of which is best read by one call of read_tiles(): neighbours that lie in the same stored blocks, which
/// would be decoded for each of them otherwise. A group has at most `max_group` tiles, all of one mip; groups are in the order of their first tiles.
std::vector<std::vector<std::size_t>> tiles_read_together(const ImageSource& source, std::span<const TileGeometry> tiles,
                                                          std::size_t max_group = 16);

/// Whether all of these tiles are ready sooner if they are made by read_tiles() than if the plane's pyramid is made first and they are
/// cut from that. The pyramid must not be there already.
bool tiles_faster_than_pyramid(const ImageSource& source, std::span<const TileGeometry> tiles);

/// Reads tiles of one mip, e.g. one group of tiles_read_together(), from the source: one read of the rectangle that holds all of them.
/// out[i].size() = tiles[i].width * tiles[i].height. Values as PlanePyramid::read; throws std::invalid_argument, and as read_downsampled().
void read_tiles(const ImageSource& source, PlaneId plane, std::span<const TileGeometry> tiles, std::span<const std::span<float>> out, const ThreadShare& threads,
                const CancelToken& cancel);

} // namespace cubelink::imaging
