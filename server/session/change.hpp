#pragma once
/// What a command changed. Commands report each change once, to Session::notify; the product board decides what follows from it.

#include "server/session/requirements.hpp"

#include <cstdint>
#include <functional>

namespace cubelink::server {

struct Change {
    enum class What : std::uint8_t {
        image_opened,  // a new image, or another one under an id that was in use
        image_closed,
        plane,         // the image's channel or stokes; see `stokes_changed`
        cursor,        // the cursor's position (region 0)
        region,        // a region's shape or position
        region_closed,
        region_dragged, // where a region is shown by previews while it is dragged
        requirement,   // the requirements of `connection` for (file, region, kind) were set or cleared
        audience,      // a connection joined, left, subscribed or unsubscribed: products are due for other connections
    };
    What what;
    std::int32_t file_id = 0;                 // audience: 0
    std::int32_t region_id = 0;               // cursor, region, region_dragged, requirement
    RequirementKind kind{};                   // requirement
    std::uint64_t connection = 0;             // requirement: whose
    bool stokes_changed = false;              // plane
    bool channel_map = false;                 // plane: of a channel map; tiles of the channels that it shows stay of use, whichever is active
    bool in_passing = false;                  // plane: another one follows soon; of what takes long, only the stopgap is computed
};

/// Implemented by the product board. Called by the session's commands, one at a time.
class ChangeListener {
public:
    virtual ~ChangeListener() = default;
    virtual void changed(const Change& change) = 0;
    /// From any thread, before the commands that close it run: work for this image (-1: for all images) is pointless from now on.
    virtual void abandon(std::int32_t file_id) = 0;
};

} // namespace cubelink::server
