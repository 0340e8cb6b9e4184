#pragma once
/// Pixels of one image, wherever they come from. Implementations: imaging/fits/. All members may be called from several threads at once.

#include "imaging/base/cancel.hpp"
#include "imaging/base/geometry.hpp"

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

/// The file can't be read (any more), or is not what it should be. what() names the file and the reason, fit for a user.
class ImageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The file was written again, or has shrunk, since it was opened: its pixels must not be mixed with earlier ones.
class ImageChanged : public ImageError {
public:
    using ImageError::ImageError;
};

enum class PixelType { uint8, int16, int32, int64, float32, float64 }; // BITPIX 8, 16, 32, 64, -32, -64

/// Which state of which file: device, inode, size and modification time in nanoseconds. Key of all caches.
struct FileIdentity {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t mtime_ns = 0;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
    friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

class ImageSource {
public:
    virtual ~ImageSource() = default;

    virtual const ImageShape& shape() const = 0;
    /// Type in the file, before BSCALE and BZERO.
    virtual PixelType stored_type() const = 0;
    /// True if the values are better held as doubles (BITPIX 32, 64, -64, or scaling beyond float32's precision): statistics then use read64.
    virtual bool wide() const = 0;
    virtual const FileIdentity& identity() const = 0;

    /// A rectangle of one plane, `out.size() == rect.size()`, rows from the bottom up. Scaled (BSCALE, BZERO); BLANK becomes NaN;
    /// infinities stay as they are. `threads` ≥ 1 may be used. Throws std::out_of_range for a rectangle or plane outside the image,
    /// ImageError, ImageChanged, Cancelled.
    virtual void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const = 0;
    virtual void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const = 0;

    /// Whether the values are integers of 64 bits, of which doubles keep 53: BITPIX 64 without BLANK and scaling, but for that of unsigned ones.
    enum class Whole { no, with_sign, unsigned_ };
    virtual Whole whole() const { return Whole::no; }
    /// As read(), of an image that is whole(): the integers themselves, unsigned ones bit by bit.
    virtual void read_whole(const Rect&, PlaneId, std::span<std::int64_t>, int /*threads*/, const CancelToken&) const {
        throw std::logic_error("the values of this image are no integers of 64 bits");
    }

    /// Channels [from, from + out.size()) of the pixel (x, y).
    virtual void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const = 0;

    /// Looks whether the file is still the one that was opened; throws ImageChanged if it is not.
    virtual void check_unchanged() const = 0;

    /// Uncompressed data whose rows can be read directly: random access is cheap. Otherwise reads of whole planes are better.
    virtual bool direct() const = 0;

    /// Width and height of the pieces of a plane, aligned to pixel (0, 0), that can only be read as a whole (tiles of a compressed image); 1 × 1 if
    /// each pixel can be read by itself.
    struct StoredBlock {
        std::int64_t width = 1, height = 1;
    };
    virtual StoredBlock stored_block() const { return {}; }
};

} // namespace cubelink::imaging
