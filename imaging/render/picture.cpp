#include "imaging/render/picture.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/pixels/pyramid_cache.hpp"
#include "imaging/pixels/tile_reading.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace cubelink::imaging {

namespace {

/// Picture pixels between two reads.
constexpr std::int64_t band_pixels = 1 << 20;
/// Picture pixels that one thread colours at a time.
constexpr std::int64_t strip_pixels = 1 << 15;

int rows_at_once(const PictureSize& size, std::int64_t pixels) { return static_cast<int>(std::clamp<std::int64_t>(pixels / size.width, 1, size.height)); }

/// Block means of a part of a plane, from wherever they are quickest. Of one thread.
class BlockValues {
public:
    /// `blocks`: all that will be asked for.
    BlockValues(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane, const Rect& blocks, std::int64_t mip,
                const ThreadShare& threads, const CancelToken& cancel)
        : source_(source), plane_(plane), mip_(mip), threads_(threads), cancel_(cancel) {
        source.check_unchanged();
        pyramid_ = find_pyramid(cache, source, hdu, plane);
        if (pyramid_) return;
        const TileGeometry part{mip, pixels_of(blocks), 0, 0};
        if (!tiles_faster_than_pyramid(source, {&part, 1})) pyramid_ = cached_pyramid(cache, source, hdu, plane, threads, cancel);
    }

    /// The blocks of the rectangle; valid until the next call.
    PlanePyramid::View read(const Rect& blocks) {
        const Rect rect = pixels_of(blocks);
        if (pyramid_)
            if (const auto held = pyramid_->view(rect, mip_)) return *held;
        const auto count = static_cast<std::size_t>(blocks.size());
        if (count > capacity_) {
            memory_ = make_pixels<float>(count);
            capacity_ = count;
        }
        const std::span<float> out(memory_.get(), count);
        if (pyramid_ && pyramid_->holds(mip_)) pyramid_->read(source_, rect, mip_, out, cancel_);
        else read_downsampled(source_, plane_, rect, mip_, out, threads_, cancel_);
        return {memory_.get(), blocks.width()};
    }

private:
    Rect pixels_of(const Rect& blocks) const {
        const auto& shape = source_.shape();
        return {blocks.x0 * mip_, blocks.y0 * mip_, std::min(blocks.x1 * mip_, shape.width), std::min(blocks.y1 * mip_, shape.height)};
    }

    const ImageSource& source_;
    const PlaneId plane_;
    const std::int64_t mip_;
    const ThreadShare threads_;
    const CancelToken cancel_;
    std::shared_ptr<const PlanePyramid> pyramid_;
    Pixels<float> memory_;
    std::size_t capacity_ = 0;
};

/// From the first to the last block that [first, last) of the list shows; empty if none.
BlockRange hull(std::span<const BlockRange> list) {
    BlockRange all;
    for (const auto& one : list) {
        if (one.from == one.to) continue;
        all = all.from == all.to ? one : BlockRange{std::min(all.from, one.from), std::max(all.to, one.to)};
    }
    return all;
}

float mean(const float* first, std::ptrdiff_t stride, const BlockRange& columns, std::int64_t rows) {
    double sum = 0;
    int count = 0;
    for (std::int64_t y = 0; y < rows; ++y)
        for (std::int64_t x = columns.from; x < columns.to; ++x)
            if (const float value = first[y * stride + x]; std::isfinite(value)) sum += value, ++count;
    return count > 0 ? static_cast<float>(sum / count) : std::numeric_limits<float>::quiet_NaN();
}

} // namespace

Picture::Picture(const PictureSize& size) : size_(size) {
    if (size.width < 1 || size.height < 1 || size.width > max_picture_side || size.height > max_picture_side || size.pixels() > max_picture_pixels)
        throw std::invalid_argument("there are no pictures of " + std::to_string(size.width) + " × " + std::to_string(size.height) + " pixels");
    pixels_ = make_pixels<Rgba>(static_cast<std::size_t>(size.pixels()));
}

bool Picture::opaque() const {
    const auto* pixels = pixels_.get();
    return std::all_of(pixels, pixels + size_.pixels(), [](const Rgba& p) { return p.a == 255; });
}

std::size_t picture_bytes(const PictureSize& size) {
    // Up to 2 × 2 blocks for each pixel of a band.
    const auto band = std::int64_t{rows_at_once(size, band_pixels)};
    return static_cast<std::size_t>(size.pixels()) * sizeof(Rgba) + static_cast<std::size_t>((2 * band + 2) * (2 * std::int64_t{size.width} + 2)) * sizeof(float);
}

Picture draw_plane(BudgetCache& cache, const ImageSource& source, std::int32_t hdu, PlaneId plane, const PictureSize& size, const Framing& framing,
                   const Look& look, const ThreadShare& threads, const CancelToken& cancel, const std::function<void()>& check) {
    if (!is_usable(framing)) throw std::invalid_argument("a framing that is not finite or out of bounds");
    Picture picture(size);
    const auto& shape = source.shape();
    const Colouring colouring(look);
    const auto mip = mip_of_scale(framing.scale, shape);
    auto columns = columns_of(framing, size, shape.width, mip);
    auto rows = rows_of(framing, size, shape.height, mip);
    if (source.angle_parts(plane)) {
        // Angles have no mean: 179° and -179° are neighbours.
        for (auto* axis : {&columns, &rows})
            for (auto& range : *axis)
                if (range.to > range.from) range = {(range.from + range.to - 1) / 2, (range.from + range.to - 1) / 2 + 1};
    }
    const auto across = hull(columns), all_rows = hull(rows);
    if (across.from == across.to || all_rows.from == all_rows.to) {
        for (int y = 0; y < size.height; ++y) std::fill_n(picture.row(y), size.width, look.background);
        return picture;
    }
    for (auto& range : columns) // counted from the first column that is read
        if (range.to > range.from) range = {range.from - across.from, range.to - across.from};
    // Those that show something follow one another.
    const auto shows = [](const BlockRange& range) { return range.to > range.from; };
    const auto left = static_cast<std::size_t>(std::find_if(columns.begin(), columns.end(), shows) - columns.begin());
    const std::span inside(columns.data() + left, static_cast<std::size_t>(std::count_if(columns.begin(), columns.end(), shows)));
    const bool single = std::all_of(inside.begin(), inside.end(), [](const BlockRange& range) { return range.to - range.from == 1; });

    BlockValues values(cache, source, hdu, plane, {across.from, all_rows.from, across.to, all_rows.to}, mip, threads, cancel);
    const int band_rows = rows_at_once(size, band_pixels), strip_rows = rows_at_once(size, strip_pixels);
    for (int top = 0; top < size.height; top += band_rows) {
        cancel.throw_if_cancelled();
        if (check) check();
        const int end = std::min(size.height, top + band_rows);
        const auto down = hull(std::span(rows).subspan(static_cast<std::size_t>(top), static_cast<std::size_t>(end - top)));
        const auto view = down.from == down.to ? PlanePyramid::View{} : values.read({across.from, down.from, across.to, down.to});
        parallel_for(threads, (end - top + strip_rows - 1) / strip_rows, cancel, [&](std::int64_t strip, int) {
            const int first = top + static_cast<int>(strip) * strip_rows, last = std::min(end, first + strip_rows);
            std::vector<float> line(inside.size());
            for (int y = first; y < last; ++y) {
                auto* out = picture.row(y);
                const auto& row = rows[static_cast<std::size_t>(y)];
                if (row.from == row.to) {
                    std::fill_n(out, size.width, look.background);
                    continue;
                }
                const float* const from = view.pixels + (row.from - down.from) * view.stride;
                if (single && row.to - row.from == 1)
                    for (std::size_t x = 0; x < inside.size(); ++x) line[x] = from[inside[x].from];
                else
                    for (std::size_t x = 0; x < inside.size(); ++x) line[x] = mean(from, view.stride, inside[x], row.to - row.from);
                std::fill_n(out, left, look.background);
                colouring.colour(line, out + left);
                std::fill_n(out + left + inside.size(), columns.size() - left - inside.size(), look.background);
            }
        });
    }
    return picture;
}

} // namespace cubelink::imaging
