#pragma once
/// The roles of an image's axes: see AxesNumbers. Pure functions, any thread.

#include "imaging/source/image_info.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

class Header;

struct Axes {
    AxesNumbers numbers;
    int rendered_x = 1, rendered_y = 2; // 1-based: the first two axes that are not stokes
    bool swapped = false;               // one of these is the spectral axis
    ImageShape shape;
    std::vector<std::string> names;     // "RA", "FREQ", …, "NA"
};

/// From CTYPEn; without a known type by position (the third of three axes is spectral, …). Throws ImageError unless there are 2 to 4
/// axes of positive length.
Axes identify_axes(const Header& header, const std::vector<std::int64_t>& lengths);

bool is_spectral_type(std::string_view ctype);
bool is_stokes_type(std::string_view ctype);
/// "lon", "lat" or "" for other types.
std::string_view celestial_role(std::string_view ctype);
/// "RA---SIN" is "RA", "FREQ" is "FREQ".
std::string axis_name(std::string_view ctype);

/// The FITS value of the stokes axis as the ICD's PolarizationType (1 I … 12 YX; 0 for other values), and the name of such a type.
int polarization_type(double fits_value);
std::string polarization_name(int type);

} // namespace cubelink::imaging
