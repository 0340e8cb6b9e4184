#pragma once
/// Channels as frequency, wavelength or velocity. Immutable after it is made; any thread.

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

enum class SpectralKind {
    channel,
    frequency,             // Hz
    wavelength,            // m, in vacuum
    air_wavelength,        // m
    velocity_radio,        // m/s
    velocity_optical,      // m/s
    velocity_relativistic, // m/s, apparent radial velocity
};

/// "channel", "frequency", "wavelength", "air_wavelength", "radio", "optical", "relativistic" (also with "velocity_" in front).
std::optional<SpectralKind> spectral_kind_of(std::string_view name);

/// SI units in and out. NaN if the rest frequency is needed and is not above 0, or if there is no such value.
double to_frequency(double value, SpectralKind kind, double rest_frequency);
double from_frequency(double frequency, SpectralKind kind, double rest_frequency);

class SpectralAxis {
public:
    /// `values`: one for each channel, in the SI unit of `kind`; `ends`: half a channel before the first and behind the last; NaN:
    /// from the two channels there.
    SpectralAxis(std::vector<double> values, SpectralKind kind, std::optional<double> rest_frequency, std::string spectral_frame,
                 std::array<double, 2> ends = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()});

    std::int64_t length() const { return static_cast<std::int64_t>(values_.size()); }
    SpectralKind kind() const { return kind_; }                                     // of the file's own axis
    const std::vector<double>& native_values() const { return values_; }            // of the file's own axis
    std::optional<double> rest_frequency() const { return rest_frequency_; }        // Hz, from the header
    const std::string& spectral_frame() const { return frame_; }                    // SPECSYS, or empty

    /// All channels as `kind`; `rest_frequency` in Hz replaces the header's if it is given and above 0. Frequencies are multiplied by `frequency_factor` first,
    /// which brings them to another spectral frame. NaN where the conversion is not possible.
    std::vector<double> values(SpectralKind kind, std::optional<double> rest_frequency = std::nullopt, double frequency_factor = 1) const;

    /// Of the file's own axis between two channels, linearly; beyond the ends as the last half channel goes on. NaN where the axis has no values.
    double native_at(double channel) const;

private:
    std::vector<double> values_;
    std::array<double, 2> ends_;
    SpectralKind kind_;
    std::optional<double> rest_frequency_;
    std::string frame_;
};

} // namespace cubelink::imaging
