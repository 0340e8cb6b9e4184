#pragma once
/// An image in memory, or in a scratch file: moments, position-velocity images, fits' residuals and other results. Filled by the one that makes it, then shared and
/// never changed again: from then on any thread may read.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/scratch_memory.hpp"
#include "imaging/source/image_source.hpp"

#include <string>

namespace cubelink::imaging {

class MemoryImage final : public ImageSource {
public:
    /// Takes its memory from `budget`, which must outlive it, or from the folder `scratch` (see ScratchMemory); the pixels are uninitialised. Throws
    /// std::invalid_argument for an empty or too large shape, ImageError, OverBudget, Cancelled.
    MemoryImage(const ImageShape& shape, BudgetCache& budget, const CancelToken& cancel = {}, const std::string& scratch = {});
    /// Forgets what is cached of it.
    ~MemoryImage() override;
    MemoryImage(const MemoryImage&) = delete;
    MemoryImage& operator=(const MemoryImage&) = delete;

    /// The pixels of a plane, for the one that fills it. Throws std::out_of_range.
    std::span<float> plane(PlaneId plane);
    std::span<const float> plane(PlaneId plane) const;

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return PixelType::float32; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                     const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    /// Throws ImageError if the scratch disk has failed.
    void check_unchanged() const override { pixels_.check(); }

private:
    const float* start_of(std::int64_t channel, std::int64_t stokes) const {
        return reinterpret_cast<const float*>(pixels_.data()) + (stokes * shape_.depth + channel) * shape_.plane_size();
    }
    template <class Out>
    void copy(const Rect& rect, PlaneId plane, std::span<Out> out) const;

    ImageShape shape_;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
    BudgetCache& budget_;
    ScratchMemory pixels_; // floats: x fastest, then y, channel, stokes
};

} // namespace cubelink::imaging
