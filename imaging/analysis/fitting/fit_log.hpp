#pragma once
/// A fit as text for its user. Pure functions; any thread.
///
/// CARTA's page reads generated start values out of it: every "= <decimal> (" before the line "Gaussian fitting with …", six for each component. So these are
/// plain decimals without exponents, and nothing else there looks like that.

#include "imaging/analysis/fitting/fit_results.hpp"
#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "imaging/world/wcs.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// "Generated initial values …", one line for each parameter. `unit`: of the pixels, may be empty; any text: what could be taken for a value is left out of it.
std::string log_of_initial_values(std::span<const GaussianComponent> components, const std::string& unit);

/// What belongs to one component.
struct ComponentReport {
    GaussianComponent value, error;
    FixedParameters fixed{};
    std::optional<Flux> flux;
    ComponentState state = ComponentState::determined; // else errors and flux count for nothing
};
struct FitReport {
    std::string image; // its name, channel and polarization: "m51.fits, channel 3, stokes I"
    std::string region; // "the whole image"
    std::string unit;
    std::string flux_unit; // "Jy"
    GaussianFit fit;
    Decomposition decomposition = Decomposition::qr;
    FitNoise noise;
    double offset_error = 0;
    bool offset_fixed = false;
    std::vector<ComponentReport> components;
    const Wcs* wcs = nullptr; // for positions and sizes on the sky; null: there are none
    double channel = 0;
    std::optional<Beam> beam; // valid
};
/// "Gaussian fitting with …".
std::string log_of_fit(const FitReport& report);

/// How a fit has ended, as a sentence.
std::string sentence_of(const GaussianFit& fit);

} // namespace cubelink::imaging
