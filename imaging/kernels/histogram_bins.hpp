#pragma once
/// Counts pixels into bins. Pure but for `counts`; all versions count the same.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::kernels {

/// Bins of equal width from min to max, both finite, min < max. So that neither max − min nor the width over- or underflows, values are
/// multiplied by `scale`, a power of two, first: width = (max · scale − min · scale) / bins.
struct Binning {
    double min = 0, max = 0;
    double width = 0, scale = 1;
    std::int32_t bins = 1;
};

/// For each value in [min, max] adds 1 to bin clamp(floor((v − min) · scale / width), 0, bins − 1). `counts` has 2 · bins + 2 entries, and the
/// count of a bin is counts[i] + counts[bins + i]: neighbouring pixels of the same value would otherwise wait for each other. The last two have no
/// meaning: values outside are counted there, so that scattered blanks cost no branches. n < 2³².
void count_into_bins(const float* values, std::size_t n, const Binning& binning, std::uint32_t* counts, SimdLevel level = simd_level());
void count_into_bins(const double* values, std::size_t n, const Binning& binning, std::uint32_t* counts, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
