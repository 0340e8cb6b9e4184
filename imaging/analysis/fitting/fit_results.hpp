#pragma once
/// What follows from a fitted Gaussian: errors, flux, its size on the sky, that without the beam. Pure functions; any thread.

#include "imaging/analysis/fitting/gaussian_model.hpp"
#include "imaging/world/beam.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace cubelink::imaging {

/// What errors are made of. `beam`: the mean full width at half maximum of the beam in pixels, sqrt(major · minor), over which noise is correlated; 0: noise
/// is independent from pixel to pixel.
struct FitNoise {
    double rms = 0;
    double beam = 0;
};

/// Which parameters of a component were fixed.
using FixedParameters = std::array<bool, gaussian_parameters>;

/// Standard errors after Condon 1997 (PASP 109, 166); 0 of what was fixed. That of the position angle is at most 90 degrees, which a round source
/// has. Infinite where there is no signal.
GaussianComponent errors_of(const GaussianComponent& component, const FixedParameters& fixed, const FitNoise& noise);

struct Flux {
    double value = 0, error = 0;
};
/// What a pixel's unit says of the flux of a source. `scale`: of the unit in jansky.
struct FitFluxUnit {
    enum class Kind { per_beam, per_pixel } kind = Kind::per_beam;
    std::string unit;  // "mJy"
    double scale = 1;  // 1e-3
};
/// Of "Jy/beam", "mJy/pixel" and the like; none of other units.
std::optional<FitFluxUnit> flux_unit_of(std::string_view bunit);
/// The integral, in the unit's numerator, with its error after Condon. None if the unit is per beam and there is no beam.
std::optional<Flux> flux_of(const GaussianComponent& component, const FixedParameters& fixed, const FitNoise& noise, const FitFluxUnit& unit);

/// An ellipse on the sky: full widths at half maximum in arcsec, position angle in degrees from north through east, in 0 … 180.
struct SkyEllipse {
    double major = 0, minor = 0, pa = 0;
};
/// `matrix`: Wcs::celestial_matrix().
SkyEllipse ellipse_on_sky(const GaussianComponent& component, const std::array<double, 4>& matrix);

/// The source that, convolved with the beam, gives the ellipse: Wild 1970 (Australian Journal of Physics 23, 113). An axis in which the source is no wider than the beam is 0.
SkyEllipse deconvolved(const SkyEllipse& ellipse, const Beam& beam);

} // namespace cubelink::imaging
