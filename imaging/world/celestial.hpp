#pragma once
/// Celestial frames and the conversion between them (through ERFA; wcslib has none). Pure functions, any thread.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cubelink::imaging {

enum class SkyFrame { icrs, fk5, fk4, galactic, ecliptic, unknown };

/// A frame with its equinox: Julian years for fk5 and ecliptic, Besselian for fk4; not used by icrs and galactic.
struct SkySystem {
    SkyFrame frame = SkyFrame::unknown;
    double equinox = 2000.0;
    friend bool operator==(const SkySystem&, const SkySystem&) = default;
};

/// Degrees. Longitude in [0, 360).
struct SkyPoint {
    double lon = 0, lat = 0;
};

/// "ICRS", "FK5" (J2000), "FK4" (B1950), "GALACTIC", "ECLIPTIC", any case, "J2000" and "B1950" too.
std::optional<SkySystem> sky_system_of(std::string_view name);
std::string_view name_of(SkyFrame frame);

/// The same direction in another system; no proper motion. A point whose frame is unknown is returned unchanged if `to` is unknown too,
/// else NaN. FK4 is with E-terms, observed at its equinox.
SkyPoint convert(SkyPoint point, const SkySystem& from, const SkySystem& to);
/// The same for many points, in place: what depends on the systems alone is computed once.
void convert(std::span<SkyPoint> points, const SkySystem& from, const SkySystem& to);

/// Angle between two directions, degrees.
double separation(SkyPoint a, SkyPoint b);

/// Sexagesimal texts: "12:34:56.789" (hours, wrapped to [0, 24)) and "+12:34:56.78" (degrees, signed). `decimals` of the seconds.
std::string format_hours(double degrees, int decimals);
std::string format_degrees(double degrees, int decimals);

} // namespace cubelink::imaging
