#pragma once
/// The header of a moment: that of the cube, with the spectral and the stokes axis of length 1. Pure function, any thread.

#include "imaging/base/geometry.hpp"
#include "imaging/source/image_info.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs.hpp"

#include <optional>
#include <string>

namespace cubelink::imaging {

struct MomentHeader {
    Rect rect; // of the cube's plane
    ChannelRange channels;
    std::int32_t stokes = 0;           // an index, or a computed polarization, whose axis then has the value 0
    std::string unit;                  // BUNIT; empty: none
    double rest_frequency = 0;         // Hz; > 0: RESTFRQ
    std::optional<Beam> beam;          // BMAJ, BMIN and BPA; none: as in the header, where one beam is for all
    std::string history;               // what was done
};

/// The spectral axis has one pixel, which covers all channels: its value lies in their middle, its increment is their width. An axis that depends on a table, or
/// velocities that another rest frequency turns into others, become linear.
Header moment_header(const Header& cube, const ImageInfo& info, const Wcs* wcs, const MomentHeader& moment);

} // namespace cubelink::imaging
