#pragma once
/// The tiles of one request: begin-sync, tiles as they get ready (coarse ones first, where they cost the same), end-sync.
///
/// Clients draw a first view, or another channel, when as many tiles have come as the begin-sync said: so a set is sent whole or not at
/// all. It begins when its first tile is ready; until then it can be given up without a trace. It does not begin before the plane's histogram, of all
/// pixels or of a sample, has been published (ProductBoard::when_settled).

#include "imaging/pixels/tile.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "server/session/session.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::server {

/// Tiles that one request may ask for. A picture on the largest screens there are is some 1,000.
inline constexpr std::size_t max_tiles_per_request = 4096;

/// How tiles are encoded. Throws CallError for a compression that is not supported, or a quality that is not finite.
struct TileFormat {
    imaging::TileCompression compression = imaging::TileCompression::none;
    float quality = 0;
    static TileFormat checked(int icd_compression_type, float quality);
};

/// Decodes tile codes, each tile once, coarse ones first. Throws BadArguments that names the field and the index of a code that is wrong, or
/// the limit if there are too many.
std::vector<imaging::TileId> checked_tiles(std::span<const std::int32_t> codes, const imaging::ImageShape& shape, const char* field);

/// Upper bound on tiles of a session that have been requested and not been made: it bounds the memory that a client that doesn't read can take.
inline constexpr std::size_t max_tiles_under_way = 1 << 18;
/// Throws CallError if so many more would exceed it.
void require_room_for_tiles(const Session& session, std::size_t tiles);

struct TileRequest {
    std::uint64_t connection = 0; // whose view it is
    imaging::PlaneId plane;
    std::vector<imaging::TileId> tiles; // from checked_tiles(); none: nothing is sent
    TileFormat format;
    std::int32_t animation_id = 0;
    bool current_plane = true; // the one that is shown: sent after its histogram, stale when another is shown
};

/// From a command: numbers the set and posts its jobs.
void send_tiles(const SessionPtr& session, const ImagePtr& image, TileRequest request);

} // namespace cubelink::server
