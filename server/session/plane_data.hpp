#pragma once
/// What is computed of the plane that is shown, and of the pixel under the cursor, and sent to everybody in the session. Called by commands;
/// the work itself is done by jobs, with copies of the requirements.

#include "server/session/session.hpp"

#include <vector>

namespace cubelink::server {

/// Why a plane's data are sent.
struct PlaneUpdate {
    bool histograms = true;      // the one that always comes, then those that are required
    bool required_histograms = true;
    bool statistics = true;
    bool cursor = true;          // spatial profiles
};

/// Another plane is shown (or the first one): sends what belongs to it, in this order, and opens the image's gates.
void send_plane_data(const SessionPtr& session, const OpenImagePtr& image, const PlaneUpdate& update);

/// Answers to newly set requirements of the image (region -1).
void send_required_histograms(const SessionPtr& session, const OpenImagePtr& image);
void send_required_statistics(const SessionPtr& session, const OpenImagePtr& image);

/// The histogram of the whole cube (region -2) with its progress; a newer one of the image, or stop_cube_histogram(), cancels it.
void send_cube_histogram(const SessionPtr& session, const OpenImagePtr& image, const HistogramRequirement& requirement);
/// True if one was running.
bool stop_cube_histogram(Session& session, const OpenImage& image);

} // namespace cubelink::server
