#pragma once
/// Sums over blocks of any size, in double precision. Pure; all versions give the same bits.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::kernels {

/// Sums and counts of the finite pixels in each of n columns of `rows` rows that lie `stride` apart.
void sum_columns(const float* pixels, std::ptrdiff_t stride, std::size_t rows, std::size_t n, double* sum, std::uint32_t* count,
                 SimdLevel level = simd_level());

/// Adds columns [first, first + n) to blocks of `side` columns each: column c belongs to block c / side.
void add_to_blocks(const double* sum, const std::uint32_t* count, std::int64_t first, std::size_t n, std::int64_t side, double* block_sum,
                   double* block_count);

} // namespace cubelink::imaging::kernels
