#pragma once
/// A file of big-endian floats as an image, read as a FITS file's data are: for measurements, and as an oracle's input.

#include "imaging/source/image_source.hpp"
#include "imaging/kernels/byteswap.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cubelink::imaging::test {

class RawSource : public ImageSource {
public:
    RawSource(const std::string& path, ImageShape shape) : shape_(shape), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        struct stat status {};
        if (file_ < 0 || ::fstat(file_, &status) != 0) throw ImageError(path + ": " + std::strerror(errno));
        if (status.st_size < shape.plane_size() * shape.depth * shape.stokes * 4) throw ImageError(path + ": too short");
        identity_.file = {std::uint64_t(status.st_dev), std::uint64_t(status.st_ino), std::uint64_t(status.st_size), status.st_mtim.tv_nsec};
        capabilities_.random_access = true;
    }
    ~RawSource() override { ::close(file_); }
    RawSource(const RawSource&) = delete;
    RawSource& operator=(const RawSource&) = delete;

    const ImageShape& shape() const override { return shape_; }
    PixelType stored_type() const override { return PixelType::float32; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return identity_; }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int, const CancelToken& cancel) const override {
        const std::int64_t plane_at = (std::int64_t(plane.stokes) * shape_.depth + plane.channel) * shape_.plane_size();
        if (rect.width() == shape_.width) {
            at(plane_at + rect.y0 * shape_.width, out.data(), out.size());
            return;
        }
        for (std::int64_t y = rect.y0; y < rect.y1; ++y) {
            cancel.throw_if_cancelled();
            at(plane_at + y * shape_.width + rect.x0, out.data() + (y - rect.y0) * rect.width(), std::size_t(rect.width()));
        }
    }
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override {
        std::vector<float> narrow(out.size());
        read(rect, plane, narrow, threads, cancel);
        std::copy(narrow.begin(), narrow.end(), out.begin());
    }
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override {
        for (std::size_t i = 0; i < out.size(); ++i) {
            cancel.throw_if_cancelled();
            at((std::int64_t(stokes) * shape_.depth + from + std::int64_t(i)) * shape_.plane_size() + y * shape_.width + x, &out[i], 1);
        }
    }
    void check_unchanged() const override {}

private:
    /// Through a small buffer that stays in the cache, so that each byte is written to memory once.
    void at(std::int64_t pixel, float* out, std::size_t n) const {
        constexpr std::size_t kPart = 16384;
        thread_local std::vector<std::byte> buffer(kPart * 4);
        const ToFloats convert = float_converter(PixelType::float32, {});
        for (std::size_t i = 0; i < n; i += kPart) {
            const std::size_t part = std::min(kPart, n - i);
            const ssize_t got = ::pread(file_, buffer.data(), part * 4, (pixel + std::int64_t(i)) * 4);
            if (got != ssize_t(part * 4)) throw ImageError("a raw image is cut short");
            convert(buffer.data(), out + i, part, {});
        }
    }

    ImageShape shape_;
    int file_;
    ImageIdentity identity_;
    Capabilities capabilities_;
};

} // namespace cubelink::imaging::test
