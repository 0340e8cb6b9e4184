#pragma once
/// Pixels of one image, wherever they come from. Implementations: imaging/fits/ and the other formats, memory_image.hpp, and images that are
/// computed from others. All members may be called from several threads at once.

#include "imaging/base/cancel.hpp"
#include "imaging/base/geometry.hpp"
#include "imaging/base/image_error.hpp"
#include "imaging/base/image_identity.hpp"
#include "imaging/base/pixel_type.hpp"
#include "imaging/source/capabilities.hpp"
#include "imaging/source/pixel_mask.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace cubelink::imaging {

/// Channels from ≤ c < to.
struct ChannelRange {
    std::int32_t from = 0, to = 0;
    std::int32_t count() const { return to - from; }
    friend bool operator==(const ChannelRange&, const ChannelRange&) = default;
};

/// The planes whose values make an angle ½·atan2(u, q).
struct AngleParts {
    PlaneId u, q;
};

/// What all reads have in common: values are scaled (BSCALE, BZERO), BLANK becomes NaN, infinities stay as they are. `threads` ≥ 1 may be
/// used. They throw std::out_of_range for pixels outside the image or a buffer of another size, ImageError, ImageChanged, Cancelled,
/// OverBudget; after an exception the buffer holds anything.
class ImageSource {
public:
    virtual ~ImageSource() = default;

    virtual const ImageShape& shape() const = 0;
    /// Type in the file, before scaling.
    virtual PixelType stored_type() const = 0;
    virtual const Capabilities& capabilities() const = 0;
    virtual const ImageIdentity& identity() const = 0;

    /// A rectangle of one plane, `out.size() == rect.size()`, rows from the bottom up.
    virtual void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const = 0;
    virtual void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const = 0;
    /// The integers themselves, unsigned ones bit by bit. Throws std::logic_error unless capabilities().int64 says that they are.
    virtual void read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const;

    /// Channels [from, from + out.size()) of the pixel (x, y).
    virtual void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const = 0;

    /// A rectangle of several channels, one after the other: `out.size() == rect.size() · channels.count()`.
    virtual void read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const;

    /// The selected pixels of several channels, one channel after the other, of each in the order of mask.runs():
    /// `out.size() == mask.count() · channels.count()`. Only these pixels need be read.
    virtual void read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const;

    /// Runs of pixels of several channels, one channel after the other, of each in the order of `runs`, which is any: they may overlap. Works in the
    /// calling thread only, for callers that share their work among threads themselves. Worthwhile where capabilities().random_access.
    virtual void read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out, const CancelToken& cancel) const;
    virtual void read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                               const CancelToken& cancel) const;

    /// For a plane of angles, which must not be averaged directly, the planes that are averaged instead; nothing for other planes.
    virtual std::optional<AngleParts> angle_parts(PlaneId) const { return std::nullopt; }

    /// Calls `see` with each file that pixels are read from; the default: with that of the identity, unless it is computed.
    virtual void visit_files(const std::function<void(const FileState&)>& see) const;

    /// Looks whether the file is still the one that was opened; throws ImageChanged if it is not.
    virtual void check_unchanged() const = 0;
};

// For implementations: throw std::out_of_range unless the request lies within the image, and `size` is that of its values.
void check_request(const ImageShape& shape, const Rect& rect, PlaneId plane, std::size_t size);
void check_spectrum_request(const ImageShape& shape, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::size_t size);
void check_box_request(const ImageShape& shape, const Rect& rect, ChannelRange channels, std::int32_t stokes, std::size_t size);
void check_masked_request(const ImageShape& shape, const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::size_t size);
void check_runs_request(const ImageShape& shape, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::size_t size);

} // namespace cubelink::imaging
