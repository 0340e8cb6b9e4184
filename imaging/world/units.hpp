#pragma once
/// Spelling of units. Pure functions, any thread.

#include <string>
#include <string_view>

namespace cubelink::imaging {

/// "JY/BEAM", "beam-1 Jy" and "Jy beam^-1" become "Jy/beam", "DEG" "deg", "HZ" "Hz", "KM/S" "km/s"; unknown units are returned unchanged.
std::string normalise_unit(std::string_view unit);

} // namespace cubelink::imaging
