#pragma once
/// Whether a fit has determined its components. Pure functions and plain values; any thread.

#include "imaging/analysis/fitting/fit_results.hpp"
#include "imaging/analysis/fitting/gaussian_model.hpp"
#include "imaging/base/geometry.hpp"

#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class ComponentState {
    determined,
    no_influence, // on the fitted pixels, or less than a thousandth of its amplitude
    outside,      // its centre is further from the fitted rectangle than its full width at half maximum
    too_wide      // wider than five times the longer side of the fitted rectangle: no more than a slope
};

/// Of a component of a fit to pixels within `bounds`. `squares`: Σ g² over the pixels, g being the component with amplitude 1. What was fixed is not held
/// against it.
ComponentState state_of(const GaussianComponent& component, const FixedParameters& fixed, const Rect& bounds, double squares);

/// "Component 1 has left the fitted pixels: …", one sentence for each state but `determined`, after one another; empty if all are determined.
std::string sentences_of(std::span<const ComponentState> states);

/// Where the steps of a fit have to stay, so that a component that nothing holds does not run away: centres within ten times the rectangle, widths less than a
/// hundred times its longer side, or as far as the start was.
class TrustBox {
public:
    TrustBox(const Rect& bounds, std::span<const GaussianComponent> start);
    bool contains(std::span<const GaussianComponent> components) const; // as many as at the start

private:
    struct Limits {
        double x = 0, y = 0; // distances from the middle
        double width = 0;
    };
    double middle_x_, middle_y_;
    std::vector<Limits> limits_;
};

} // namespace cubelink::imaging
