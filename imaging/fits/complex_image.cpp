#include "imaging/fits/complex_image.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace cubelink::imaging {

namespace {

/// Values that are combined at once: what the parts take beside the result is bounded by it. Larger where whole compressed tiles are read.
constexpr std::int64_t at_once = 1 << 16, at_once_of_tiles = 1 << 20;

void take_amplitude(std::span<float> real, const float* imaginary) {
    for (std::size_t i = 0; i < real.size(); ++i) {
        const double a = real[i], b = imaginary[i];
        real[i] = static_cast<float>(std::sqrt(a * a + b * b));
    }
}

void take_amplitude(std::span<double> real, const double* imaginary) {
    for (std::size_t i = 0; i < real.size(); ++i) {
        const double square = real[i] * real[i] + imaginary[i] * imaginary[i];
        // The squares of large and small numbers leave the range.
        real[i] = square > 1e-280 && square < 1e300 ? std::sqrt(square) : std::hypot(real[i], imaginary[i]);
    }
}

template <class Out>
void blank_unweighted(std::span<Out> values, const Out* weights) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!(weights[i] > 0)) values[i] = std::numeric_limits<Out>::quiet_NaN();
    }
}

} // namespace

ComplexImage::ComplexImage(Value value, std::shared_ptr<const ImageSource> real, std::shared_ptr<const ImageSource> imaginary,
                           std::shared_ptr<const ImageSource> weight, const ImageIdentity& identity)
    : value_(value), real_(std::move(real)), imaginary_(std::move(imaginary)), weight_(std::move(weight)), identity_(identity),
      capabilities_(real_->capabilities()) {
    if (imaginary_->shape() != real_->shape() || (weight_ && weight_->shape() != real_->shape())) throw std::invalid_argument("parts of complex numbers differ in shape");
    capabilities_.int64 = Int64Kind::none;
    capabilities_.has_mask = capabilities_.has_mask || weight_ != nullptr;
}

template <class Out, class ReadPart>
void ComplexImage::combine(std::span<Out> out, const ReadPart& read_part) const {
    const bool both = value_ == Value::amplitude;
    const auto other = both || weight_ ? make_pixels<Out>(out.size()) : Pixels<Out>();
    read_part(value_ == Value::imaginary ? *imaginary_ : *real_, out);
    if (both) {
        read_part(*imaginary_, std::span(other.get(), out.size()));
        take_amplitude(out, other.get());
    }
    if (weight_) {
        read_part(*weight_, std::span(other.get(), out.size()));
        blank_unweighted(out, other.get());
    }
}

/// Bands of whole rows, one after the other where threads share the tiles of each, else side by side.
template <class Out, class ReadRect>
void ComplexImage::read_bands(const Rect& rect, std::span<Out> out, int threads, const CancelToken& cancel, const ReadRect& read_rect) const {
    const bool tiles = !capabilities_.random_access;
    const std::int64_t align = tiles ? capabilities_.stored_block.height : 1, most = std::max<std::int64_t>(1, (tiles ? at_once_of_tiles : at_once) / std::max<std::int64_t>(rect.width(), 1));
    const std::int64_t rows = most >= align ? most / align * align : most;
    const std::int64_t first = rect.y0 / rows; // bands begin at multiples of their height
    const auto band = [&](std::int64_t index, int of_threads) {
        const Rect part{rect.x0, std::max(rect.y0, (first + index) * rows), rect.x1, std::min(rect.y1, (first + index + 1) * rows)};
        const auto to = out.subspan(static_cast<std::size_t>((part.y0 - rect.y0) * rect.width()), static_cast<std::size_t>(part.size()));
        combine(to, [&](const ImageSource& source, std::span<Out> values) { read_rect(source, part, values, of_threads); });
    };
    if (rect.size() == 0) return;
    const std::int64_t count = (rect.y1 - 1) / rows - first + 1;
    if (tiles) {
        for (std::int64_t i = 0; i < count; ++i) band(i, threads);
    } else {
        parallel_for(threads, count, cancel, [&](std::int64_t i, int) { band(i, 1); });
    }
}

void ComplexImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_request(shape(), rect, plane, out.size());
    read_bands(rect, out, threads, cancel,
               [&](const ImageSource& source, const Rect& part, std::span<float> to, int of_threads) { source.read(part, plane, to, of_threads, cancel); });
}

void ComplexImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    check_request(shape(), rect, plane, out.size());
    read_bands(rect, out, threads, cancel,
               [&](const ImageSource& source, const Rect& part, std::span<double> to, int of_threads) { source.read64(part, plane, to, of_threads, cancel); });
}

void ComplexImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const {
    check_spectrum_request(shape(), x, y, stokes, from, out.size());
    for (std::size_t done = 0; done < out.size(); done += at_once) {
        const auto to = out.subspan(done, std::min<std::size_t>(at_once, out.size() - done));
        combine(to, [&](const ImageSource& source, std::span<float> values) {
            source.read_spectrum(x, y, stokes, from + static_cast<std::int32_t>(done), values, cancel);
        });
    }
}

void ComplexImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_box_request(shape(), rect, channels, stokes, out.size());
    if (out.empty()) return;
    const std::int64_t most = capabilities_.random_access ? at_once : at_once_of_tiles;
    if (rect.size() > most) return ImageSource::read_box(rect, channels, stokes, out, threads, cancel);
    const auto step = static_cast<std::int32_t>(std::min<std::int64_t>(most / rect.size(), channels.count()));
    for (std::int32_t from = channels.from; from < channels.to; from += step) {
        const ChannelRange some{from, std::min(from + step, channels.to)};
        const auto to = out.subspan(static_cast<std::size_t>((from - channels.from) * rect.size()), static_cast<std::size_t>(some.count() * rect.size()));
        combine(to, [&](const ImageSource& source, std::span<float> values) { source.read_box(rect, some, stokes, values, threads, cancel); });
    }
}

void ComplexImage::read_masked(const PixelMask& mask, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads,
                               const CancelToken& cancel) const {
    check_masked_request(shape(), mask, channels, stokes, out.size());
    if (out.empty()) return;
    const std::size_t most = static_cast<std::size_t>(capabilities_.random_access ? at_once : at_once_of_tiles);
    if (mask.count() > most) return ImageSource::read_masked(mask, channels, stokes, out, threads, cancel);
    const auto step = static_cast<std::int32_t>(std::min<std::int64_t>(static_cast<std::int64_t>(most / mask.count()), channels.count()));
    for (std::int32_t from = channels.from; from < channels.to; from += step) {
        const ChannelRange some{from, std::min(from + step, channels.to)};
        const auto to = out.subspan(static_cast<std::size_t>(from - channels.from) * mask.count(), static_cast<std::size_t>(some.count()) * mask.count());
        combine(to, [&](const ImageSource& source, std::span<float> values) { source.read_masked(mask, some, stokes, values, threads, cancel); });
    }
}

template <class Out, class ReadRuns>
void ComplexImage::read_runs(std::span<const PixelRun> runs, ChannelRange channels, std::span<Out> out, const ReadRuns& read_runs) const {
    if (out.empty()) return;
    const std::size_t of_channel = out.size() / static_cast<std::size_t>(channels.count());
    const auto step = static_cast<std::int32_t>(std::clamp<std::int64_t>(at_once / static_cast<std::int64_t>(of_channel), 1, channels.count()));
    for (std::int32_t from = channels.from; from < channels.to; from += step) {
        const ChannelRange some{from, std::min(from + step, channels.to)};
        // As many runs at once as there is room for; of longer runs, one.
        for (std::size_t begin = 0, at = 0; begin < runs.size();) {
            std::size_t end = begin, pixels = 0;
            do pixels += static_cast<std::size_t>(runs[end++].length());
            while (end < runs.size() && (some.count() > 1 || pixels + static_cast<std::size_t>(runs[end].length()) <= at_once));
            const auto to = out.subspan(static_cast<std::size_t>(from - channels.from) * of_channel + at, static_cast<std::size_t>(some.count()) * pixels);
            combine(to, [&](const ImageSource& source, std::span<Out> values) { read_runs(source, runs.subspan(begin, end - begin), some, values); });
            begin = end;
            at += pixels;
        }
    }
}

void ComplexImage::read_pixels(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<float> out,
                               const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    read_runs(runs, channels, out, [&](const ImageSource& source, std::span<const PixelRun> some, ChannelRange of_channels, std::span<float> to) {
        source.read_pixels(some, of_channels, stokes, to, cancel);
    });
}

void ComplexImage::read_pixels64(std::span<const PixelRun> runs, ChannelRange channels, std::int32_t stokes, std::span<double> out,
                                 const CancelToken& cancel) const {
    check_runs_request(shape(), runs, channels, stokes, out.size());
    read_runs(runs, channels, out, [&](const ImageSource& source, std::span<const PixelRun> some, ChannelRange of_channels, std::span<double> to) {
        source.read_pixels64(some, of_channels, stokes, to, cancel);
    });
}

} // namespace cubelink::imaging
