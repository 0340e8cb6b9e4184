#include "imaging/analysis/fitting/fit_results.hpp"

#include "imaging/world/units.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace cubelink::imaging {

namespace {

constexpr double ln2 = std::numbers::ln2;
constexpr double degree = std::numbers::pi / 180;

/// 1 / ρ², Condon's signal to noise ratio; 0 without noise. The exponents belong to the major and the minor axis.
double noise_to_signal(const GaussianComponent& c, const FitNoise& noise, double along, double across) {
    const double area = std::abs(c.fwhm_x * c.fwhm_y);
    const double ratio = noise.rms / c.amplitude;
    if (noise.beam > 0) {
        const double a = noise.beam / c.fwhm_x, b = noise.beam / c.fwhm_y;
        return 4 * noise.beam * noise.beam / area * ratio * ratio / (std::pow(1 + a * a, along) * std::pow(1 + b * b, across));
    }
    return 8 * ln2 / (std::numbers::pi * area) * ratio * ratio;
}

/// A symmetric matrix of second moments: xx, xy, yy.
struct Moments {
    double xx = 0, xy = 0, yy = 0;
};
SkyEllipse ellipse_of(const Moments& m) {
    const double mean = (m.xx + m.yy) / 2, half = std::hypot((m.yy - m.xx) / 2, m.xy);
    SkyEllipse ellipse;
    ellipse.major = std::sqrt(std::max(0.0, mean + half));
    ellipse.minor = std::sqrt(std::max(0.0, mean - half));
    if (half > 0) ellipse.pa = std::atan2(2 * m.xy, m.yy - m.xx) / 2 / degree; // y is north, x is east
    if (ellipse.pa < 0) ellipse.pa += 180;
    return ellipse;
}
/// Of an ellipse whose major axis is in the direction (sin pa, cos pa).
Moments moments_of(double major, double minor, double pa) {
    const double s = std::sin(pa * degree), c = std::cos(pa * degree), a = major * major, b = minor * minor;
    return {a * s * s + b * c * c, (a - b) * s * c, a * c * c + b * s * s};
}

} // namespace

GaussianComponent errors_of(const GaussianComponent& c, const FixedParameters& fixed, const FitNoise& noise) {
    const double amplitude = std::sqrt(2 * noise_to_signal(c, noise, 1.5, 1.5));
    const double major = std::sqrt(2 * noise_to_signal(c, noise, 2.5, 0.5)), minor = std::sqrt(2 * noise_to_signal(c, noise, 0.5, 2.5));
    const double s = std::sin(c.pa * degree), k = std::cos(c.pa * degree);
    // Of the centre along both axes, then along x and y.
    const double along = major * c.fwhm_x / std::sqrt(8 * ln2), across = minor * c.fwhm_y / std::sqrt(8 * ln2);
    GaussianComponent e;
    e.x = std::hypot(along * s, across * k);
    e.y = std::hypot(along * k, across * s);
    e.amplitude = amplitude * std::abs(c.amplitude);
    e.fwhm_x = major * c.fwhm_x;
    e.fwhm_y = minor * c.fwhm_y;
    const double difference = std::abs(c.fwhm_x * c.fwhm_x - c.fwhm_y * c.fwhm_y);
    const double turn = std::numbers::sqrt2 * minor * c.fwhm_x * c.fwhm_y / difference / degree;
    e.pa = minor == 0 ? 0 : turn < 90 ? turn : 90;
    auto values = parameters_of(e);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (fixed[i] || noise.rms == 0) values[i] = 0;
        else if (std::isnan(values[i])) values[i] = std::numeric_limits<double>::infinity(); // no signal
    return component_of(values);
}

std::optional<FitFluxUnit> flux_unit_of(std::string_view bunit) {
    const std::string unit = normalise_unit(bunit);
    const auto slash = unit.find('/');
    if (slash == std::string::npos) return std::nullopt;
    FitFluxUnit flux;
    flux.unit = unit.substr(0, slash);
    const auto per = unit.substr(slash + 1);
    if (per == "beam") flux.kind = FitFluxUnit::Kind::per_beam;
    else if (per == "pixel" || per == "pix") flux.kind = FitFluxUnit::Kind::per_pixel;
    else return std::nullopt;
    static constexpr std::pair<std::string_view, double> scales[] = {{"Jy", 1}, {"kJy", 1e3}, {"MJy", 1e6}, {"mJy", 1e-3}, {"uJy", 1e-6}, {"nJy", 1e-9}};
    for (const auto& [name, scale] : scales) {
        if (flux.unit != name) continue;
        flux.scale = scale;
        return flux;
    }
    return std::nullopt;
}

std::optional<Flux> flux_of(const GaussianComponent& c, const FixedParameters& fixed, const FitNoise& noise, const FitFluxUnit& unit) {
    const bool per_beam = unit.kind == FitFluxUnit::Kind::per_beam;
    if (per_beam && !(noise.beam > 0)) return std::nullopt;
    const double area = std::abs(c.fwhm_x * c.fwhm_y);
    Flux flux;
    flux.value = c.amplitude * area * (per_beam ? 1 / (noise.beam * noise.beam) : std::numbers::pi / (4 * ln2));
    const GaussianComponent e = errors_of(c, fixed, noise);
    double square = 0;
    if (noise.beam > 0) {
        const auto part = [](double error, double value) { return value == 0 ? 0 : error / value * error / value; };
        square = part(e.amplitude, c.amplitude) + noise.beam * noise.beam / area * (part(e.fwhm_x, c.fwhm_x) + part(e.fwhm_y, c.fwhm_y));
    } else if (!(fixed[2] && fixed[3] && fixed[4])) {
        square = 2 * noise_to_signal(c, noise, 0, 0);
    }
    flux.error = std::abs(flux.value) * std::sqrt(square);
    return flux;
}

SkyEllipse ellipse_on_sky(const GaussianComponent& c, const std::array<double, 4>& matrix) {
    const Moments p = moments_of(c.fwhm_x, c.fwhm_y, -c.pa); // +y towards −x
    const double ex = matrix[0] * 3600, ey = matrix[1] * 3600, nx = matrix[2] * 3600, ny = matrix[3] * 3600;
    return ellipse_of({ex * ex * p.xx + 2 * ex * ey * p.xy + ey * ey * p.yy, ex * nx * p.xx + (ex * ny + ey * nx) * p.xy + ey * ny * p.yy,
                       nx * nx * p.xx + 2 * nx * ny * p.xy + ny * ny * p.yy});
}

SkyEllipse deconvolved(const SkyEllipse& ellipse, const Beam& beam) {
    const Moments all = moments_of(ellipse.major, ellipse.minor, ellipse.pa);
    const Moments of_beam = moments_of(beam.major, beam.minor, std::isfinite(beam.pa) ? beam.pa : 0);
    const Moments left{all.xx - of_beam.xx, all.xy - of_beam.xy, all.yy - of_beam.yy};
    SkyEllipse source = ellipse_of(left);
    // Differences that are all rounding.
    const double least = 1e-6 * std::max(ellipse.major, beam.major);
    if (source.minor < least) source.minor = 0;
    if (source.major < least) source = {};
    return source;
}

} // namespace cubelink::imaging
