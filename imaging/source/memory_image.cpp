#include "imaging/source/memory_image.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// Bytes of its pixels; throws std::invalid_argument.
std::size_t bytes_of(const ImageShape& shape) {
    if (shape.width < 1 || shape.height < 1 || shape.depth < 1 || shape.stokes < 1) throw std::invalid_argument("an image has at least one pixel");
    std::int64_t bytes = sizeof(float);
    for (const std::int64_t length : {shape.width, shape.height, shape.depth, shape.stokes}) {
        if (__builtin_mul_overflow(bytes, length, &bytes)) throw std::invalid_argument("an image of this size can't be held in memory");
    }
    return static_cast<std::size_t>(bytes);
}

} // namespace

MemoryImage::MemoryImage(const ImageShape& shape, BudgetCache& budget, const CancelToken& cancel, const std::string& scratch)
    : shape_(shape), budget_(budget), pixels_(bytes_of(shape), budget, scratch, cancel) {
    capabilities_.random_access = true;
}

MemoryImage::~MemoryImage() { budget_.drop(identity_); }

std::span<const float> MemoryImage::plane(PlaneId plane) const {
    check_request(shape_, {}, plane, 0);
    return {start_of(plane.channel, plane.stokes), static_cast<std::size_t>(shape_.plane_size())};
}

std::span<float> MemoryImage::plane(PlaneId plane) {
    const auto pixels = static_cast<const MemoryImage&>(*this).plane(plane);
    return {const_cast<float*>(pixels.data()), pixels.size()};
}

template <class Out>
void MemoryImage::copy(const Rect& rect, PlaneId plane, std::span<Out> out) const {
    check_request(shape_, rect, plane, out.size());
    const float* from = start_of(plane.channel, plane.stokes) + rect.y0 * shape_.width + rect.x0;
    Out* to = out.data();
    for (std::int64_t y = rect.y0; y < rect.y1; ++y, from += shape_.width) to = std::copy_n(from, rect.width(), to);
    pixels_.check();
}

void MemoryImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int, const CancelToken& cancel) const {
    cancel.throw_if_cancelled();
    copy(rect, plane, out);
}

void MemoryImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int, const CancelToken& cancel) const {
    cancel.throw_if_cancelled();
    copy(rect, plane, out);
}

void MemoryImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const {
    check_spectrum_request(shape_, x, y, stokes, from, out.size());
    cancel.throw_if_cancelled();
    const float* pixel = start_of(from, stokes) + y * shape_.width + x;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = pixel[static_cast<std::int64_t>(i) * shape_.plane_size()];
    pixels_.check();
}

void MemoryImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int, const CancelToken& cancel) const {
    check_masked_request(shape_, mask, channels, stokes, out.size());
    float* to = out.data();
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        cancel.throw_if_cancelled();
        for (const PixelRun& run : mask.runs()) to = std::copy_n(start_of(channel, stokes) + run.y * shape_.width + run.x0, run.length(), to);
    }
    pixels_.check();
}

void MemoryImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                              const CancelToken& cancel) const {
    check_runs_request(shape_, runs, channels, stokes, out.size());
    float* to = out.data();
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        cancel.throw_if_cancelled();
        for (const PixelRun& run : runs) to = std::copy_n(start_of(channel, stokes) + run.y * shape_.width + run.x0, run.length(), to);
    }
    pixels_.check();
}

} // namespace cubelink::imaging
