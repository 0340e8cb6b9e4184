#pragma once
/// Pixels of an uncompressed image, read directly from the file: copied, byte-swapped, scaled. See ImageSource for what callers may rely on.
///
/// Planes and long rows are read by pread() into a small buffer of each thread; scattered pixels (columns, tiles, spectra, masks) through a
/// mapping that is kept as long as the image is open. Measured for whole planes, file in the page cache, with the conversion to floats and
/// a sum: pread 5.9 GB/s on one thread and 12.0 on two, mapping 6.1 and 11.4: no gain there. A column of 8192 rows: 2.8 ms and 0.1 ms.

#include "imaging/base/mapped_file.hpp"
#include "imaging/fits/file_handle.hpp"
#include "imaging/fits/layout.hpp"
#include "imaging/fits/touched_windows.hpp"

namespace cubelink::imaging {

class RawImage : public ImageSource {
public:
    /// `data`: where the pixels are, from `offset` on; `original`: the file that the user named (the same, unless that one is gzipped).
    RawImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, std::int64_t offset, Layout layout);

    const ImageShape& shape() const override { return layout_.shape; }
    PixelType stored_type() const override { return layout_.type; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return original_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                     const CancelToken& cancel) const override;
    void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                     const CancelToken& cancel) const override;
    void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                       const CancelToken& cancel) const override;
    void check_unchanged() const override { original_->check_path(); }

private:
    /// How scattered pixels are read.
    enum class Way { mapping, pread };

    /// Where pixel (0, 0) of a plane is, in pixels from the first one.
    std::int64_t start_of(std::int64_t channel, std::int64_t stokes) const {
        return layout_.first + channel * layout_.step_depth + stokes * layout_.step_stokes;
    }
    template <class Out, class Converter>
    void read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert) const;
    template <class Out, class Converter>
    void read_sequence(std::int64_t first, std::span<Out> out, Converter convert) const;
    template <class Out, class Converter>
    void read_strided(std::int64_t first, std::int64_t step, std::span<Out> out, Converter convert) const;
    template <class Out, class Converter, class RunAt>
    void read_runs(std::int64_t count, RunAt run_at, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert, Way way = Way::mapping) const;
    template <class Out, class Converter, class RunAt>
    bool read_near_runs(std::int64_t runs, std::int64_t depth, RunAt run_at, std::span<Out> out, const CancelToken& cancel, Converter convert) const;
    template <class Out, class Converter>
    void read_pixels_as(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<Out> out, const CancelToken& cancel,
                        Converter convert) const;
    template <class Body>
    void with_pixels(Way way, Body&& body) const;

    std::shared_ptr<const FileHandle> data_, original_;
    std::int64_t offset_;
    Layout layout_;
    std::size_t pixel_size_;
    Capabilities capabilities_;
    mutable KeptMapping mapping_;
    mutable TouchedWindows spectra_;
};

} // namespace cubelink::imaging
