#pragma once
/// The moments of a cube along its spectral axis: their numbers (the ICD's Moment), the ends of result names, their units. Pure functions, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

enum class Moment : std::uint8_t {
    mean,
    integrated,           // sum of value · |width of the channel|
    weighted_coordinate,  // sum(I v) / sum(I)
    weighted_dispersion,  // sqrt(sum(I (v − M)²) / sum(I)), M: weighted_coordinate
    median,               // of an even number: the mean of the two in the middle
    median_coordinate,    // where the running sum reaches half of the sum, interpolated between channels
    standard_deviation,   // about the mean, by n − 1
    rms,
    absolute_deviation,   // mean of |I − mean|
    maximum,
    maximum_coordinate,   // of several equal ones: the first channel's
    minimum,
    minimum_coordinate,
};

inline constexpr int moment_count = 13;

/// "average", "integrated", …: what stands behind ".moment." in the name of a result.
std::string_view moment_suffix(Moment moment);

/// Moments whose values are coordinates: their unit is the coordinate's.
bool is_coordinate(Moment moment);

/// The unit of a result. `bunit`: of the image; `coordinate_unit`: "km/s". An image without a unit has moments without, but for coordinates; the
/// integrated one is then in the coordinate's unit.
std::string moment_unit(Moment moment, std::string_view bunit, std::string_view coordinate_unit);

/// The moment that the ICD numbers so.
std::optional<Moment> moment_of_number(int number);

} // namespace cubelink::imaging
