#pragma once
/// A part of another image, as an image of its own: a rectangle of its planes, some of its channels and stokes, and blanks outside of a selection
/// of pixels. Nothing is copied; each read is one of the other image.

#include "imaging/source/image_source.hpp"

#include <memory>

namespace cubelink::imaging {

/// `count` indices of an axis from `from` on, each `step` from the one before.
struct IndexRange {
    std::int64_t from = 0, count = 1, step = 1;
    std::int64_t index(std::int64_t i) const { return from + i * step; }
    friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

struct SubImageSelection {
    Rect rect; // of each plane
    IndexRange channels, stokes;
    /// In pixels of the whole image: those of `rect` that are not selected are NaN. Null: all are selected.
    std::shared_ptr<const PixelMask> mask;
};

class SubImage final : public ImageSource {
public:
    /// Throws std::out_of_range unless the selection lies within the image and has at least one pixel, channel and stokes.
    SubImage(std::shared_ptr<const ImageSource> base, SubImageSelection selection);

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return base_->stored_type(); }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void check_unchanged() const override { base_->check_unchanged(); }

private:
    Rect in_base(const Rect& rect) const;
    PlaneId in_base(PlaneId plane) const;
    template <class Out>
    void blank_outside(const Rect& rect, std::span<Out> out) const;
    bool selects(std::int64_t x, std::int64_t y) const;

    std::shared_ptr<const ImageSource> base_;
    SubImageSelection selection_;
    ImageShape shape_;
    Capabilities capabilities_;
    ImageIdentity identity_ = ImageIdentity::of_computed();
};

} // namespace cubelink::imaging
