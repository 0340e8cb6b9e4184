#pragma once
/// Loops over pixels for Gaussian fits. Pure; all versions give the same bits.
///
/// Along a row an elliptical Gaussian is exp(top − curvature · d²) with d = start + i, the distance from its crest in this row. Its derivatives are
/// that times polynomials of second degree in d, so that all that a fit needs of a row is sums of powers of d (gaussian_model.hpp).

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>

namespace cubelink::imaging::kernels {

/// exp of each value, to 1.5 units in the last place: 0 below −708, infinite above 709, NaN of NaN. `out` may be `values`.
void exponentials(const double* values, std::size_t n, double* out, SimdLevel level = simd_level());

/// residuals[i] = offset − data[i] and finite[i] = 1 where data[i] is finite, else both 0. Returns how many are finite.
std::size_t begin_residuals(const float* data, std::size_t n, double offset, double* residuals, double* finite, SimdLevel level = simd_level());
std::size_t begin_residuals(const double* data, std::size_t n, double offset, double* residuals, double* finite, SimdLevel level = simd_level());

struct RowGaussian {
    double top = 0;       // ≤ 0
    double curvature = 0; // > 0
    double start = 0;     // d of the first pixel
    double amplitude = 0;
};
/// gaussian[i] = exp(top − curvature · d²) · finite[i]; model[i] += amplitude · gaussian[i]. `finite` may be null: all 1.
void add_gaussian(const RowGaussian& row, const double* finite, std::size_t n, double* gaussian, double* model, SimdLevel level = simd_level());

struct ResidualSums {
    double sum = 0, squares = 0;
};
ResidualSums residual_sums(const double* residuals, std::size_t n, SimdLevel level = simd_level());

/// Σ g·d^k, Σ g·r·d^k for k ≤ 2, and Σ g²·d^k for k ≤ 4, with d = start + i.
struct GaussianSums {
    double g[3] = {}, gr[3] = {}, gg[5] = {};
};
GaussianSums gaussian_sums(const double* gaussian, const double* residuals, double start, std::size_t n, SimdLevel level = simd_level());

/// Σ g·h·d^k for k ≤ 4, of two Gaussians.
struct PairSums {
    double gh[5] = {};
};
PairSums pair_sums(const double* g, const double* h, double start, std::size_t n, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
