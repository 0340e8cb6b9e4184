#pragma once
/// Sums over pixels. Pure, thread-safe.
///
/// All versions of a kernel give the same bits: pixel i goes into accumulator i mod 16, the accumulators are folded in halves, and no
/// multiply-add is fused. (Of equal extremes −0 and +0, which one is returned is not said.)

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>

namespace cubelink::imaging::kernels {

/// Of the finite values; min and max are +inf and −inf if there are none.
struct Reduced {
    std::int64_t count = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    double sum = 0, sum_sq = 0;
    double m2 = 0; // sum of (x − sum/count)², by a second pass: let n be small enough for the first-level cache
};

Reduced reduce(const float* values, std::size_t n, SimdLevel level = simd_level());
Reduced reduce(const double* values, std::size_t n, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
