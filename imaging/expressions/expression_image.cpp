#include "imaging/expressions/expression_image.hpp"

#include "imaging/expressions/reductions.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr auto cancel_poll = std::chrono::milliseconds(20);

} // namespace

ExpressionImage::ExpressionImage(expressions::Graph graph, BudgetCache* budget, int threads)
    : graph_(std::move(graph)), budget_(budget), threads_(std::max(1, threads)), evaluator_(graph_, graph_.root, budget) {
    unprepared_ = evaluator_.capabilities();
    unprepared_.random_access = unprepared_.depth_contiguous = false;
    unprepared_.whole_planes_only = true;
    if (graph_.has_reductions) return;
    scalars_ = expressions::compute_scalars(graph_, budget_, 1, {});
    ready_ = true;
}

ExpressionImage::~ExpressionImage() {
    if (budget_ != nullptr) budget_->drop(identity_);
}

const expressions::Scalars& ExpressionImage::scalars(const ThreadShare& threads, const CancelToken& cancel,
                                                     const std::function<void(double)>& progress) const {
    if (ready_.load(std::memory_order_acquire)) return scalars_;
    {
        platform::MutexLock lock(mutex_);
        while (computing_) {
            cancel.throw_if_cancelled();
            changed_.wait_for(lock, cancel_poll);
        }
        if (ready_.load(std::memory_order_acquire)) return scalars_;
        computing_ = true;
    }
    expressions::Scalars computed;
    std::exception_ptr failure;
    try {
        computed = expressions::compute_scalars(graph_, budget_, threads, cancel, progress);
        check_unchanged();
    } catch (...) {
        failure = std::current_exception();
    }
    const platform::MutexLock lock(mutex_);
    computing_ = false;
    changed_.notify_all();
    if (failure) std::rethrow_exception(failure);
    scalars_ = std::move(computed);
    ready_.store(true, std::memory_order_release);
    return scalars_;
}

void ExpressionImage::prepare(const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress) const {
    scalars(threads, cancel, progress);
}

PixelType ExpressionImage::stored_type() const {
    return evaluator_.capabilities().prefers_double ? PixelType::float64 : PixelType::float32;
}

const Capabilities& ExpressionImage::capabilities() const {
    return ready_.load(std::memory_order_acquire) ? evaluator_.capabilities() : unprepared_;
}

void ExpressionImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_request(shape(), rect, plane, out.size());
    evaluator_.read(scalars(std::max(threads, threads_), cancel), rect, plane, out, threads, cancel);
}

void ExpressionImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    check_request(shape(), rect, plane, out.size());
    evaluator_.read(scalars(std::max(threads, threads_), cancel), rect, plane, out, threads, cancel);
}

void ExpressionImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                                    const CancelToken& cancel) const {
    check_spectrum_request(shape(), x, y, stokes, from, out.size());
    evaluator_.read_spectrum(scalars(threads_, cancel), x, y, stokes, from, out, cancel);
}

void ExpressionImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                               const CancelToken& cancel) const {
    check_box_request(shape(), rect, channels, stokes, out.size());
    evaluator_.read_box(scalars(std::max(threads, threads_), cancel), rect, channels, stokes, out, threads, cancel);
}

void ExpressionImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                  const CancelToken& cancel) const {
    check_masked_request(shape(), mask, channels, stokes, out.size());
    evaluator_.read_masked(scalars(std::max(threads, threads_), cancel), mask, channels, stokes, out, threads, cancel);
}

void ExpressionImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                                  const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    evaluator_.read_pixels(scalars(threads_, cancel), runs, channels, stokes, out, cancel);
}

void ExpressionImage::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                    const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    evaluator_.read_pixels(scalars(threads_, cancel), runs, channels, stokes, out, cancel);
}

void ExpressionImage::visit_files(const std::function<void(const FileState&)>& see) const {
    for (const auto& input : graph_.inputs) input.source->visit_files(see);
}

void ExpressionImage::check_unchanged() const {
    for (const auto& input : graph_.inputs) input.source->check_unchanged();
}

} // namespace cubelink::imaging
