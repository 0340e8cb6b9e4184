#pragma once
/// Loops over pixels for contours and smoothing. Pure; all versions give the same bits.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::kernels {

/// Bit i of the words at `bits` says whether values[i] ≥ level; of the last word, bits beyond n are 0. There are ceil(n / 64) words. No value is NaN.
void at_least(const float* values, std::size_t n, float level, std::uint64_t* bits,
              SimdLevel simd = simd_level());

/// out[i] = Σ weights[k] · rows[k][i] ÷ total, added up in the order of k, for i in [0, n). The rows may overlap each other, not `out`.
void weighted_mean(const float* const* rows, const float* weights, std::size_t taps, float total, std::size_t n, float* out,
                   SimdLevel level = simd_level());

/// The same over those rows[k][i] that are finite, ÷ the sum of their weights; NaN where none is. With finite values only it gives the same as
/// weighted_mean() with the sum of all weights, added up in the same order.
void weighted_mean_of_finite(const float* const* rows, const float* weights, std::size_t taps, std::size_t n, float* out, SimdLevel level = simd_level());

/// Adds values[i] to sum[i] and 1 to count[i] where it is finite.
void add_finite(const float* values, std::size_t n, double* sum, double* count, SimdLevel level = simd_level());

/// Vertices as integers: q = v · decimation rounded half away from zero (v ≥ 0, and the product below 2³¹), then the differences of neighbouring
/// x and of neighbouring y, of the first ones to 0. `n`: numbers, two for each vertex.
void quantize_vertices(const float* values, std::size_t n, float decimation, std::int32_t* out, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
