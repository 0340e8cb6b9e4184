#include "imaging/source/deferred_image.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

namespace cubelink::imaging {

namespace {

constexpr auto cancel_poll = std::chrono::milliseconds(20);

const Capabilities& before_it_is_made() {
    static const Capabilities whole_planes = [] {
        Capabilities capabilities;
        capabilities.whole_planes_only = true;
        return capabilities;
    }();
    return whole_planes;
}

} // namespace

DeferredImage::DeferredImage(const ImageShape& shape, BudgetCache& budget, Compute compute) : shape_(shape), budget_(budget), compute_(std::move(compute)) {}

DeferredImage::~DeferredImage() { budget_.drop(identity_); }

const Capabilities& DeferredImage::capabilities() const {
    const auto* image = ready();
    return image ? image->capabilities() : before_it_is_made();
}

const ImageSource& DeferredImage::made(int threads, const CancelToken& cancel) const {
    if (const auto* image = ready()) return *image;
    {
        platform::MutexLock lock(mutex_);
        while (computing_) {
            cancel.throw_if_cancelled();
            changed_.wait_for(lock, cancel_poll);
        }
        if (made_) return *made_;
        computing_ = true;
    }
    std::shared_ptr<const ImageSource> image;
    std::exception_ptr failure;
    try {
        image = compute_(threads, cancel);
        if (image->shape() != shape_) throw std::logic_error("an image was computed in another shape than it was announced with");
    } catch (...) { failure = std::current_exception(); }
    const platform::MutexLock lock(mutex_);
    computing_ = false;
    changed_.notify_all();
    if (failure) std::rethrow_exception(failure);
    made_ = std::move(image);
    ready_.store(made_.get(), std::memory_order_release);
    return *made_;
}

void DeferredImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    made(threads, cancel).read(rect, plane, out, threads, cancel);
}

void DeferredImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    made(threads, cancel).read64(rect, plane, out, threads, cancel);
}

void DeferredImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                                  const CancelToken& cancel) const {
    made(1, cancel).read_spectrum(x, y, stokes, from, out, cancel);
}

void DeferredImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                             const CancelToken& cancel) const {
    made(threads, cancel).read_box(rect, channels, stokes, out, threads, cancel);
}

void DeferredImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                                const CancelToken& cancel) const {
    made(threads, cancel).read_masked(mask, channels, stokes, out, threads, cancel);
}

void DeferredImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                                const CancelToken& cancel) const {
    made(1, cancel).read_pixels(runs, channels, stokes, out, cancel);
}

void DeferredImage::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                  const CancelToken& cancel) const {
    made(1, cancel).read_pixels64(runs, channels, stokes, out, cancel);
}

void DeferredImage::check_unchanged() const {
    if (const auto* image = ready()) image->check_unchanged();
}

} // namespace cubelink::imaging
