#pragma once
/// An image whose pixels are computed when they are first read: results of a session that is restored. Any thread may read; one computes, the others wait.

#include "imaging/base/budget_cache.hpp"
#include "imaging/source/image_source.hpp"
#include "platform/mutex.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace cubelink::imaging {

class DeferredImage final : public ImageSource {
public:
    /// Computes the pixels of an image of that shape, by `threads` threads: float32, with random access. Throws what reads may throw.
    using Compute = std::function<std::shared_ptr<const ImageSource>(int threads, const CancelToken& cancel)>;
    /// `compute` is called until it has succeeded once, by one thread at a time. `budget` outlives the image.
    DeferredImage(const ImageShape& shape, BudgetCache& budget, Compute compute);
    /// Forgets what is cached of it.
    ~DeferredImage() override;
    DeferredImage(const DeferredImage&) = delete;
    DeferredImage& operator=(const DeferredImage&) = delete;

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return PixelType::float32; }
    /// Until the pixels are there, those of an image that is read by whole planes: commands must not read it themselves.
    const Capabilities& capabilities() const override;
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out, const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out, const CancelToken& cancel) const override;
    void check_unchanged() const override;

private:
    const ImageSource& made(int threads, const CancelToken& cancel) const;
    /// nullptr: not yet.
    const ImageSource* ready() const { return ready_.load(std::memory_order_acquire); }

    const ImageShape shape_;
    const ImageIdentity identity_ = ImageIdentity::of_computed();
    BudgetCache& budget_;
    const Compute compute_;
    mutable std::atomic<const ImageSource*> ready_{nullptr};
    mutable platform::Mutex mutex_;
    mutable platform::CondVar changed_;
    mutable bool computing_ CUBELINK_GUARDED_BY(mutex_) = false;
    mutable std::shared_ptr<const ImageSource> made_ CUBELINK_GUARDED_BY(mutex_);
};

} // namespace cubelink::imaging
