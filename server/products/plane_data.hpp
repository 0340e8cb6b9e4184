#pragma once
/// What is computed of the plane that is shown, and of the pixel under the cursor, and sent to everybody in the session. Called by commands;
/// the work itself is done by jobs, with copies of the requirements.

#include "server/session/session.hpp"

namespace cubelink::server {

/// Another plane is shown (or the first one): sends what belongs to it, first its histogram, then the required histograms, statistics and the
/// cursor's spatial profiles, and opens the image's gates.
/// `stokes_changed`: then also those of a channel that was named.
void send_plane_data(const SessionPtr& session, const OpenImagePtr& image, bool stokes_changed = true);

/// Answers to newly set requirements of the image (region -1).
void send_required_histograms(const SessionPtr& session, const OpenImagePtr& image);
void send_required_statistics(const SessionPtr& session, const OpenImagePtr& image);

/// The histogram of the whole cube (region -2) with its progress; a newer one of the image, or stop_cube_histogram(), cancels it.
void send_cube_histogram(const SessionPtr& session, const OpenImagePtr& image, const HistogramRequirement& requirement);
/// True if one was running.
bool stop_cube_histogram(Session& session, const OpenImage& image);

} // namespace cubelink::server
