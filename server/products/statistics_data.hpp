#pragma once
/// Statistics of a plane as a client asks for them. Called by jobs.

#include "server/session/session.hpp"

namespace cubelink::server {

/// Statistics that are due, of a plane that is shown.
struct PlaneStatistics {
    StatsRequirement asked;
    imaging::PlaneId plane;
    std::string key; // the same of a newer plane replaces them on their way to a slow client
    std::uint64_t turn = 0;
};

/// REGION_STATS_DATA of the whole plane, in the order of the requirement's types; what can't be computed is NaN.
void publish_statistics(Session& session, const OpenImage& image, const PlaneStatistics& due, const JobContext& context);

} // namespace cubelink::server
