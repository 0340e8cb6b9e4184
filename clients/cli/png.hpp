#pragma once
/// Pixels as grey PNG pictures.

#include <cstdint>
#include <string>
#include <vector>

namespace cubelink::cli {

struct Rendering {
    double percentile = 99.5; // of the finite values that lie within the limits, as many below as above outside
    std::string stretch = "linear"; // linear, sqrt, log, asinh
    bool inverted = false;
};

/// Row-major pixels from the bottom up as an 8-bit grey picture with transparency, from the top down; NaN is transparent. `values` has width·height
/// elements, both at least 1.
std::string grey_png(const std::vector<float>& values, std::int32_t width, std::int32_t height, const Rendering& rendering);

} // namespace cubelink::cli
