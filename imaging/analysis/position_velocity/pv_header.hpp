#pragma once
/// The header that a position-velocity image would have as a FITS file. Pure functions, any thread.

#include "imaging/regions/line_profile.hpp"
#include "imaging/source/format.hpp"
#include "imaging/world/header.hpp"

#include <cstdint>
#include <string>

namespace cubelink::imaging {

struct PvHeaderSpec {
    RegionType type = RegionType::line; // or polyline
    std::int64_t positions = 1;
    double step = 1;                    // LineSampling::cdelt and unit
    std::string unit{"pixel"};
    ChannelRange channels{};            // of the source, at least one
    std::int32_t rebin_z = 1;           // channels that are averaged
    std::int32_t stokes = 0;
    bool reverse = false;               // channels along x
    std::string history{};              // what was done; may be empty
};

struct PvHeader {
    Header header;
    std::string bunit;
    /// A sentence for the user where an axis is not exact; else empty.
    std::string warning;
};

/// The axis of positions is "Offset" with its zero in the middle of a line, or "Distance" from the first vertex of a polyline.
///
/// The spectral axis is "FREQ" in Hz, with its reference at the first channel, if the channels are at equal steps of frequency to a tenth of a channel; "FREQ-W2F" and the like
/// (FITS paper III) if they are at equal steps of wavelength or velocity. Where neither holds, it is the straight line through the first and the last channel, and
/// `warning` says so. Channels without a frequency keep the axis of the source. RESTFRQ, SPECSYS and the like are the source's, and an axis of length 1 follows if
/// the source has a stokes axis; computed polarizations have the ICD's numbers on it, 13 to 17. The beam is the first of the source's.
///
/// `image`: the source; its pixels are not used. Throws ImageError if its channels are not along a spectral axis.
PvHeader pv_header(const ImageInfo& info, const Wcs* wcs, const Header& header, const PvHeaderSpec& spec);

/// Why the image has no position-velocity images; empty if it has.
std::string why_no_spectral_axis(const ImageInfo& info);

} // namespace cubelink::imaging
