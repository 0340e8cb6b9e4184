#include "imaging/world/spectral_axis.hpp"

#include "imaging/world/spectral_unit.hpp"

#include <cmath>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr double c = 299792458.0;
constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

/// Refraction of dry air by the wavelength in metres (International Union of Geodesy and Geophysics 1999, as in FITS paper III).
double refraction(double metres) {
    const double s = 1e-12 / (metres * metres); // 1/µm²
    return 1 + 1e-6 * (287.6155 + (1.62887 + 0.01360 * s) * s);
}

double vacuum_of_air(double air) {
    double vacuum = air;
    for (int round = 0; round < 4; ++round) vacuum = air * refraction(vacuum);
    return vacuum;
}

} // namespace

std::optional<SpectralKind> spectral_kind_of(std::string_view name) {
    if (name.starts_with("velocity_")) name.remove_prefix(9);
    if (name == "channel") return SpectralKind::channel;
    if (name == "frequency") return SpectralKind::frequency;
    if (name == "wavelength") return SpectralKind::wavelength;
    if (name == "air_wavelength") return SpectralKind::air_wavelength;
    if (name == "radio") return SpectralKind::velocity_radio;
    if (name == "optical") return SpectralKind::velocity_optical;
    if (name == "relativistic") return SpectralKind::velocity_relativistic;
    return std::nullopt;
}

double to_frequency(double value, SpectralKind kind, double rest) {
    if (is_velocity(kind) && !(rest > 0)) return nothing;
    double result = nothing;
    switch (kind) {
    case SpectralKind::channel: return nothing;
    case SpectralKind::frequency: result = value; break;
    case SpectralKind::wavelength: result = c / value; break;
    case SpectralKind::air_wavelength: result = c / vacuum_of_air(value); break;
    case SpectralKind::velocity_radio: result = rest * (1 - value / c); break;
    case SpectralKind::velocity_optical: result = rest / (1 + value / c); break;
    case SpectralKind::velocity_relativistic: result = rest * std::sqrt((c - value) / (c + value)); break;
    }
    return std::isfinite(result) ? result : nothing;
}

double from_frequency(double frequency, SpectralKind kind, double rest) {
    if (is_velocity(kind) && !(rest > 0)) return nothing;
    double result = nothing;
    switch (kind) {
    case SpectralKind::channel: return nothing;
    case SpectralKind::frequency: result = frequency; break;
    case SpectralKind::wavelength: result = c / frequency; break;
    case SpectralKind::air_wavelength: result = c / frequency / refraction(c / frequency); break;
    case SpectralKind::velocity_radio: result = c * (1 - frequency / rest); break;
    case SpectralKind::velocity_optical: result = c * (rest / frequency - 1); break;
    case SpectralKind::velocity_relativistic: {
        const double ratio = frequency / rest, square = ratio * ratio;
        result = c * (1 - square) / (1 + square);
        break;
    }
    }
    return std::isfinite(result) ? result : nothing;
}

SpectralAxis::SpectralAxis(std::vector<double> values, SpectralKind kind, std::optional<double> rest_frequency, std::string spectral_frame,
                           std::array<double, 2> ends)
    : values_(std::move(values)), ends_(ends), kind_(kind), rest_frequency_(rest_frequency), frame_(std::move(spectral_frame)) {
    // A table of values ("-TAB") may end with the channels.
    if (const auto n = values_.size(); n > 1) {
        if (std::isnan(ends_[0])) ends_[0] = values_[0] - (values_[1] - values_[0]) / 2;
        if (std::isnan(ends_[1])) ends_[1] = values_[n - 1] + (values_[n - 1] - values_[n - 2]) / 2;
    }
}

std::vector<double> SpectralAxis::values(SpectralKind kind, std::optional<double> rest_frequency, double frequency_factor) const {
    std::vector<double> result(values_.size());
    const double own = rest_frequency_.value_or(0);
    const double rest = rest_frequency && *rest_frequency > 0 ? *rest_frequency : own;
    for (std::size_t i = 0; i < result.size(); ++i) {
        if (kind == SpectralKind::channel) result[i] = static_cast<double>(i);
        else if (kind == kind_ && frequency_factor == 1 && (!is_velocity(kind) || rest == own)) result[i] = values_[i];
        else result[i] = from_frequency(to_frequency(values_[i], kind_, own) * frequency_factor, kind, rest);
    }
    return result;
}

double SpectralAxis::native_at(double channel) const {
    if (values_.empty() || !std::isfinite(channel)) return nothing;
    const double last = static_cast<double>(values_.size() - 1);
    if (channel < 0) return values_.front() + (ends_[0] - values_.front()) * channel / -0.5;
    if (channel > last) return values_.back() + (ends_[1] - values_.back()) * (channel - last) / 0.5;
    const double below = std::floor(channel);
    const auto at = static_cast<std::size_t>(below);
    return at + 1 < values_.size() ? std::lerp(values_[at], values_[at + 1], channel - below) : values_[at];
}

} // namespace cubelink::imaging
