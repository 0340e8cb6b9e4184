#include "imaging/source/image_source.hpp"

#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// Pixels that are read at once where only some of them are selected.
constexpr std::int64_t band_pixels = 1 << 18;

void check_channels(const ImageShape& shape, ChannelRange channels) {
    if (channels.from < 0 || channels.from > channels.to || channels.to > shape.depth) throw std::out_of_range("the channels are not within the image");
}

void check_size(std::uint64_t of_channel, ChannelRange channels, std::size_t size) {
    std::uint64_t values = 0;
    if (__builtin_mul_overflow(of_channel, static_cast<std::uint64_t>(channels.count()), &values) || values != size)
        throw std::out_of_range("the buffer has not the size of what is read");
}

} // namespace

void ImageSource::read_int64(const Rect&, PlaneId, std::span<std::int64_t>, int, const CancelToken&) const {
    throw std::logic_error("the values of this image are not 64-bit integers");
}

void ImageSource::visit_files(const std::function<void(const FileState&)>& see) const {
    if (!identity().is_computed()) see(identity().file);
}

void ImageSource::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_box_request(shape(), rect, channels, stokes, out.size());
    const auto plane = static_cast<std::size_t>(rect.size());
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        cancel.throw_if_cancelled();
        read(rect, {channel, stokes}, out.subspan(static_cast<std::size_t>(channel - channels.from) * plane, plane), threads, cancel);
    }
}

void ImageSource::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_masked_request(shape(), mask, channels, stokes, out.size());
    if (out.empty()) return;
    const Rect& bounds = mask.bounds();
    const std::int64_t rows = std::clamp<std::int64_t>(band_pixels / bounds.width(), 1, bounds.height());
    const auto pixels = make_pixels<float>(static_cast<std::size_t>(rows * bounds.width()));
    float* to = out.data();
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        auto run = mask.runs().begin();
        for (std::int64_t y = bounds.y0; y < bounds.y1; y += rows) {
            cancel.throw_if_cancelled();
            const Rect band{bounds.x0, y, bounds.x1, std::min(y + rows, bounds.y1)};
            if (run == mask.runs().end() || run->y >= band.y1) continue;
            read(band, {channel, stokes}, {pixels.get(), static_cast<std::size_t>(band.size())}, threads, cancel);
            for (; run != mask.runs().end() && run->y < band.y1; ++run)
                to = std::copy_n(pixels.get() + (run->y - band.y0) * band.width() + (run->x0 - band.x0), run->length(), to);
        }
    }
}

namespace {

template <class Out, class Read>
void read_each(std::span<const PixelRun> runs, ChannelRange channels, std::span<Out> out, const Read& read) {
    for (std::int32_t channel = channels.from; channel < channels.to; ++channel) {
        for (const PixelRun& run : runs) {
            const auto length = static_cast<std::size_t>(run.length());
            read(Rect{run.x0, run.y, run.x1, run.y + 1}, channel, out.first(length));
            out = out.subspan(length);
        }
    }
}

} // namespace

void ImageSource::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                              const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    read_each(runs, channels, out, [&](const Rect& rect, std::int32_t channel, std::span<float> to) { read(rect, {channel, stokes}, to, 1, cancel); });
}

void ImageSource::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    read_each(runs, channels, out, [&](const Rect& rect, std::int32_t channel, std::span<double> to) { read64(rect, {channel, stokes}, to, 1, cancel); });
}

void check_request(const ImageShape& shape, const Rect& rect, PlaneId plane, std::size_t size) {
    const bool inside = rect.x0 >= 0 && rect.y0 >= 0 && rect.x0 <= rect.x1 && rect.y0 <= rect.y1 && rect.x1 <= shape.width && rect.y1 <= shape.height;
    if (!inside) throw std::out_of_range("the rectangle is not within the image");
    if (plane.channel < 0 || plane.channel >= shape.depth)
        throw std::out_of_range("channel " + std::to_string(plane.channel) + " does not exist, the image has " + std::to_string(shape.depth));
    if (plane.stokes < 0 || plane.stokes >= shape.stokes)
        throw std::out_of_range("stokes " + std::to_string(plane.stokes) + " does not exist, the image has " + std::to_string(shape.stokes));
    if (static_cast<std::uint64_t>(rect.size()) != size) throw std::out_of_range("the buffer has not the size of the rectangle");
}

void check_spectrum_request(const ImageShape& shape, std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::size_t size) {
    if (x < 0 || y < 0 || x >= shape.width || y >= shape.height) throw std::out_of_range("the pixel is not within the image");
    if (stokes < 0 || stokes >= shape.stokes)
        throw std::out_of_range("stokes " + std::to_string(stokes) + " does not exist, the image has " + std::to_string(shape.stokes));
    if (from < 0 || from > shape.depth || size > static_cast<std::uint64_t>(shape.depth - from)) throw std::out_of_range("the channels are not within the image");
}

void check_box_request(const ImageShape& shape, const Rect& rect, ChannelRange channels, std::int32_t stokes, std::size_t size) {
    check_channels(shape, channels);
    check_request(shape, rect, {0, stokes}, static_cast<std::size_t>(rect.size()));
    check_size(static_cast<std::uint64_t>(rect.size()), channels, size);
}

void check_masked_request(const ImageShape& shape, const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::size_t size) {
    check_channels(shape, channels);
    check_request(shape, mask.bounds(), {0, stokes}, static_cast<std::size_t>(mask.bounds().size()));
    check_size(mask.count(), channels, size);
}

void check_runs_request(const ImageShape& shape, std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::size_t size) {
    check_channels(shape, channels);
    check_request(shape, {}, {0, stokes}, 0);
    std::uint64_t pixels = 0;
    for (const PixelRun& run : runs) {
        if (run.y < 0 || run.y >= shape.height || run.x0 < 0 || run.x0 > run.x1 || run.x1 > shape.width)
            throw std::out_of_range("a run of pixels is not within the image");
        pixels += static_cast<std::uint64_t>(run.length());
    }
    check_size(pixels, channels, size);
}

} // namespace cubelink::imaging
