#pragma once
/// The numbers of region files: with units, sexagesimal, and as texts that are read back unchanged. Pure functions; the locale plays no part.

#include "imaging/regions/region_placement.hpp"
#include "imaging/world/number_text.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

enum class NumberUnit { none, pixel, physical, degree, arcminute, arcsecond, radian, hour };

struct UnitNumber {
    double value = 0;
    NumberUnit unit = NumberUnit::none;
    /// In degrees; of no unit as it stands.
    double degrees() const;
    bool is_angle() const { return unit >= NumberUnit::degree; }
};

/// How the units are written.
enum class UnitStyle { ds9, crtf };

/// A size: `12.5`, `12.5"`, `12.5'`, `12.5d`, `12.5arcsec`, `12.5pix`, …; of DS9 `p` physical and `i` image.
std::optional<UnitNumber> size_of(std::string_view text, UnitStyle style);
/// A coordinate: as a size, or `12:34:56.7`, `12h34m56.7s`, `12d34m56.7s`, `12.34.56.7` (degrees, CRTF). `colons_are_hours`: of the first of these.
std::optional<UnitNumber> coordinate_of(std::string_view text, UnitStyle style, bool colons_are_hours);

/// Degrees, of a rotation; empty if it has another unit.
std::optional<double> angle_of(std::string_view text, UnitStyle style);

/// value + offset in decimal digits, with at least so many decimals, from which a reader that takes the offset off gets the same float.
std::string exact_text(double value, double offset, int decimals);
/// With so many decimals.
std::string decimal_text(double value, int decimals);

} // namespace cubelink::imaging
