#pragma once
/// Profiles through the pixel under the cursor, sent to everybody in the session.

#include "server/products/change_adapter.hpp"
#include "server/session/session.hpp"

namespace cubelink::server {

/// Called by commands; the work is done by jobs. Nothing is sent if there is no cursor, or if it lies outside of the image.
void send_cursor_spatial(const SessionPtr& session, const OpenImagePtr& image);
/// Spectra as required. `only_current_stokes`: those whose coordinate names no stokes, because another one is shown.
void send_cursor_spectral(const SessionPtr& session, const OpenImagePtr& image, bool only_current_stokes = false);
/// First the one, then the other.
void send_cursor_all(const SessionPtr& session, const OpenImagePtr& image);

/// Spectra that are no longer required need not be finished.
void cancel_cursor_spectra(Session& session, OpenImage& image);

/// The spatial profiles as a job computes them, in that job: for those who send them among other things.
struct CursorSnapshot {
    imaging::PlaneId plane;
    std::optional<CursorPosition> cursor;
    std::vector<SpatialRequirement> spatial;
    std::uint64_t turn = 0;
    /// Called by a command: whatever an earlier snapshot has not sent by now is stale.
    static CursorSnapshot newest_of(const Session& session, OpenImage& image) {
        return {image.plane, image.cursor, joined_requirements<SpatialRequirement>(session, image.file_id, cursor_region), image.spatial_turn.next().number};
    }
};
void publish_cursor_spatial(Session& session, const OpenImage& image, const CursorSnapshot& snapshot, const JobContext& context);

} // namespace cubelink::server
