#include "imaging/source/sub_image.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

namespace cubelink::imaging {

namespace {

/// Spectra are read at once, channels between included, where that reads at most so many times what is needed, and in pieces of so many channels.
constexpr std::int64_t dense_step = 16, piece = 4096;

void check_range(const IndexRange& range, std::int64_t length, const char* axis) {
    // The last index is compared without computing it, which might overflow.
    const bool inside = range.from >= 0 && range.count >= 1 && range.step >= 1 && range.from < length && (range.count - 1) <= (length - 1 - range.from) / range.step;
    if (!inside) throw std::out_of_range(std::string("the selected ") + axis + " are not within the image");
}

/// The first run of row `y` or above.
auto first_run(std::span<const PixelRun> runs, std::int64_t y) {
    return std::lower_bound(runs.begin(), runs.end(), y, [](const PixelRun& run, std::int64_t row) { return run.y < row; });
}

} // namespace

SubImage::SubImage(std::shared_ptr<const ImageSource> base, SubImageSelection selection) : base_(std::move(base)), selection_(std::move(selection)) {
    const Rect& rect = selection_.rect;
    const ImageShape& whole = base_->shape();
    check_request(whole, rect, {}, static_cast<std::size_t>(std::max<std::int64_t>(0, rect.width()) * std::max<std::int64_t>(0, rect.height())));
    if (rect.size() == 0) throw std::out_of_range("the selected rectangle is empty");
    check_range(selection_.channels, whole.depth, "channels");
    check_range(selection_.stokes, whole.stokes, "stokes");
    shape_ = {rect.width(), rect.height(), selection_.channels.count, selection_.stokes.count};
    capabilities_ = base_->capabilities();
    capabilities_.stored_statistics = capabilities_.stored_pyramid = false;
    if (selection_.mask) {
        capabilities_.has_mask = true;
        capabilities_.int64 = Int64Kind::none; // integers have no blanks
    }
    const StoredBlock& block = capabilities_.stored_block;
    if (rect.x0 % block.width != 0 || rect.y0 % block.height != 0) capabilities_.stored_block = {};
}

Rect SubImage::in_base(const Rect& rect) const {
    const std::int64_t x = selection_.rect.x0, y = selection_.rect.y0;
    return {rect.x0 + x, rect.y0 + y, rect.x1 + x, rect.y1 + y};
}

PlaneId SubImage::in_base(PlaneId plane) const {
    return {static_cast<std::int32_t>(selection_.channels.index(plane.channel)), static_cast<std::int32_t>(selection_.stokes.index(plane.stokes))};
}

/// `rect` in pixels of the base.
template <class Out>
void SubImage::blank_outside(const Rect& rect, std::span<Out> out) const {
    if (!selection_.mask) return;
    constexpr Out blank = std::numeric_limits<Out>::quiet_NaN();
    const auto runs = selection_.mask->runs();
    auto run = first_run(runs, rect.y0);
    Out* row = out.data();
    for (std::int64_t y = rect.y0; y < rect.y1; ++y, row += rect.width()) {
        std::int64_t x = rect.x0;
        for (; run != runs.end() && run->y == y; ++run) {
            const std::int64_t begin = std::clamp(run->x0, x, rect.x1);
            std::fill(row + (x - rect.x0), row + (begin - rect.x0), blank);
            x = std::clamp(run->x1, begin, rect.x1);
        }
        std::fill(row + (x - rect.x0), row + rect.width(), blank);
    }
}

bool SubImage::selects(std::int64_t x, std::int64_t y) const {
    if (!selection_.mask) return true;
    const auto runs = selection_.mask->runs();
    for (auto run = first_run(runs, y); run != runs.end() && run->y == y && run->x0 <= x; ++run) {
        if (x < run->x1) return true;
    }
    return false;
}

void SubImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    check_request(shape_, rect, plane, out.size());
    base_->read(in_base(rect), in_base(plane), out, threads, cancel);
    blank_outside(in_base(rect), out);
}

void SubImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    check_request(shape_, rect, plane, out.size());
    base_->read64(in_base(rect), in_base(plane), out, threads, cancel);
    blank_outside(in_base(rect), out);
}

void SubImage::read_int64(const Rect& rect, PlaneId plane, std::span<std::int64_t> out, int threads, const CancelToken& cancel) const {
    check_request(shape_, rect, plane, out.size());
    if (selection_.mask) throw std::logic_error("the integers of an image with blanks");
    base_->read_int64(in_base(rect), in_base(plane), out, threads, cancel);
}

void SubImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out, const CancelToken& cancel) const {
    check_spectrum_request(shape_, x, y, stokes, from, out.size());
    const std::int64_t column = x + selection_.rect.x0, row = y + selection_.rect.y0;
    if (!selects(column, row)) {
        std::fill(out.begin(), out.end(), std::numeric_limits<float>::quiet_NaN());
        return;
    }
    const auto base_stokes = static_cast<std::int32_t>(selection_.stokes.index(stokes));
    const IndexRange& channels = selection_.channels;
    if (channels.step == 1)
        return base_->read_spectrum(column, row, base_stokes, static_cast<std::int32_t>(channels.index(from)), out, cancel);
    const std::int64_t step = channels.step <= dense_step ? channels.step : 1, at_once = channels.step <= dense_step ? piece / step : 1;
    std::vector<float> values(static_cast<std::size_t>((at_once - 1) * step + 1));
    for (std::int64_t i = 0, size = static_cast<std::int64_t>(out.size()); i < size; i += at_once) {
        const std::int64_t count = std::min(at_once, size - i);
        const std::span<float> read = std::span(values).first(static_cast<std::size_t>((count - 1) * step + 1));
        base_->read_spectrum(column, row, base_stokes, static_cast<std::int32_t>(channels.index(from + i)), read, cancel);
        for (std::int64_t k = 0; k < count; ++k) out[static_cast<std::size_t>(i + k)] = read[static_cast<std::size_t>(k * step)];
    }
}

void SubImage::read_box(const Rect& rect, ChannelRange channels, std::int32_t stokes, std::span<float> out, int threads, const CancelToken& cancel) const {
    if (selection_.channels.step != 1) return ImageSource::read_box(rect, channels, stokes, out, threads, cancel);
    check_box_request(shape_, rect, channels, stokes, out.size());
    const auto from = static_cast<std::int32_t>(selection_.channels.from);
    base_->read_box(in_base(rect), {channels.from + from, channels.to + from}, static_cast<std::int32_t>(selection_.stokes.index(stokes)), out, threads, cancel);
    const auto plane = static_cast<std::size_t>(rect.size());
    for (std::size_t at = 0; plane > 0 && at < out.size(); at += plane) blank_outside(in_base(rect), out.subspan(at, plane));
}

} // namespace cubelink::imaging
