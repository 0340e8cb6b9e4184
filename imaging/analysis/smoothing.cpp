#include "imaging/analysis/smoothing.hpp"

#include "imaging/analysis/contour_kernels.hpp"
#include "imaging/kernels/blanks.hpp"
#include "imaging/kernels/downsample.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

namespace {

/// Pixels that block averages hold at once, roughly.
constexpr std::int64_t block_band_pixels = std::int64_t(1) << 18;

bool any_blank(const float* values, std::size_t n, std::vector<std::uint64_t>& bits) {
    bits.resize((n + 63) / 64);
    return kernels::find_blanks(values, n, bits.data());
}

} // namespace

SmoothedPlane::SmoothedPlane(const ImageSource& source, PlaneId plane, Smoothing smoothing, int factor, const PlanePyramid* pyramid)
    : source_(source), plane_(plane), pyramid_(pyramid), width_(source.shape().width), height_(source.shape().height) {
    if (factor <= 1) return;
    if (factor > (smoothing == Smoothing::gaussian ? max_gaussian_factor : max_block_factor))
        throw std::invalid_argument("a smoothing factor of " + std::to_string(factor) + " is too large");
    smoothing_ = smoothing;
    if (smoothing == Smoothing::block_average) {
        factor_ = factor;
        scale_ = factor;
        width_ = (width_ + factor_ - 1) / factor_;
        height_ = (height_ + factor_ - 1) / factor_;
    } else if (smoothing == Smoothing::gaussian) {
        factor_ = factor;
        const auto radius = factor - 1;
        const double sigma = radius / 2.0;
        for (int k = -radius; k <= radius; ++k) weights_.push_back(float(std::exp(-0.5 * k * k / (sigma * sigma))));
        for (const float weight : weights_) total_weight_ += weight;
        offset_ = radius;
        width_ = std::max<std::int64_t>(0, width_ - 2 * radius);
        height_ = std::max<std::int64_t>(0, height_ - 2 * radius);
    }
}

std::size_t SmoothedPlane::scratch_bytes(std::int64_t rows) const {
    const auto width = std::size_t(source_.shape().width);
    if (smoothing_ == Smoothing::block_average)
        return width * (2 * sizeof(double) + sizeof(float) * std::size_t(std::max<std::int64_t>(1, std::min(factor_, block_band_pixels / std::max<std::int64_t>(1, std::int64_t(width))))));
    if (smoothing_ == Smoothing::gaussian) return width * sizeof(float) * (std::size_t(rows) + weights_.size());
    return 0;
}

void SmoothedPlane::read(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const {
    if (y0 >= y1 || width_ < 1) return;
    if (smoothing_ == Smoothing::block_average) read_blocks(y0, y1, out, cancel);
    else if (smoothing_ == Smoothing::gaussian) read_gaussian(y0, y1, out, cancel);
    else read_pixels(y0, y1, out, cancel);
    const auto n = std::size_t((y1 - y0) * width_);
    kernels::fill_blanks(out, n, -FLT_MAX, out);
}

void SmoothedPlane::read_pixels(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const {
    const Rect rect{0, y0, source_.shape().width, y1};
    const std::span<float> pixels(out, std::size_t(rect.size()));
    if (pyramid_ != nullptr && !pyramid_->pixels().empty()) pyramid_->read(source_, rect, 1, pixels, cancel);
    else source_.read(rect, plane_, pixels, 1, cancel);
}

void SmoothedPlane::read_blocks(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const {
    const auto width = source_.shape().width, height = source_.shape().height;
    const auto band = std::clamp<std::int64_t>(block_band_pixels / width, 1, factor_);
    const auto pixels = make_pixels<float>(std::size_t(band * width));
    std::vector<double> sum(static_cast<std::size_t>(width)), count(static_cast<std::size_t>(width));
    for (auto y = y0; y < y1; ++y, out += width_) {
        std::fill(sum.begin(), sum.end(), 0.0);
        std::fill(count.begin(), count.end(), 0.0);
        const auto end = std::min(height, (y + 1) * factor_);
        for (auto row = y * factor_; row < end; row += band) {
            cancel.throw_if_cancelled();
            const auto to = std::min(end, row + band);
            read_pixels(row, to, pixels.get(), cancel);
            for (auto r = row; r < to; ++r)
                kernels::add_finite(pixels.get() + (r - row) * width, std::size_t(width), sum.data(), count.data());
        }
        // In place: block k ends at or behind column k.
        for (std::int64_t k = 0; k < width_; ++k) {
            double block_sum = 0, block_count = 0;
            for (auto x = k * factor_, x1 = std::min(width, (k + 1) * factor_); x < x1; ++x) {
                block_sum += sum[std::size_t(x)];
                block_count += count[std::size_t(x)];
            }
            sum[std::size_t(k)] = block_sum;
            count[std::size_t(k)] = block_count;
        }
        kernels::block_means(sum.data(), count.data(), std::size_t(width_), out);
    }
}

void SmoothedPlane::read_gaussian(std::int64_t y0, std::int64_t y1, float* out, const CancelToken& cancel) const {
    const auto width = source_.shape().width;
    const auto taps = std::int64_t(weights_.size()), radius = taps / 2;
    const auto n = std::size_t(width);
    const auto pixels = make_pixels<float>(std::size_t((y1 - y0 + 2 * radius) * width));
    read_pixels(y0, y1 + 2 * radius, pixels.get(), cancel);

    std::vector<std::uint64_t> bits;
    std::vector<std::int64_t> blanks(std::size_t(y1 - y0 + 2 * radius) + 1); // rows with blanks below each row
    for (std::size_t row = 0; row + 1 < blanks.size(); ++row)
        blanks[row + 1] = blanks[row] + (any_blank(pixels.get() + row * n, n, bits) ? 1 : 0);

    std::vector<float> along_y(n);
    std::vector<const float*> rows(std::size_t(taps), nullptr);
    for (auto y = y0; y < y1; ++y, out += width_) {
        if ((y & 7) == 0) cancel.throw_if_cancelled();
        const auto first = std::size_t(y - y0);
        const bool finite = blanks[first] == blanks[first + std::size_t(taps)];
        for (std::size_t k = 0; k < rows.size(); ++k) rows[k] = pixels.get() + (first + k) * n;
        if (finite) kernels::weighted_mean(rows.data(), weights_.data(), rows.size(), total_weight_, n, along_y.data());
        else kernels::weighted_mean_of_finite(rows.data(), weights_.data(), rows.size(), n, along_y.data());

        for (std::size_t k = 0; k < rows.size(); ++k) rows[k] = along_y.data() + k;
        const auto columns = std::size_t(width_);
        if (finite || !any_blank(along_y.data(), n, bits)) kernels::weighted_mean(rows.data(), weights_.data(), rows.size(), total_weight_, columns, out);
        else kernels::weighted_mean_of_finite(rows.data(), weights_.data(), rows.size(), columns, out);

        const auto middle = first + std::size_t(radius);
        if (blanks[middle] == blanks[middle + 1]) continue;
        const float* source = pixels.get() + middle * n + radius;
        for (std::size_t i = 0; i < columns; ++i)
            if (!std::isfinite(source[i])) out[i] = source[i];
    }
}

} // namespace cubelink::imaging
