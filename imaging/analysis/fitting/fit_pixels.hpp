#pragma once
/// The pixels that a fit looks at: those of a plane within a rectangle or a region. Immutable; all members may be called from several threads at once.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// The power of two that brings doubles of at most `largest` in magnitude near 1, so that their squares neither overflow nor vanish, and floats can hold
/// them. 1 if that is so already: then nothing changes, to the bit.
double scale_of(double largest);

class FitPixels {
public:
    /// Of a plane of `source`, which outlives this: those of `mask`, which outlives it too, or all of `rect` if the mask is null. They are kept in memory, as
    /// floats or doubles as the source prefers, if that takes no more than a quarter of the budget; else they are read anew at each pass. Throws as
    /// ImageSource::read, and std::invalid_argument where there are no pixels. `scale`, a power of two: doubles are multiplied by it (see scale_of()).
    FitPixels(const ImageSource& source, PlaneId plane, const Rect& rect, const PixelMask* mask, BudgetCache& budget, const ThreadShare& threads,
              const CancelToken& cancel, double scale = 1);
    /// Of an array in memory, which outlives this: `values.size() == rect.size()`.
    FitPixels(std::span<const float> values, const Rect& rect);

    /// The smallest rectangle around them.
    const Rect& bounds() const { return rect_; }
    bool in_memory() const { return source_ == nullptr; }
    bool wide() const { return wide_; }
    /// What rows() have been multiplied with: 1 if not wide().
    double scale() const { return scale_; }

    /// Rows [from, to) of bounds() as T (double if wide(), else float): pixels outside of the region are NaN. In memory they are where they are; else
    /// they are read into `buffer`. Rows are bounds().width() long.
    template <class T>
    std::span<const T> rows(std::int64_t from, std::int64_t to, std::vector<T>& buffer, const CancelToken& cancel) const;

private:
    template <class T>
    void read_rows(const ImageSource& source, std::int64_t from, std::int64_t to, std::span<T> out, int threads, const CancelToken& cancel) const;

    Rect rect_;
    PlaneId plane_;
    const ImageSource* source_ = nullptr; // null if in memory
    const PixelMask* mask_ = nullptr;
    bool wide_ = false;
    double scale_ = 1;
    Reservation reservation_;
    Pixels<float> floats_;
    Pixels<double> doubles_;
    const float* float_data_ = nullptr;
    const double* double_data_ = nullptr;
};

} // namespace cubelink::imaging
