#pragma once
/// FITTING_REQUEST, checked. Pure function.

#include "imaging/analysis/fitting/gaussian_fit.hpp"
#include "rpc/icd/messages.hpp"

#include <cstddef>
#include <vector>

namespace cubelink::server {

/// What of it does not depend on the image.
struct FittingPlan {
    std::size_t components = 1;                      // that are wanted
    std::vector<imaging::GaussianComponent> initial; // empty: to be found
    double offset = 0;
    std::vector<bool> fixed; // 6 for each component, and the offset
    imaging::Decomposition solver = imaging::Decomposition::qr;
};
/// Throws PathError that says what is wrong.
FittingPlan fitting_plan(const icd::FittingRequest& request);

} // namespace cubelink::server
