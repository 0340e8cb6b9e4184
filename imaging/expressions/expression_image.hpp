#pragma once
/// An image that is computed from others, pixel by pixel, when it is read. A plane of it costs a plane of each of them, a spectrum a
/// spectrum. Numbers of whole images in it, such as mean(a), are computed at the first read that needs them, and kept. Any thread may read;
/// one computes these numbers, the others wait.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/expressions/evaluator.hpp"
#include "imaging/source/image_source.hpp"
#include "platform/mutex.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

namespace cubelink::imaging {

class ExpressionImage final : public ImageSource {
public:
    /// `budget`: may be null, else outlives the image. `threads`: that compute numbers of whole images, if a read may use fewer.
    ExpressionImage(expressions::Graph graph, BudgetCache* budget, int threads);
    /// Forgets what is cached of it.
    ~ExpressionImage() override;
    ExpressionImage(const ExpressionImage&) = delete;
    ExpressionImage& operator=(const ExpressionImage&) = delete;

    /// Computes the numbers of whole images, if that has not been done yet. `progress`: 0 to 1, on the calling thread. Throws as reads.
    void prepare(const ThreadShare& threads, const CancelToken& cancel, const std::function<void(double)>& progress = {}) const;
    const expressions::Graph& graph() const { return graph_; }

    const ImageShape& shape() const override { return evaluator_.shape(); }
    PixelType stored_type() const override;
    /// Until the numbers of whole images are known, those of an image that is read by whole planes: commands must not read it themselves.
    const Capabilities& capabilities() const override;
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                  const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                     const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                       const CancelToken& cancel) const override;
    void visit_files(const std::function<void(const FileState&)>& see) const override;
    void check_unchanged() const override;

private:
    const expressions::Scalars& scalars(const ThreadShare& threads, const CancelToken& cancel,
                                        const std::function<void(double)>& progress = {}) const;

    const expressions::Graph graph_;
    BudgetCache* const budget_;
    const int threads_;
    const expressions::Evaluator evaluator_;
    const ImageIdentity identity_ = ImageIdentity::of_computed();
    Capabilities unprepared_;
    mutable std::atomic<bool> ready_{false}; // scalars_ are known and never change again
    mutable platform::Mutex mutex_;
    mutable platform::CondVar changed_;
    mutable bool computing_ CUBELINK_GUARDED_BY(mutex_) = false;
    mutable expressions::Scalars scalars_;
};

} // namespace cubelink::imaging
