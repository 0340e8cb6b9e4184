#pragma once
/// The ICD's SetContourParameters as what a connection requires of an image.

#include "rpc/icd/messages.hpp"
#include "server/session/session.hpp"

namespace cubelink::server {

/// Throws BadArguments with the path of a field that makes no sense.
ContourRequirement contour_requirement(const icd::SetContourParameters& request);

/// Sets what the connection requires of the image, in place of what it required before, within a region (0: anywhere); nothing happens if it is the
/// same. No levels: contours are off. For commands.
void require_contours(Session& session, std::uint64_t connection, Image& image, std::int32_t region_id, ContourRequirement requirement);

} // namespace cubelink::server
