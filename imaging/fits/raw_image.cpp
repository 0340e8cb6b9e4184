#include "imaging/fits/raw_image.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace cubelink::imaging {

namespace {

// Small enough for the second-level cache: the copy out of the page cache is converted while it is still there.
constexpr std::size_t staging_size = 256 << 10;

/// This thread's, kept: to allocate and clear it anew costs as much as to read a tile.
std::span<std::byte> thread_staging() {
    thread_local const auto staging = std::make_unique_for_overwrite<std::byte[]>(staging_size);
    return {staging.get(), staging_size};
}

} // namespace

RawImage::RawImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, std::int64_t offset, Layout layout)
    : data_(std::move(data)), original_(std::move(original)), offset_(offset), layout_(std::move(layout)), pixel_size_(size_of(layout_.type)) {}

/// `count` pixels, `step` apart, into the beginning of staging, packed. Needs count · pixel_size_ ≤ staging.size().
void RawImage::gather(std::int64_t first, std::int64_t step, std::size_t count, std::span<std::byte> staging) const {
    const auto size = static_cast<std::int64_t>(pixel_size_);
    if (step == 1 || count == 1) {
        data_->read_all(offset_ + first * size, staging.first(count * pixel_size_));
        return;
    }
    // Neighbours within a page or so come along in one read; others are read one by one.
    if (step * size > 4096) {
        for (std::size_t i = 0; i < count; ++i)
            data_->read_all(offset_ + (first + static_cast<std::int64_t>(i) * step) * size, staging.subspan(i * pixel_size_, pixel_size_));
        return;
    }
    std::vector<std::byte> span(staging_size);
    const std::size_t at_once = std::max<std::size_t>((staging_size / pixel_size_ - 1) / static_cast<std::size_t>(step) + 1, 1);
    for (std::size_t done = 0; done < count; done += at_once) {
        const std::size_t part = std::min(at_once, count - done);
        const std::size_t bytes = ((part - 1) * static_cast<std::size_t>(step) + 1) * pixel_size_;
        data_->read_all(offset_ + (first + static_cast<std::int64_t>(done) * step) * size, std::span(span).first(bytes));
        for (std::size_t i = 0; i < part; ++i)
            std::memcpy(staging.data() + (done + i) * pixel_size_, span.data() + i * static_cast<std::size_t>(step) * pixel_size_, pixel_size_);
    }
}

template <class Out, class Converter>
void RawImage::read_run(std::int64_t first, std::int64_t step, std::span<Out> out, std::span<std::byte> staging, Converter convert) const {
    const std::size_t at_once = staging.size() / pixel_size_;
    for (std::size_t done = 0; done < out.size(); done += at_once) {
        const std::size_t part = std::min(at_once, out.size() - done);
        gather(first + static_cast<std::int64_t>(done) * step, step, part, staging);
        convert(staging.data(), out.data() + done, part, layout_.scaling);
    }
}

template <class Out, class Converter>
void RawImage::read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel, Converter convert) const {
    check_request(layout_.shape, rect, plane, out.size());
    if (out.empty()) return;
    const std::int64_t base = plane.channel * layout_.step_depth + plane.stokes * layout_.step_stokes + rect.y0 * layout_.step_y + rect.x0 * layout_.step_x;
    const auto at_once = static_cast<std::int64_t>(staging_size / pixel_size_);
    const bool contiguous = layout_.step_x == 1 && layout_.step_y == rect.width();
    if (contiguous) {
        const std::int64_t total = rect.size(), parts = (total + at_once - 1) / at_once;
        parallel_for(threads, parts, cancel, [&](std::int64_t part, int) {
            const std::int64_t from = part * at_once, count = std::min(at_once, total - from);
            read_run(base + from, 1, out.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count)), thread_staging(), convert);
        });
    } else {
        // A part is some rows, or a piece of a very long one.
        const std::int64_t width = rect.width(), pieces = (width + at_once - 1) / at_once;
        const std::int64_t rows = std::max<std::int64_t>(1, at_once / 4 / width), groups = (rect.height() + rows - 1) / rows;
        parallel_for(threads, groups * pieces, cancel, [&](std::int64_t part, int) {
            const auto staging = thread_staging();
            const std::int64_t x = part % pieces * at_once, count = std::min(at_once, width - x), y0 = part / pieces * rows;
            const std::int64_t y1 = std::min(y0 + rows, rect.height());
            if (layout_.step_x == 1 && pieces == 1) { // short rows are converted together
                const auto row_bytes = static_cast<std::size_t>(width) * pixel_size_;
                for (std::int64_t y = y0; y < y1; ++y)
                    data_->read_all(offset_ + (base + y * layout_.step_y) * static_cast<std::int64_t>(pixel_size_),
                                    staging.subspan(static_cast<std::size_t>(y - y0) * row_bytes, row_bytes));
                convert(staging.data(), out.data() + y0 * width, static_cast<std::size_t>((y1 - y0) * width), layout_.scaling);
                return;
            }
            for (std::int64_t y = y0; y < y1; ++y)
                read_run(base + y * layout_.step_y + x * layout_.step_x, layout_.step_x,
                         out.subspan(static_cast<std::size_t>(y * width + x), static_cast<std::size_t>(count)), staging, convert);
        });
    }
    original_->check_descriptor();
}

void RawImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel, float_converter(layout_.type, layout_.scaling));
}

void RawImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel, double_converter(layout_.type, layout_.scaling));
}

ImageSource::Whole RawImage::whole() const {
    const auto& scaling = layout_.scaling;
    if (layout_.type != PixelType::int64 || scaling.blank || scaling.scale != 1) return Whole::no;
    return scaling.zero == 0 ? Whole::with_sign : scaling.zero == 0x1p63 ? Whole::unsigned_ : Whole::no;
}

void RawImage::read_whole(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const {
    const Whole kind = whole();
    if (kind == Whole::no) return ImageSource::read_whole(rect, plane, out, threads, cancel);
    const std::uint64_t flip = kind == Whole::unsigned_ ? std::uint64_t{1} << 63 : 0;
    read_as(rect, plane, out, threads, cancel, [flip](const std::byte* in, std::int64_t* to, std::size_t count, const Scaling&) {
        for (std::size_t i = 0; i < count; ++i) {
            std::uint64_t bits;
            std::memcpy(&bits, in + i * sizeof bits, sizeof bits);
            to[i] = static_cast<std::int64_t>(__builtin_bswap64(bits) ^ flip);
        }
    });
}

void RawImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                             const CancelToken& cancel) const {
    check_spectrum_request(layout_.shape, x, y, stokes, from, out.size());
    const auto convert = float_converter(layout_.type, layout_.scaling);
    const std::int64_t first = x * layout_.step_x + y * layout_.step_y + stokes * layout_.step_stokes + from * layout_.step_depth;
    constexpr std::size_t batch = 256; // cancelled within some hundred reads of the slowest disk
    std::array<std::byte, batch * 8> staging;
    for (std::size_t done = 0; done < out.size(); done += batch) {
        cancel.throw_if_cancelled();
        const std::size_t count = std::min(batch, out.size() - done);
        gather(first + static_cast<std::int64_t>(done) * layout_.step_depth, layout_.step_depth, count, staging);
        convert(staging.data(), out.data() + done, count, layout_.scaling);
    }
    original_->check_descriptor();
}

} // namespace cubelink::imaging
