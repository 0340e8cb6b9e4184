#pragma once
/// A picture in memory, and a plane drawn into one.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/render/colouring.hpp"
#include "imaging/render/framing.hpp"
#include "imaging/source/image_source.hpp"

#include <functional>

namespace cubelink::imaging {

/// RGBA of 8 bits, not multiplied by alpha; rows from the top down. Belongs to one thread at a time.
class Picture {
public:
    Picture() = default;
    /// Uninitialised. Throws std::invalid_argument unless both sides are 1 to max_picture_side and all is max_picture_pixels at most.
    explicit Picture(const PictureSize& size);

    const PictureSize& size() const { return size_; }
    Rgba* row(int y) { return pixels_.get() + std::ptrdiff_t(y) * size_.width; }
    const Rgba* row(int y) const { return pixels_.get() + std::ptrdiff_t(y) * size_.width; }
    /// Whether all of it is opaque.
    bool opaque() const;

private:
    PictureSize size_;
    Pixels<Rgba> pixels_;
};

/// What reading and colouring take at most, the picture included: for BudgetCache::reserve().
std::size_t picture_bytes(const PictureSize& size);

/// The plane in a picture of that size. Where a picture pixel shows several image pixels it has the colour of their mean: of the blocks of the plane's
/// pyramid that are no larger than it and whose centres lie in it (means of means beside blank pixels), of angles the one in its middle. Otherwise it has
/// the colour of the image pixel in its middle.
///
/// Pixels come from the plane's pyramid if that is in the cache, or is made no later than the pixels are read without it; else from the source, no more of
/// it than is seen. `check` is called from time to time and may throw. Throws as ImageSource::read, cached_pyramid() and what `check` throws.
Picture draw_plane(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane, const PictureSize& size, const Framing& framing,
                   const Look& look, const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& check = {});

} // namespace cubelink::imaging
