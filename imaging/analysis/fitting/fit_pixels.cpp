#include "imaging/analysis/fitting/fit_pixels.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/source/bands.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace cubelink::imaging {

double scale_of(double largest) {
    constexpr int far = 60; // squares of 2^±60 are within floats, too
    if (!(largest > 0) || !std::isfinite(largest)) return 1;
    const int exponent = std::ilogb(largest);
    return std::abs(exponent) <= far ? 1 : std::ldexp(1.0, std::clamp(-exponent, -1000, 1000));
}

FitPixels::FitPixels(const ImageSource& source, PlaneId plane, const Rect& rect, const PixelMask* mask, BudgetCache& budget, const ThreadShare& threads,
                     const CancelToken& cancel, double scale)
    : rect_(mask != nullptr ? mask->bounds() : rect), plane_(plane), mask_(mask), wide_(source.capabilities().prefers_double), scale_(wide_ ? scale : 1) {
    if (rect_.width() <= 0 || rect_.height() <= 0) throw std::invalid_argument("no pixels to fit");
    const auto count = static_cast<std::size_t>(rect_.size());
    const std::size_t bytes = count * (wide_ ? sizeof(double) : sizeof(float));
    if (bytes > budget.limit() / 4) {
        source_ = &source;
        return;
    }
    reservation_ = budget.reserve(bytes, cancel);
    const auto fill = [&]<class T>(Pixels<T>& pixels, const T*& data) {
        pixels = make_pixels<T>(count);
        data = pixels.get();
        const std::int64_t rows = std::max<std::int64_t>(1, band_target(source) / rect_.width());
        parallel_for(threads, (rect_.height() + rows - 1) / rows, cancel, [&](std::int64_t index, int) {
            const std::int64_t from = rect_.y0 + index * rows, to = std::min(rect_.y1, from + rows);
            read_rows<T>(source, from, to, {pixels.get() + (from - rect_.y0) * rect_.width(), std::size_t((to - from) * rect_.width())}, 1, cancel);
        });
    };
    if (wide_) fill(doubles_, double_data_);
    else fill(floats_, float_data_);
}

FitPixels::FitPixels(std::span<const float> values, const Rect& rect) : rect_(rect), float_data_(values.data()) {
    if (rect.width() <= 0 || rect.height() <= 0 || values.size() != std::size_t(rect.size())) throw std::invalid_argument("no pixels to fit");
}

template <class T>
void FitPixels::read_rows(const ImageSource& source, std::int64_t from, std::int64_t to, std::span<T> out, int threads, const CancelToken& cancel) const {
    const Rect band{rect_.x0, from, rect_.x1, to};
    if constexpr (std::is_same_v<T, double>) {
        source.read64(band, plane_, out, threads, cancel);
        if (scale_ != 1)
            for (double& value : out) value *= scale_;
    } else source.read(band, plane_, out, threads, cancel);
    if (mask_ == nullptr) return;
    constexpr T blank = std::numeric_limits<T>::quiet_NaN();
    const auto runs = mask_->runs();
    auto run = std::lower_bound(runs.begin(), runs.end(), from, [](const PixelRun& r, std::int64_t y) { return r.y < y; });
    for (std::int64_t y = from; y < to; ++y) {
        T* const row = out.data() + (y - from) * rect_.width();
        std::int64_t x = rect_.x0;
        for (; run != runs.end() && run->y == y; ++run) {
            std::fill(row + (x - rect_.x0), row + (run->x0 - rect_.x0), blank);
            x = run->x1;
        }
        std::fill(row + (x - rect_.x0), row + rect_.width(), blank);
    }
}

template <class T>
std::span<const T> FitPixels::rows(std::int64_t from, std::int64_t to, std::vector<T>& buffer, const CancelToken& cancel) const {
    const auto size = static_cast<std::size_t>((to - from) * rect_.width());
    if (source_ != nullptr) {
        buffer.resize(size);
        read_rows<T>(*source_, from, to, buffer, 1, cancel);
        return buffer;
    }
    const T* data = nullptr;
    if constexpr (std::is_same_v<T, double>) data = double_data_;
    else data = float_data_;
    if (data == nullptr) throw std::logic_error("pixels of the other type");
    return {data + (from - rect_.y0) * rect_.width(), size};
}

template std::span<const float> FitPixels::rows(std::int64_t, std::int64_t, std::vector<float>&, const CancelToken&) const;
template std::span<const double> FitPixels::rows(std::int64_t, std::int64_t, std::vector<double>&, const CancelToken&) const;

} // namespace cubelink::imaging
