#include "imaging/pixels/angle_parts.hpp"
#include "imaging/source/bands.hpp"
#include "imaging/base/parallel.hpp"
#include "imaging/pixels/pyramid.hpp"
#include "imaging/pixels/row_cascade.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

namespace cubelink::imaging {

namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// What a pyramid will hold: decided before anything is read, so that memory can be reserved.
struct Plan {
    bool keep_pixels = false;
    std::int64_t first_mip = 2; // of the kept levels
    std::size_t bytes = 0;
};

std::size_t level_bytes(const ImageShape& shape, std::int64_t first_mip) {
    std::size_t bytes = 0;
    for (std::int64_t mip = first_mip;; mip *= 2) {
        const std::int64_t w = ceil_div(shape.width, mip), h = ceil_div(shape.height, mip);
        bytes += std::size_t(w) * std::size_t(h) * sizeof(float);
        if (w == 1 && h == 1) return bytes;
    }
}

Plan plan_for(const ImageSource& source, PlaneId plane, const PyramidOptions& options) {
    const ImageShape& shape = source.shape();
    const std::size_t pixels = std::size_t(shape.plane_size()) * sizeof(float);
    const bool by_angle = source.angle_parts(plane).has_value();
    Plan plan;
    const std::size_t all_levels = level_bytes(shape, 2);
    plan.keep_pixels = !by_angle && (pixels <= options.keep_below || !source.capabilities().random_access) && pixels + all_levels <= options.max_bytes;
    const std::size_t half = std::size_t(ceil_div(shape.width, 2)) * std::size_t(ceil_div(shape.height, 2)) * sizeof(float);
    if (source.capabilities().random_access && !by_angle && half > options.keep_below) plan.first_mip = 4;
    const std::size_t left = options.max_bytes - (plan.keep_pixels ? pixels : 0);
    const std::size_t sets = by_angle ? 2 : 1; // of levels, while it is made: of U and of Q
    while (sets * level_bytes(shape, plan.first_mip) > left && plan.first_mip < std::max(shape.width, shape.height)) plan.first_mip *= 2;
    plan.bytes = sets * level_bytes(shape, plan.first_mip) + (plan.keep_pixels ? pixels : 0);
    return plan;
}

/// Calls options.progress from any thread, one call at a time, and not more often than it can take.
class Progress {
public:
    Progress(const PyramidOptions& options, std::int64_t total) : options_(options), total_(total) {}
    void step() {
        const std::int64_t done = done_.fetch_add(1, std::memory_order_relaxed) + 1;
        if (!options_.progress) return;
        const std::unique_lock lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock()) return;
        last_ = std::max(last_, double(done) / double(total_));
        options_.progress(last_);
    }

private:
    const PyramidOptions& options_;
    const std::int64_t total_;
    std::atomic<std::int64_t> done_{0};
    std::mutex mutex_;
    double last_ = 0;
};

} // namespace

/// One pass over a plane. Its bands are as high as the blocks of the `base` level, so that each band makes whole rows of all levels up to
/// it by itself; the few levels above are made at the end from the base level's sums and counts, which are kept until then.
class PyramidBuilder {
public:
    PyramidBuilder(const ImageSource& source, PlaneId plane, const PyramidOptions& options, const CancelToken& cancel)
        : source_(source), options_(options), cancel_(cancel), plan_(plan_for(source, plane, options)) {
        result_->plane_ = plane;
        const std::int64_t w = result_->width_ = source.shape().width, h = result_->height_ = source.shape().height;
        while ((std::int64_t(1) << depth_) < std::max(w, h)) ++depth_;
        while (ceil_div(w, std::int64_t(1) << base_) * ceil_div(h, std::int64_t(1) << base_) > options.base_blocks && base_ < depth_) ++base_;
        base_width_ = ceil_div(w, std::int64_t(1) << base_);
        base_height_ = ceil_div(h, std::int64_t(1) << base_);
    }

    std::shared_ptr<const PlanePyramid> build() {
        prepare();
        stream();
        return std::move(result_);
    }

    /// Statistics from the angles, levels from the means of their parts.
    std::shared_ptr<const PlanePyramid> build_angle(const AngleParts& parts) {
        PyramidBuilder u(source_, parts.u, options_, cancel_), q(source_, parts.q, options_, cancel_);
        u.plan_ = q.plan_ = plan_;
        u.prepare();
        q.prepare();
        const Bands bands = bands_of(band_target(source_));
        for_each_band<AngleWorker>(bands, [&](const Rect& band, AngleWorker& worker) { return angle_band(bands, band, u, q, worker); });
        u.levels_above_base();
        q.levels_above_base();
        result_->levels_ = std::move(u.result_->levels_);
        for (std::size_t k = 0; k < result_->levels_.size(); ++k) {
            PlanePyramid::Level& level = result_->levels_[k];
            const std::span<float> mean(level.mean.get(), std::size_t(level.width * level.height));
            angles_of_parts<float>(mean, {q.result_->levels_[k].mean.get(), mean.size()}, mean);
        }
        return std::move(result_);
    }

private:
    void prepare() {
        const std::int64_t w = result_->width_, h = result_->height_;
        if (plan_.keep_pixels) result_->pixels_ = make_pixels<float>(std::size_t(w * h));
        for (int k = 1; k <= depth_; ++k) {
            const std::int64_t mip = std::int64_t(1) << k;
            if (mip < plan_.first_mip) continue;
            PlanePyramid::Level level{mip, ceil_div(w, mip), ceil_div(h, mip), nullptr};
            level.mean = make_pixels<float>(std::size_t(level.width * level.height));
            result_->levels_.push_back(std::move(level));
        }
        if (base_ < depth_) {
            base_sum_ = make_pixels<double>(std::size_t(base_width_ * base_height_));
            base_count_ = make_pixels<double>(std::size_t(base_width_ * base_height_));
        }
    }

    PlanePyramid::Level* level_at(int k) {
        const int first = std::countr_zero(std::uint64_t(plan_.first_mip));
        return k < first ? nullptr : &result_->levels_[std::size_t(k - first)];
    }

    Bands bands_of(std::int64_t target) const {
        return Bands::cut({0, 0, result_->width_, result_->height_}, std::int64_t(1) << base_, target);
    }

    /// one(band, worker) for all bands, on all threads; it gives the band's summary.
    template <class Worker, class One>
    void for_each_band(const Bands& bands, const One& one) {
        std::vector<PlaneSummary> parts(static_cast<std::size_t>(bands.count));
        std::vector<Worker> workers(options_.threads.slots());
        Progress progress(options_, bands.count);
        parallel_for(options_.threads, bands.count, cancel_, [&](std::int64_t index, int thread) {
            parts[std::size_t(index)] = one(bands.band(index), workers[std::size_t(thread)]);
            progress.step();
        });
        for (const PlaneSummary& part : parts) result_->summary_.merge(part);
    }

    void stream() {
        const std::int64_t w = result_->width_, h = result_->height_;
        const bool whole = plan_.keep_pixels && !source_.capabilities().random_access && !source_.capabilities().prefers_double;
        if (whole) source_.read({0, 0, w, h}, result_->plane_, {result_->pixels_.get(), std::size_t(w * h)}, options_.threads, cancel_);

        const Bands bands = bands_of(whole ? std::int64_t(1) << 16 : band_target(source_));
        for_each_band<Worker>(bands, [&](const Rect& band, Worker& worker) { return one_band(bands, band, whole, worker); });
        levels_above_base();
    }

    /// What a thread needs, made when it gets its first band.
    struct Worker {
        Pixels<float> pixels;
        Pixels<double> wide;
        std::unique_ptr<RowCascade> cascade;
    };

    PlaneSummary one_band(const Bands& bands, const Rect& band, bool whole, Worker& worker) {
        PlaneSummary summary;
        const std::int64_t w = result_->width_, columns = band.width(), rows = band.height();
        const std::size_t n = std::size_t(band.size());
        const bool in_place = result_->pixels_ && columns == w;
        float* pixels = in_place ? result_->pixels_.get() + band.y0 * w : nullptr;
        if (pixels == nullptr) {
            if (!worker.pixels) worker.pixels = make_pixels<float>(bands.largest());
            pixels = worker.pixels.get();
        }

        if (source_.capabilities().prefers_double) {
            if (!worker.wide) worker.wide = make_pixels<double>(bands.largest());
            source_.read64(band, result_->plane_, {worker.wide.get(), n}, 1, cancel_);
            for (std::size_t i = 0; i < n; ++i) pixels[i] = to_float(worker.wide[i]);
            summary = summarise(std::span<const double>(worker.wide.get(), n));
        } else {
            if (!whole) {
                source_.read(band, result_->plane_, {pixels, n}, 1, cancel_);
            } else if (!in_place) {
                for (std::int64_t y = 0; y < rows; ++y)
                    std::copy_n(result_->pixels_.get() + (band.y0 + y) * w + band.x0, columns, pixels + y * columns);
            }
            summary = summarise(std::span<const float>(pixels, n));
        }
        if (result_->pixels_ && !in_place && !whole) {
            for (std::int64_t y = 0; y < rows; ++y)
                std::copy_n(pixels + y * columns, columns, result_->pixels_.get() + (band.y0 + y) * w + band.x0);
        }

        make_blocks(bands, band, pixels, worker.cascade);
        return summary;
    }

    /// Of the pixels of a band, all levels up to the base.
    void make_blocks(const Bands& bands, const Rect& band, const float* pixels, std::unique_ptr<RowCascade>& cascade) {
        const std::int64_t columns = band.width(), rows = band.height();
        if (!cascade) cascade = std::make_unique<RowCascade>(bands.columns, std::min(depth_, base_));
        cascade->start(columns, rows);
        for (std::int64_t y = 0; y < rows; y += 2) {
            const float* row = pixels + y * columns;
            cascade->push(y, row, y + 1 < rows ? row + columns : nullptr,
                          [&](int k, std::int64_t yk, const double* sum, const double* count, std::size_t length) {
                              emit(k, (band.y0 >> k) + yk, band.x0 >> k, sum, count, length);
                          });
        }
    }

    /// As Worker, for the two parts of angles.
    struct AngleWorker {
        std::vector<float> u, q;
        std::vector<double> wide_u, wide_q;
        std::unique_ptr<RowCascade> cascade_u, cascade_q;
    };

    PlaneSummary angle_band(const Bands& bands, const Rect& band, PyramidBuilder& u, PyramidBuilder& q, AngleWorker& worker) {
        const std::size_t n = std::size_t(band.size());
        worker.u.resize(n);
        worker.q.resize(n);
        PlaneSummary summary;
        if (source_.capabilities().prefers_double) {
            worker.wide_u.resize(n);
            worker.wide_q.resize(n);
            source_.read64(band, u.result_->plane_, worker.wide_u, 1, cancel_);
            source_.read64(band, q.result_->plane_, worker.wide_q, 1, cancel_);
            summary = summarise_angles<double>(worker.wide_u, worker.wide_q);
            std::transform(worker.wide_u.begin(), worker.wide_u.end(), worker.u.begin(), to_float);
            std::transform(worker.wide_q.begin(), worker.wide_q.end(), worker.q.begin(), to_float);
            keep_pairs<float>(worker.u, worker.q);
        } else {
            source_.read(band, u.result_->plane_, worker.u, 1, cancel_);
            source_.read(band, q.result_->plane_, worker.q, 1, cancel_);
            summary = summarise_angles<float>(worker.u, worker.q);
        }
        u.make_blocks(bands, band, worker.u.data(), worker.cascade_u);
        q.make_blocks(bands, band, worker.q.data(), worker.cascade_q);
        return summary;
    }

    /// Of pixels that have both parts; the parts of the others become NaN.
    template <class T> static PlaneSummary summarise_angles(std::span<T> u, std::span<T> q) {
        keep_pairs(u, q);
        std::vector<T> angles(u.size());
        angles_of_parts<T>(u, q, angles);
        return summarise(std::span<const T>(angles));
    }

    /// Blocks [x, x + n) of row y of level k.
    void emit(int k, std::int64_t y, std::int64_t x, const double* sum, const double* count, std::size_t n) {
        if (PlanePyramid::Level* level = level_at(k)) kernels::block_means(sum, count, n, level->mean.get() + y * level->width + x);
        if (k == base_ && base_sum_) {
            std::copy_n(sum, n, base_sum_.get() + y * base_width_ + x);
            std::copy_n(count, n, base_count_.get() + y * base_width_ + x);
        }
    }

    void levels_above_base() {
        if (base_ >= depth_) return;
        std::int64_t w = base_width_, h = base_height_;
        for (int k = base_ + 1; k <= depth_; ++k) {
            const std::int64_t above = (w + 1) / 2;
            std::vector<double> sum(static_cast<std::size_t>(above)), count(static_cast<std::size_t>(above));
            for (std::int64_t y = 0; y < h; y += 2) {
                const double* s = base_sum_.get() + y * w;
                const double* c = base_count_.get() + y * w;
                const bool pair = y + 1 < h;
                kernels::halve_blocks(s, c, pair ? s + w : nullptr, pair ? c + w : nullptr, std::size_t(w), sum.data(), count.data());
                // In place: row y / 2 of the new level lies before what is still to be read.
                std::copy(sum.begin(), sum.end(), base_sum_.get() + y / 2 * above);
                std::copy(count.begin(), count.end(), base_count_.get() + y / 2 * above);
                if (PlanePyramid::Level* level = level_at(k))
                    kernels::block_means(sum.data(), count.data(), sum.size(), level->mean.get() + y / 2 * above);
            }
            w = above;
            h = (h + 1) / 2;
        }
    }

    static float to_float(double value) {
        // Beyond float32 is blank in a tile; a bare conversion would be undefined.
        return std::abs(value) <= double(std::numeric_limits<float>::max()) ? float(value) : std::numeric_limits<float>::quiet_NaN();
    }

    const ImageSource& source_;
    const PyramidOptions& options_;
    const CancelToken& cancel_;
    Plan plan_;
    std::shared_ptr<PlanePyramid> result_{new PlanePyramid};
    int depth_ = 0, base_ = 5; // levels in all; the level that bands end at
    std::int64_t base_width_ = 0, base_height_ = 0;
    Pixels<double> base_sum_, base_count_;
};

std::shared_ptr<const PlanePyramid> PlanePyramid::build(const ImageSource& source, PlaneId plane, const PyramidOptions& options,
                                                        const CancelToken& cancel) {
    if (const auto parts = source.angle_parts(plane)) return PyramidBuilder(source, plane, options, cancel).build_angle(*parts);
    return PyramidBuilder(source, plane, options, cancel).build();
}

std::size_t PlanePyramid::bytes_needed(const ImageSource& source, PlaneId plane, const PyramidOptions& options) {
    return plan_for(source, plane, options).bytes;
}

} // namespace cubelink::imaging
