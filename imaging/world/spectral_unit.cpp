#include "imaging/world/spectral_unit.hpp"

#include "imaging/world/units.hpp"

namespace cubelink::imaging {

bool is_velocity(SpectralKind kind) {
    return kind == SpectralKind::velocity_radio || kind == SpectralKind::velocity_optical || kind == SpectralKind::velocity_relativistic;
}

std::optional<SpectralUnit> spectral_unit_of(std::string_view unit) {
    static constexpr struct {
        std::string_view name;
        SpectralUnit unit;
    } known[] = {
        {"Hz", {SpectralKind::frequency, 1}},          {"kHz", {SpectralKind::frequency, 1e3}},       {"MHz", {SpectralKind::frequency, 1e6}},
        {"GHz", {SpectralKind::frequency, 1e9}},       {"THz", {SpectralKind::frequency, 1e12}},      {"m", {SpectralKind::wavelength, 1}},
        {"cm", {SpectralKind::wavelength, 1e-2}},      {"mm", {SpectralKind::wavelength, 1e-3}},      {"um", {SpectralKind::wavelength, 1e-6}},
        {"micron", {SpectralKind::wavelength, 1e-6}},  {"nm", {SpectralKind::wavelength, 1e-9}},      {"Angstrom", {SpectralKind::wavelength, 1e-10}},
        {"angstrom", {SpectralKind::wavelength, 1e-10}}, {"AA", {SpectralKind::wavelength, 1e-10}},   {"m/s", {SpectralKind::velocity_radio, 1}},
        {"km/s", {SpectralKind::velocity_radio, 1e3}}, {"cm/s", {SpectralKind::velocity_radio, 1e-2}},
    };
    const auto wanted = normalise_unit(unit);
    for (const auto& one : known)
        if (one.name == wanted) return one.unit;
    return std::nullopt;
}

} // namespace cubelink::imaging
