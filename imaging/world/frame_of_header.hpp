#pragma once
/// The celestial frame that a header declares. Pure functions, any thread.

#include "imaging/world/celestial.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

class Header;

struct HeaderFrame {
    SkySystem system;
    std::string text; // "FK5, J2000", "ICRS", "GALACTIC", or RADESYS as it stands
};

/// `lon_name`: name of the longitude axis ("RA", "GLON"). By RADESYS; without it by EQUINOX or EPOCH, as numbers or as strings ('2000.0',
/// 'J2000', 'B1950'): none is ICRS, before 1984 FK4, else FK5. A frame that depends on an equinox that cannot be read is unknown;
/// `warnings` then receives a sentence for the user.
HeaderFrame frame_of_header(const Header& header, const std::string& lon_name, std::vector<std::string>& warnings);

/// "2000.0", " J2000 ", "b1950": the year; nullopt for anything else, and for years before 1 or after 9999.
std::optional<double> parse_equinox(std::string_view text);

} // namespace cubelink::imaging
