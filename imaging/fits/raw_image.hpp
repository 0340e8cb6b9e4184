#pragma once
/// Pixels of an uncompressed image, read directly from the file: pread, swap, scale. See ImageSource for what callers may rely on.

#include "imaging/fits/file_handle.hpp"
#include "imaging/fits/layout.hpp"

namespace cubelink::imaging {

class RawImage : public ImageSource {
public:
    /// `data`: where the pixels are, from `offset` on; `original`: the file that the user named (the same, unless that one is gzipped).
    RawImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, std::int64_t offset, Layout layout);

    const ImageShape& shape() const override { return layout_.shape; }
    PixelType stored_type() const override { return layout_.type; }
    bool wide() const override { return layout_.wide; }
    const FileIdentity& identity() const override { return original_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    Whole whole() const override;
    void read_whole(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void check_unchanged() const override { original_->check_path(); }
    bool direct() const override { return true; }

private:
    template <class Out, class Converter>
    void read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert) const;
    template <class Out, class Converter>
    void read_run(std::int64_t first, std::int64_t step, std::span<Out> out, std::span<std::byte> staging, Converter convert) const;
    void gather(std::int64_t first, std::int64_t step, std::size_t count, std::span<std::byte> staging) const;

    std::shared_ptr<const FileHandle> data_, original_;
    std::int64_t offset_;
    Layout layout_;
    std::size_t pixel_size_;
};

} // namespace cubelink::imaging
