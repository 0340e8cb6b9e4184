#pragma once
/// Non-finite pixels are blanks: finding and filling them. Pure.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>

namespace cubelink::imaging::kernels {

bool all_finite(const float* values, std::size_t n, SimdLevel level = simd_level());

/// Copies, with `fill` for each non-finite value. `out` may be `values`.
void fill_blanks(const float* values, std::size_t n, float fill, float* out, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
