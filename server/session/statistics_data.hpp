#pragma once
/// Statistics of a plane as a client asks for them. Called by jobs.

#include "server/session/session.hpp"

namespace cubelink::server {

/// REGION_STATS_DATA of the whole plane, in the order of the requirement's types; what can't be computed is NaN.
void publish_statistics(Session& session, const OpenImage& image, imaging::PlaneId plane, const StatsRequirement& asked, const JobContext& context);

} // namespace cubelink::server
