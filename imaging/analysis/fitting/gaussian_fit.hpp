#pragma once
/// Fits a sum of elliptical Gaussians and a constant to pixels. Any thread.

#include "imaging/analysis/fitting/fit_outcome.hpp"
#include "imaging/analysis/fitting/fit_pixels.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"
#include "imaging/analysis/fitting/least_squares.hpp"

#include <functional>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Most components of a fit: the normal matrix has 6n + 1 rows.
inline constexpr std::size_t max_gaussians = 64;

struct GaussianFitOptions {
    Decomposition decomposition = Decomposition::qr;
    int max_iterations = 200;
    double tolerance = 1e-8;
    double noise = 0; // standard deviation of the pixels, in which residuals are measured; 0: in the unit of the pixels
    /// Called after each iteration with its number, from 0 on. May throw.
    std::function<void(int)> on_iteration;
};

struct GaussianFit {
    std::vector<GaussianComponent> components; // normalised, if none of their shape was fixed
    std::vector<ComponentState> states;        // of the components
    double offset = 0;
    double offset_variance = 0; // for residuals of variance 1; 0 if it was fixed
    double sum = 0;             // of squared residuals
    std::int64_t pixels = 0;    // finite ones
    std::size_t free_parameters = 0;
    int iterations = 0;
    int fallbacks = 0;
    LeastSquaresEnd end = LeastSquaresEnd::gradient;
};

/// `fixed`: 6 for each component (x, y, amplitude, fwhm_x, fwhm_y, pa) and one for the offset; nothing free: std::invalid_argument. Of a result that did not
/// converge the values are the best ones found. Steps that leave the TrustBox are not taken. The result does not depend on the number of threads. Throws as FitPixels::rows.
///
/// Takes memory_of_fit() bytes besides the pixels.
GaussianFit fit_gaussians(const FitPixels& pixels, std::span<const GaussianComponent> start, double offset, const std::vector<bool>& fixed,
                          const GaussianFitOptions& options, const ThreadShare& threads, const CancelToken& cancel);

std::size_t memory_of_fit(const FitPixels& pixels, std::size_t components, const ThreadShare& threads);

} // namespace cubelink::imaging
