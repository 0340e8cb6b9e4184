#pragma once
/// Styles of regions as the ICD's messages have them. Pure functions.

#include "imaging/regions/region_file.hpp"
#include "rpc/icd/messages.hpp"

namespace cubelink::server {

/// What a message doesn't say (no colour, a width of 0, …) is as in default_style().
imaging::RegionStyle style_of(imaging::RegionType type, const icd::RegionStyle& style);
/// With an annotation_style for annotations.
icd::RegionStyle message_of(imaging::RegionType type, const imaging::RegionStyle& style);

} // namespace cubelink::server
