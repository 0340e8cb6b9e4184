#pragma once
/// Kinds and units of frequencies, wavelengths and velocities. Pure functions, any thread.

#include "imaging/world/spectral_axis.hpp"

#include <optional>
#include <string_view>

namespace cubelink::imaging {

/// Whether values of that kind are velocities, which need a rest frequency to become frequencies.
bool is_velocity(SpectralKind kind);

struct SpectralUnit {
    SpectralKind kind = SpectralKind::frequency; // frequency, wavelength, or velocity_radio for velocities of any kind
    double si = 1;                               // Hz, m or m/s in one of the unit
};

/// "GHz", "km/s", "km.s-1", "um", "Angstrom"; nothing for what is no such unit.
std::optional<SpectralUnit> spectral_unit_of(std::string_view unit);

} // namespace cubelink::imaging
