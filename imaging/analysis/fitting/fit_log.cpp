#include "imaging/analysis/fitting/fit_log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cubelink::imaging {

namespace {

/// Ten significant digits without an exponent.
std::string decimal(double value) {
    if (!std::isfinite(value)) return "0";
    std::array<char, 40> rounded{};
    std::snprintf(rounded.data(), rounded.size(), "%.9e", value);
    std::array<char, 400> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), std::strtod(rounded.data(), nullptr), std::chars_format::fixed);
    return std::string(text.data(), end.ptr);
}

std::string number(double value, int digits = 7) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    return text.data();
}

/// The value to two digits of its error.
std::string with_error(double value, double error, const std::string& unit, bool fixed) {
    const std::string ending = unit.empty() ? "" : " " + unit;
    if (!(error > 0) || !std::isfinite(error)) return number(value, 9) + ending + (fixed ? " (fixed)" : "");
    const int digits = std::clamp(int(std::floor(std::log10(std::max(std::abs(value), error)))) - int(std::floor(std::log10(error))) + 2, 2, 15);
    return number(value, digits) + " ± " + number(error, 2) + ending;
}

/// A unit without what would look like another value to who reads the lines again.
std::string plain_unit(const std::string& unit) {
    std::string plain;
    for (const char c : unit)
        if (static_cast<unsigned char>(c) >= ' ' && std::string_view("=()[]{}").find(c) == std::string_view::npos) plain += c;
    return plain.find_first_not_of(' ') == std::string::npos ? "arbitrary unit" : plain;
}

std::string plural(std::int64_t count, const std::string& what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

std::string name_of_component(std::size_t index) { return "Component #" + std::to_string(index + 1) + ":\n"; }

std::string size_text(const SkyEllipse& ellipse) {
    return number(ellipse.major, 6) + "″ × " + number(ellipse.minor, 6) + "″, position angle " + number(ellipse.pa, 5) + "°";
}

std::string sky_lines(const FitReport& report, const ComponentReport& component) {
    if (report.wcs == nullptr) return "";
    const GaussianComponent& c = component.value;
    std::string text;
    const auto world = report.wcs->plane_world({c.x, c.y}, report.channel);
    const auto names = report.wcs->plane_names();
    for (int axis = 0; axis < 2; ++axis)
        if (std::isfinite(world[std::size_t(axis)])) text += "  " + names[std::size_t(axis)] + ": " + report.wcs->format_plane_value(axis, world[std::size_t(axis)]) + "\n";
    const auto matrix = report.wcs->celestial_matrix();
    if (!matrix) return text;
    const SkyEllipse ellipse = ellipse_on_sky(c, *matrix);
    text += "  Size on the sky: " + size_text(ellipse) + "\n";
    if (!report.beam) return text;
    const SkyEllipse source = deconvolved(ellipse, *report.beam);
    if (source.major == 0) text += "  Deconvolved from the beam: a point source\n";
    else if (source.minor == 0)
        text += "  Deconvolved from the beam: " + number(source.major, 6) + "″ along position angle " + number(source.pa, 5) + "°, unresolved across\n";
    else text += "  Deconvolved from the beam: " + size_text(source) + "\n";
    return text;
}

} // namespace

std::string log_of_initial_values(std::span<const GaussianComponent> components, const std::string& unit) {
    std::string text = "Generated initial values\n";
    const std::string of_amplitude = plain_unit(unit);
    for (std::size_t k = 0; k < components.size(); ++k) {
        const GaussianComponent& c = components[k];
        text += name_of_component(k);
        text += "Center X = " + decimal(c.x) + " (px)\n";
        text += "Center Y = " + decimal(c.y) + " (px)\n";
        text += "Amplitude = " + decimal(c.amplitude) + " (" + of_amplitude + ")\n";
        text += "FWHM X = " + decimal(c.fwhm_x) + " (px)\n";
        text += "FWHM Y = " + decimal(c.fwhm_y) + " (px)\n";
        text += "P.A. = " + decimal(c.pa) + " (deg)\n";
    }
    return text + "\n";
}

std::string sentence_of(const GaussianFit& fit) {
    const std::string after = " after " + plural(fit.iterations, "iteration");
    switch (fit.end) {
    case LeastSquaresEnd::gradient:
    case LeastSquaresEnd::step:
    case LeastSquaresEnd::rounding: return "The fit has converged" + after + ".";
    case LeastSquaresEnd::iteration_limit: return "The fit has not converged: it was ended" + after + ". The values are the best ones so far.";
    case LeastSquaresEnd::no_value: return "The model has no finite value at the initial values, or around them.";
    }
    return "";
}

std::string log_of_fit(const FitReport& report) {
    const GaussianFit& fit = report.fit;
    std::string text = "Gaussian fitting with " + plural(std::int64_t(report.components.size()), "component") + "\n";
    text += "Image: " + report.image + "\n";
    text += "Region: " + report.region + ", " + plural(fit.pixels, "finite pixel") + "\n";
    text += "Solver: " + std::string(name_of(report.decomposition)) + ", " + plural(std::int64_t(fit.free_parameters), "free parameter") + "\n";
    if (fit.fallbacks > 0)
        text += "The normal matrix was singular in " + plural(fit.fallbacks, "step") + ": there the SVD was used.\n";
    text += sentence_of(fit) + "\n";
    if (const auto sentences = sentences_of(fit.states); !sentences.empty()) text += sentences + "\n";
    const std::string unit = report.unit.empty() ? "" : " " + report.unit;
    text += "Noise (1.4826 times the median absolute deviation): " + number(report.noise.rms) + unit + "\n";
    text += "Sum of squared residuals: " + number(fit.sum) + (report.noise.rms > 0 ? " times the noise squared" : "");
    if (fit.pixels > std::int64_t(fit.free_parameters)) text += ", " + number(fit.sum / double(fit.pixels - std::int64_t(fit.free_parameters))) + " per degree of freedom";
    text += "\n\n";
    for (std::size_t k = 0; k < report.components.size(); ++k) {
        const ComponentReport& one = report.components[k];
        const bool determined = one.state == ComponentState::determined;
        text += name_of_component(k);
        if (!determined) text += "  Not determined: values without errors and without a flux.\n";
        text += "  Center X: " + with_error(one.value.x, one.error.x, "px", one.fixed[0]) + "\n";
        text += "  Center Y: " + with_error(one.value.y, one.error.y, "px", one.fixed[1]) + "\n";
        text += "  Amplitude: " + with_error(one.value.amplitude, one.error.amplitude, report.unit, one.fixed[2]) + "\n";
        text += "  FWHM X: " + with_error(one.value.fwhm_x, one.error.fwhm_x, "px", one.fixed[3]) + "\n";
        text += "  FWHM Y: " + with_error(one.value.fwhm_y, one.error.fwhm_y, "px", one.fixed[4]) + "\n";
        text += "  P.A.: " + with_error(one.value.pa, one.error.pa, "deg", one.fixed[5]) + "\n";
        if (one.flux && !determined) text += "  Integrated flux: not determined\n";
        else if (one.flux) text += "  Integrated flux: " + with_error(one.flux->value, one.flux->error, report.flux_unit, false) + "\n";
        text += (determined ? sky_lines(report, one) : "") + "\n";
    }
    text += "Offset: " + with_error(fit.offset, report.offset_error, report.unit, report.offset_fixed) + "\n";
    return text;
}

} // namespace cubelink::imaging
