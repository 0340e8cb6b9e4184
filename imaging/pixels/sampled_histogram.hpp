#pragma once
/// The histogram of a large plane from a sample of its pixels: within milliseconds, where the exact one takes a pass over the plane.
/// May be called from any thread.

#include "imaging/pixels/histogram.hpp"

#include <cstdint>
#include <optional>

namespace cubelink::imaging {

/// Planes of fewer pixels are read as a whole in no more time than a client notices.
inline constexpr std::int64_t kSampleWorthwhilePixels = std::int64_t(1) << 26;
inline constexpr std::int64_t kSamplePixels = std::int64_t(1) << 21;

/// A histogram with `sampled` set: counts are scaled to the number of pixels of the plane, bounds (unless the specification has some), mean and
/// standard deviation are those of the sample. The sample is `max_pixels` or a few more, in short pieces of rows, or in the pieces that the source
/// decodes as a whole (ImageSource::stored_block); one piece from each of equal parts of the plane, at a place that depends on nothing but the
/// plane's size, so that the result is the same each time and whatever the number of threads.
///
/// Nothing if a sample can't stand for the plane or saves no time: the pieces make up more than a quarter of the plane, or
/// fewer than 1 in 1000 of the sampled pixels are finite. Throws as plane_histogram() and ImageSource::read.
std::optional<Histogram> sampled_histogram(const ImageSource& source, PlaneId plane, const HistogramSpec& spec, const ThreadShare& threads,
                                           const CancelToken& cancel, std::int64_t max_pixels = kSamplePixels);

} // namespace cubelink::imaging
