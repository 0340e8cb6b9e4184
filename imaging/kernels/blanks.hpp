#pragma once
/// Non-finite pixels are blanks: finding and filling them. Pure.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::kernels {

/// Bit i of the words at `bits` says whether value i is a blank; of the last word, bits beyond n are 0. There are ceil(n / 64) words. True if any
/// is set.
bool find_blanks(const float* values, std::size_t n, std::uint64_t* bits, SimdLevel level = simd_level());

/// Copies, with `fill` for each non-finite value. `out` may be `values`.
void fill_blanks(const float* values, std::size_t n, float fill, float* out, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
