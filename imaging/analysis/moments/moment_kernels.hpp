#pragma once
/// Loops over a block of a cube: some channels of some pixels, one channel after the other, `pixels` values of each. What they make is an array
/// with one element for each pixel. Pure, thread-safe.
///
/// Non-finite values count as absent. Arrays of results must have room for padded(pixels) elements, and values must be readable up to
/// moment_padding elements beyond the end: pixels are worked on several at a time. All versions of a kernel give the same bits.

#include "imaging/base/cancel.hpp"
#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cubelink::imaging::kernels {

inline constexpr std::size_t moment_padding = 16;
constexpr std::size_t padded(std::size_t pixels) { return (pixels + moment_padding - 1) / moment_padding * moment_padding; }

/// Integers as wide as the values: numbers of values and of channels.
template <class T>
using Index = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;

template <class T>
struct ValueBlock {
    const T* values = nullptr;
    std::size_t pixels = 0, channels = 0;
};

/// Values that are not in [low, high], or those that are, become NaN.
template <class T>
void keep_range(T* values, std::size_t n, T low, T high, bool inside, SimdLevel level = simd_level());

/// Adds to the number of values, their sum and, unless null, the sums of value · coordinate and value · coordinate².
template <class T>
struct WeightedSums {
    Index<T>* count = nullptr;
    double *sum = nullptr, *by_coordinate = nullptr, *by_square = nullptr;
};
template <class T>
void add_weighted(const ValueBlock<T>& block, const double* coordinates, const WeightedSums<T>& sums, SimdLevel level = simd_level());

/// Adds value · width.
template <class T>
void add_integral(const ValueBlock<T>& block, const double* widths, double* integral, SimdLevel level = simd_level());

/// Extremes so far, and the channels where they were first seen; −1, and infinities, as long as there is no value.
template <class T>
struct Extremes {
    T *min = nullptr, *max = nullptr;
    Index<T>*at_min = nullptr, *at_max = nullptr;
};
/// `first`: number of the block's first channel.
template <class T>
void add_extremes(const ValueBlock<T>& block, Index<T> first, const Extremes<T>& extremes, SimdLevel level = simd_level());

/// Number, mean and sum of squared deviations from the mean, merged block by block (Chan, Golub & LeVeque 1979): exact also where the
/// deviations are small against the mean. Some 16 channels at once are best.
struct Spread {
    double *count = nullptr, *mean = nullptr, *m2 = nullptr;
};
template <class T>
void add_spread(const ValueBlock<T>& block, const Spread& spread, SimdLevel level = simd_level());

/// Adds |value − mean| and, unless null, (value − mean)².
template <class T>
void add_deviations(const ValueBlock<T>& block, const double* means, double* deviations, double* squares, SimdLevel level = simd_level());

/// The median of each pixel's values; NaN without any. `keys`: channels · moment_padding elements of scratch. Throws Cancelled.
template <class T>
void find_medians(const ValueBlock<T>& block, Index<T>* keys, double* medians, const CancelToken& cancel, SimdLevel level = simd_level());

/// Where the running sum of the values reaches half of `sums`, which add_weighted made of the same block: interpolated linearly between the
/// coordinates of the two values on both sides, the first value's own coordinate if that is enough. NaN where the sum is 0.
template <class T>
void find_half_coordinates(const ValueBlock<T>& block, const double* coordinates, const double* sums, double* found, SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
