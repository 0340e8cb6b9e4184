#pragma once
/// Images of one polarization each, seen as one image with a stokes axis. Each read goes to the image of its stokes index. See ImageSource for what
/// callers may rely on.

#include "imaging/source/image_source.hpp"

#include <memory>
#include <vector>

namespace cubelink::imaging {

class BudgetCache;

class StackedImage final : public ImageSource {
public:
    /// `parts`: at least one, in the order of the stokes axis, all of the same width, height and depth, with one stokes index each; else std::invalid_argument.
    /// `budget`, if not nullptr, outlives the image: what is cached of it there is dropped with it.
    StackedImage(std::vector<std::shared_ptr<const ImageSource>> parts, BudgetCache* budget);
    ~StackedImage() override;

    const ImageShape& shape() const override { return shape_; }
    /// That of all parts, or the floating type that holds them.
    PixelType stored_type() const override { return stored_type_; }
    /// What all parts can do.
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                       const CancelToken& cancel) const override;
    void visit_files(const std::function<void(const FileState&)>& see) const override;
    /// Of all parts.
    void check_unchanged() const override;

private:
    /// Throws std::out_of_range.
    const ImageSource& part(std::int32_t stokes) const;

    std::vector<std::shared_ptr<const ImageSource>> parts_;
    BudgetCache* budget_;
    ImageShape shape_;
    PixelType stored_type_;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
};

} // namespace cubelink::imaging
