#pragma once
/// Start values for a fit where the user gives none. Any thread.
///
/// Sources are looked for one after the other: in what is left of the image when those that are known already have been subtracted, the peak that stands out most,
/// at whatever scale (means over blocks of 1, 2, 4, … pixels). A Gaussian is fitted to its surroundings; then all of them are fitted together. Where
/// structure remains when all have been found, the least of them is tried elsewhere.

#include "imaging/analysis/fitting/fit_pixels.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace cubelink::imaging {

struct InitialValues {
    std::vector<GaussianComponent> components; // brightest first; at least one
    double offset = 0;
};

/// At most `count` components (1 to max_gaussians): fewer, if no more stand out of the noise. `offset`: the value that it is fixed to; none: it is estimated. `beam`:
/// full width at half maximum of the restoring beam in pixels, over which noise is correlated; 0: none. Images of more than a million pixels are looked at
/// in means over blocks. `on_progress` is called with the part that is done, 0 … 1, after each step, and may throw. Takes some 40 MB of the budget at most. Throws std::invalid_argument if no pixel is finite, else as FitPixels::rows.
InitialValues find_initial_values(const FitPixels& pixels, std::size_t count, std::optional<double> offset, double beam, BudgetCache& budget,
                                  const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& on_progress = {});

} // namespace cubelink::imaging
