#pragma once
/// From pixel values to places on a colour map, and the values between which the map lies. The viewer computes the same (www/src/stretch.ts). Pure
/// functions, any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cubelink::imaging {

struct Histogram;

enum class Stretch : std::uint8_t { linear, log, sqrt, asinh };

/// In the order of the enumeration.
inline constexpr std::array<std::string_view, 4> stretch_names{"linear", "log", "sqrt", "asinh"};
inline std::string_view name_of(Stretch stretch) { return stretch_names[static_cast<std::size_t>(stretch)]; }
std::optional<Stretch> stretch_named(std::string_view name);

/// log(1 + a·t) / log(1 + a), and asinh(t / s) / asinh(1 / s).
inline constexpr double log_stretch_alpha = 1000, asinh_stretch_softening = 0.1;

/// The values at the ends of a colour map.
struct ClipLimits {
    double low = 0, high = 0;
    friend bool operator==(const ClipLimits&, const ClipLimits&) = default;
};

/// 0 at the lower limit and below, 1 at the upper one and above. Where both are one value, that value is in the middle. `value` is finite or infinite, not NaN.
double clipped(double value, const ClipLimits& limits);
/// The place on the colour map, 0 to 1, of a clipped value.
double stretched(double clipped, Stretch stretch);

/// The limits between which `percent` (0 to 100) of the counted pixels lie, the rest shared evenly between both ends; between the edges of bins, values are
/// taken to be spread evenly. Nothing if the histogram counts nothing.
std::optional<ClipLimits> percentile_limits(const Histogram& histogram, double percent);
inline constexpr double default_clip_percentile = 99.5;

/// The stretch that shows both faint and bright pixels with these limits: linear where the values spread about as far above their median as below it, as noise
/// and fields that are filled do, and asinh where a few are far brighter than the rest.
Stretch automatic_stretch(const Histogram& histogram, const ClipLimits& limits);

} // namespace cubelink::imaging
