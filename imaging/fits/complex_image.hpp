#pragma once
/// An image that is computed from the real and the imaginary part of complex numbers: their amplitudes, or one of the parts where weights blank
/// some of its pixels. See ImageSource for what callers may rely on.

#include "imaging/source/image_source.hpp"

#include <memory>

namespace cubelink::imaging {

class ComplexImage final : public ImageSource {
public:
    enum class Value { amplitude, real, imaginary };

    /// All sources have the same shape. `weight` may be nullptr; pixels whose weight is not above 0 are NaN. Amplitudes are computed in double precision and
    /// rounded once. `identity`: that of the image that is made, see ImageIdentity.
    ComplexImage(Value value, std::shared_ptr<const ImageSource> real, std::shared_ptr<const ImageSource> imaginary, std::shared_ptr<const ImageSource> weight,
                 const ImageIdentity& identity);

    const ImageShape& shape() const override { return real_->shape(); }
    PixelType stored_type() const override { return real_->stored_type(); }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                       const CancelToken& cancel) const override;
    void visit_files(const std::function<void(const FileState&)>& see) const override { real_->visit_files(see); }
    void check_unchanged() const override { real_->check_unchanged(); }

private:
    /// read_part(source, to) for each source that is needed, and what follows from them in `out`.
    template <class Out, class ReadPart>
    void combine(std::span<Out> out, const ReadPart& read_part) const;
    template <class Out, class ReadRect>
    void read_bands(const Rect& rect, std::span<Out> out, int threads, const CancelToken& cancel, const ReadRect& read_rect) const;
    template <class Out, class ReadRuns>
    void read_runs(std::span<const PixelRun> runs, ChannelRange channels, std::span<Out> out, const ReadRuns& read_runs) const;

    Value value_;
    std::shared_ptr<const ImageSource> real_, imaginary_, weight_;
    ImageIdentity identity_;
    Capabilities capabilities_;
};

} // namespace cubelink::imaging
