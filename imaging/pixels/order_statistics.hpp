#pragma once
/// Exact order statistics of any number of pixels in bounded memory: percentiles, and the median absolute deviation. Any thread.
///
/// Values are counted by the leading bits of their pattern, pass by pass, until those that matter are few enough to be sorted: two passes over
/// float32, three over double (at most four). Few pixels are read once and kept. Infinities are left out, as NaN is. Results don't depend on the number
/// of threads.

#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Some pixels of an image: a mask's in each channel of a range.
struct PixelSelection {
    const PixelMask* mask = nullptr; // whole planes if null; must outlive the selection
    ChannelRange channels{0, 1};
    std::int32_t stokes = 0; // an index, or a computed polarization
    std::size_t keep = std::size_t(1) << 22; // at most so many pixels are read once and kept
};

struct OrderStatistics {
    std::int64_t count = 0;          // of finite pixels
    std::vector<double> percentiles; // one for each that was asked for; NaN if there is no finite pixel
    double mad = 0;                  // median of |x − median|, not scaled; NaN if there is none, or if it was not asked for
};

/// Percentiles that may be asked for at once.
inline constexpr std::size_t kMaxPercentiles = 100;

/// `percents`: 0 … 100, in any order. The one at p is at place (n − 1) · p / 100 of the sorted values, interpolated linearly between its neighbours
/// (numpy's "linear", R's type 7), computed in double precision. `progress`, if given, is called between passes' parts, about once in 16 million pixels,
/// and may throw. Throws std::invalid_argument for percents that are not in 0 … 100, or for more than kMaxPercentiles; as ImageSource::read.
OrderStatistics order_statistics(const ImageSource& source, const PixelSelection& pixels, std::span<const double> percents, bool with_mad,
                                 const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& progress = {});

/// Upper bound on the bytes that order_statistics() takes.
std::size_t order_statistics_bytes(const ImageSource& source, const PixelSelection& pixels, const ThreadShare& threads);

} // namespace cubelink::imaging
