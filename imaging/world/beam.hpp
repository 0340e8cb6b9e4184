#pragma once
/// Restoring beams.

#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::imaging {

class Header;

/// Major and minor axis (full width at half maximum) in arcsec, position angle in degrees. A beam that is missing in the file
/// or invalid (not positive, not finite) has NaN in all three. channel and stokes are -1 if the beam applies to all planes.
struct Beam {
    double major = 0, minor = 0, pa = 0;
    int channel = -1, stokes = -1;
    bool valid() const;
};

/// BMAJ, BMIN and BPA of the header; none if BMAJ or BMIN is missing or invalid.
std::vector<Beam> beam_of_header(const Header& header);

/// "AIPS CLEAN BMAJ= … BMIN= … BPA= …" in the last HISTORY card that names a beam; none if there is no such card. Degrees in the text.
std::vector<Beam> beam_of_history(const Header& header);

/// The valid beam with the median area; an invalid one if there is none.
Beam median_area_beam(const std::vector<Beam>& beams);

/// The beam of a plane: the one for all, or that of this channel and stokes. nullptr if there is none.
const Beam* find_beam(const std::vector<Beam>& beams, int channel, int stokes);

} // namespace cubelink::imaging
