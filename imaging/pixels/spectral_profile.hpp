#pragma once
/// The spectrum of a pixel, in slices of channels, so that it can be shown while it is read and stopped at any time. May be called from any
/// thread.

#include "imaging/source/image_source.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace cubelink::imaging {

struct SpectralProfileOptions {
    std::int32_t first_slice = 10;              // channels
    std::chrono::milliseconds slice_time{50};   // target for later slices
    std::chrono::milliseconds report_time{500}; // between partial reports, at least
};

/// The profile so far (NaN where not yet read) and the part that is done, below 1. Called on the calling thread.
using SpectralProgress = std::function<void(std::span<const float> values, double progress)>;

/// All channels of pixel (x, y); non-finite values are NaN. `partial` may be empty; it is not called with the finished profile, which is
/// returned. Throws std::out_of_range for a pixel or stokes outside the image, Cancelled within a slice, and as ImageSource::read_spectrum.
std::vector<float> spectral_profile(const ImageSource& source, std::int64_t x, std::int64_t y, std::int32_t stokes,
                                    const CancelToken& cancel, const SpectralProgress& partial = {},
                                    const SpectralProfileOptions& options = {});

} // namespace cubelink::imaging
