#pragma once
/// Halving of rows, two at a time, carrying sum and count of finite pixels. Pure; all versions give the same bits.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>

namespace cubelink::imaging::kernels {

/// Two rows of n pixels (row1 may be null: the image ends) to ceil(n / 2) blocks.
void halve_pixels(const float* row0, const float* row1, std::size_t n, double* sum, double* count, SimdLevel level = simd_level());

/// Two rows of n blocks (sum1 and count1 may be null) to ceil(n / 2) blocks.
void halve_blocks(const double* sum0, const double* count0, const double* sum1, const double* count1, std::size_t n, double* sum,
                  double* count, SimdLevel level = simd_level());

/// sum ÷ count as float32, NaN where the count is 0.
void block_means(const double* sum, const double* count, std::size_t n, float* mean, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
