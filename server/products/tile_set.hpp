#pragma once
/// The tiles of one request: begin-sync, tiles as they get ready (coarse ones first, where they cost the same), end-sync.
///
/// Clients draw a first view, or another channel, when as many tiles have come as the begin-sync said: so a set is sent whole or not at
/// all. It begins when its first tile is ready; until then it can be given up without a trace. It does not begin before the plane's histogram, of all
/// pixels or of a sample, has been published (ProductBoard::when_settled).

#include "imaging/pixels/tile.hpp"
#include "imaging/pixels/tile_codec.hpp"
#include "server/session/session.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
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
    imaging::CancelToken cancel{}; // unless the set has begun to be sent, it is given up when this is cancelled
};

/// From a command: numbers the set and posts its jobs.
void send_tiles(const SessionPtr& session, const ImagePtr& image, TileRequest request);

/// What has become of a set.
enum class TileSetEnd : std::uint8_t {
    sent,
    given_up, // cancelled, stale, or nobody listens any more
    failed,   // which has been reported
};

/// A set whose tiles may be made before its plane is shown: those of a frame of an animation.
class PreparedTiles {
public:
    virtual ~PreparedTiles() = default;
    /// Called once, by any thread, when nothing more of the set will be sent. `begun`: when it began to be sent; if it did not, when send() was called.
    using Ended = std::function<void(std::chrono::steady_clock::time_point begun, TileSetEnd end)>;
    /// By the command that has just shown the plane, once: numbers the set and sends it as send_tiles() does. Sets with one `generation` do not
    /// overtake each other (pubsub::Delivery). False if its tiles could not be made ahead, for what reason ever: `ended` is not called, and another
    /// set is to be sent in its place.
    virtual bool send(std::uint64_t generation, Ended ended) = 0;
};
/// The same, with a set that will be sent later; it is given up when the last pointer to it goes before that. `ahead`: its tiles, and the plane's
/// histogram where that does not take long, are made from now on, if the budget has room for them. nullptr if it has no tiles, or nobody listens.
std::shared_ptr<PreparedTiles> prepare_tiles(const SessionPtr& session, const ImagePtr& image, TileRequest request, bool ahead);

/// pubsub::Delivery::set_key of the tiles of an image in a connection's view.
std::string tile_set_key(std::uint64_t connection, const Image& image);

} // namespace cubelink::server
