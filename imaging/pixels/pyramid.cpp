#include "imaging/pixels/pyramid.hpp"

#include "imaging/pixels/angle_parts.hpp"
#include "imaging/pixels/row_cascade.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void check(const Rect& rect, std::int64_t mip, std::int64_t width, std::int64_t height) {
    if (rect.x0 < 0 || rect.y0 < 0 || rect.x1 > width || rect.y1 > height || rect.x0 >= rect.x1 || rect.y0 >= rect.y1) {
        throw std::out_of_range("pixels [" + std::to_string(rect.x0) + ", " + std::to_string(rect.x1) + ") × [" + std::to_string(rect.y0) +
                                ", " + std::to_string(rect.y1) + ") are not in an image of " + std::to_string(width) + " × " +
                                std::to_string(height));
    }
    if (mip < 1 || !std::has_single_bit(std::uint64_t(mip)) || mip > (std::int64_t(1) << 40)) {
        throw std::invalid_argument("pixels are averaged by powers of two, not by " + std::to_string(mip));
    }
    const auto aligned = [mip](std::int64_t at, std::int64_t edge) { return at % mip == 0 || at == edge; };
    if (rect.x0 % mip != 0 || rect.y0 % mip != 0 || !aligned(rect.x1, width) || !aligned(rect.y1, height)) {
        throw std::invalid_argument("a rectangle to be averaged by " + std::to_string(mip) + " must begin and end at multiples of it");
    }
}

void check(const Rect& rect, std::int64_t mip, std::int64_t width, std::int64_t height, std::span<float> out) {
    check(rect, mip, width, height);
    if (out.size() != std::size_t(ceil_div(rect.width(), mip) * ceil_div(rect.height(), mip))) {
        throw std::invalid_argument("the result of averaging by " + std::to_string(mip) + " does not fit");
    }
}

/// Averages the rows of a rectangle, given from the bottom up.
class BlockMeans {
public:
    BlockMeans(const Rect& rect, std::int64_t mip, std::span<float> out)
        : out_(out), width_(ceil_div(rect.width(), mip)), depth_(std::countr_zero(std::uint64_t(mip))), cascade_(rect.width(), depth_) {
        cascade_.start(rect.width(), rect.height());
    }

    /// Rows [y, y + n) of the rectangle, `stride` apart; n is even but at the end.
    void push(std::int64_t y, std::int64_t n, const float* pixels, std::int64_t stride) {
        for (std::int64_t r = 0; r < n; r += 2) {
            const float* row = pixels + r * stride;
            cascade_.push(y + r, row, r + 1 < n ? row + stride : nullptr,
                          [&](int k, std::int64_t yk, const double* sum, const double* count, std::size_t length) {
                              if (k == depth_) kernels::block_means(sum, count, length, out_.data() + yk * width_);
                          });
        }
    }

private:
    std::span<float> out_;
    std::int64_t width_;
    int depth_;
    RowCascade cascade_;
};

} // namespace

std::size_t PlanePyramid::bytes() const {
    std::size_t bytes = pixels().size_bytes();
    for (const Level& level : levels_) bytes += std::size_t(level.width * level.height) * sizeof(float);
    return bytes;
}

std::optional<PlanePyramid::View> PlanePyramid::view(const Rect& rect, std::int64_t mip) const {
    check(rect, mip, width_, height_);
    if (mip == 1) {
        if (!pixels_) return {};
        return View{pixels_.get() + rect.y0 * width_ + rect.x0, width_};
    }
    for (const Level& level : levels_) {
        // Above the last level the whole image is one block, as in the last.
        if (level.mip != mip && !(&level == &levels_.back() && mip > level.mip)) continue;
        return View{level.mean.get() + rect.y0 / mip * level.width + rect.x0 / mip, level.width};
    }
    return {};
}

void PlanePyramid::read(const ImageSource& source, const Rect& rect, std::int64_t mip, std::span<float> out,
                        const CancelToken& cancel) const {
    check(rect, mip, width_, height_, out);
    if (const auto held = view(rect, mip)) {
        const std::int64_t w = ceil_div(rect.width(), mip), h = ceil_div(rect.height(), mip);
        for (std::int64_t y = 0; y < h; ++y) std::copy_n(held->pixels + y * held->stride, w, out.data() + y * w);
        return;
    }
    if (mip == 1) return source.read(rect, plane_, out, 1, cancel);
    if (pixels_) {
        return BlockMeans(rect, mip, out).push(0, rect.height(), pixels_.get() + rect.y0 * width_ + rect.x0, width_);
    }
    read_downsampled(source, plane_, rect, mip, out, 1, cancel);
}

void read_downsampled(const ImageSource& source, PlaneId plane, const Rect& rect, std::int64_t mip, std::span<float> out, const ThreadShare& threads,
                      const CancelToken& cancel) {
    check(rect, mip, source.shape().width, source.shape().height, out);
    if (mip == 1) return source.read(rect, plane, out, threads, cancel);

    const std::int64_t target = source.capabilities().random_access ? std::int64_t(1) << 18 : std::int64_t(1) << 22; // pixels read at once
    const std::int64_t step = std::min(rect.height(), std::max<std::int64_t>(2, target / rect.width() / 2 * 2));
    const std::size_t at_once = std::size_t(step * rect.width());
    const auto by_band = [&](auto&& take) {
        for (std::int64_t y = rect.y0; y < rect.y1; y += step) {
            cancel.throw_if_cancelled();
            take(Rect{rect.x0, y, rect.x1, std::min(rect.y1, y + step)});
        }
    };
    if (const auto parts = source.angle_parts(plane)) {
        std::vector<float> q_means(out.size());
        const auto u = make_pixels<float>(at_once), q = make_pixels<float>(at_once);
        BlockMeans mean_u(rect, mip, out), mean_q(rect, mip, q_means);
        by_band([&](const Rect& band) {
            const std::span<float> u_band(u.get(), std::size_t(band.size())), q_band(q.get(), u_band.size());
            source.read(band, parts->u, u_band, threads, cancel);
            source.read(band, parts->q, q_band, threads, cancel);
            keep_pairs(u_band, q_band);
            mean_u.push(band.y0 - rect.y0, band.height(), u.get(), rect.width());
            mean_q.push(band.y0 - rect.y0, band.height(), q.get(), rect.width());
        });
        angles_of_parts<float>(out, q_means, out);
        return;
    }
    const auto pixels = make_pixels<float>(at_once);
    BlockMeans mean(rect, mip, out);
    by_band([&](const Rect& band) {
        source.read(band, plane, {pixels.get(), std::size_t(band.size())}, threads, cancel);
        mean.push(band.y0 - rect.y0, band.height(), pixels.get(), rect.width());
    });
}

} // namespace cubelink::imaging
