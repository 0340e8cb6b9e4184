#include "imaging/pixels/mask_windows.hpp"

#include <numeric>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t kMostRows = 16;                    // of a part: enough for a loop's step where a mask is narrow
constexpr std::int64_t kWindow = std::int64_t(1) << 18;   // pixels, roughly the largest; one row if that is longer
constexpr std::int64_t kDecoded = std::int64_t(1) << 22;  // the same for sources that decode whole blocks
constexpr std::int64_t kGap = 4096;                       // pixels between masks that are read along

/// Rows of the image after which masks are cut.
std::int64_t rows_of_parts(const ImageShape& shape) { return std::clamp<std::int64_t>(kWindow / shape.width, 1, kMostRows); }

/// Pixels of the largest window.
std::int64_t window_room(const ImageSource& source) {
    return std::max(source.shape().width, source.capabilities().random_access ? kWindow : kDecoded);
}

} // namespace

MaskWindows::MaskWindows(const ImageSource& source, MaskList masks) : masks_(masks) {
    const ImageShape& shape = source.shape();
    const std::int64_t rows = rows_of_parts(shape);
    // Of an image that is stored in blocks, the parts in one row of blocks are read together.
    const std::int64_t block = source.capabilities().random_access ? 1 : source.capabilities().stored_block.height;
    const std::int64_t strip = rows * std::max<std::int64_t>(1, std::min(block, kDecoded / shape.width) / rows);

    for (std::size_t m = 0; m < masks.size(); ++m) {
        const auto runs = masks[m]->runs();
        const Rect& bounds = masks[m]->bounds();
        if (bounds.x0 < 0 || bounds.y0 < 0 || bounds.x1 > shape.width || bounds.y1 > shape.height)
            throw std::out_of_range("the pixels of a mask are not within the image");
        for (std::size_t i = 0; i < runs.size();) {
            Part part{m, i, i, {runs[i].x0, runs[i].y, runs[i].x1, 0}};
            const std::int64_t end = (runs[i].y / rows + 1) * rows;
            for (; i < runs.size() && runs[i].y < end; ++i) {
                part.bounds.x0 = std::min(part.bounds.x0, runs[i].x0);
                part.bounds.x1 = std::max(part.bounds.x1, runs[i].x1);
                part.bounds.y1 = runs[i].y + 1;
            }
            part.to = i;
            parts_.push_back(part);
        }
    }

    order_.resize(parts_.size());
    std::iota(order_.begin(), order_.end(), std::size_t(0));
    const auto place = [&](std::size_t i) { return std::pair(parts_[i].bounds.y0 / strip, parts_[i].bounds.x0); };
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
        const auto place_a = place(a), place_b = place(b);
        return place_a != place_b ? place_a < place_b : a < b;
    });
    const std::int64_t room = window_room(source);
    for (std::size_t k = 0; k < order_.size(); ++k) {
        const Rect& next = parts_[order_[k]].bounds;
        if (!windows_.empty()) {
            Window& window = windows_.back();
            Rect both = window.rect;
            both.y0 = std::min(both.y0, next.y0);
            both.x1 = std::max(both.x1, next.x1);
            both.y1 = std::max(both.y1, next.y1);
            if (next.y0 / strip == window.rect.y0 / strip && next.x0 - window.rect.x1 <= kGap && both.size() <= room) {
                window.rect = both;
                window.to = k + 1;
                continue;
            }
        }
        windows_.push_back({next, k, k + 1});
    }
    for (const Window& window : windows_) largest_ = std::max(largest_, static_cast<std::size_t>(window.rect.size()));
}

std::size_t MaskWindows::bytes_needed(const ImageSource& source, MaskList masks, std::size_t threads, std::size_t of_part) {
    const std::int64_t rows = rows_of_parts(source.shape());
    std::size_t parts = 0;
    for (const PixelMask* mask : masks) parts += std::min(mask->runs().size(), static_cast<std::size_t>(mask->bounds().height() / rows + 2));
    // Vectors that grow keep up to twice what they hold.
    return parts * (2 * sizeof(Part) + 2 * sizeof(Window) + sizeof(std::size_t) + of_part) +
           threads * sizeof(double) * (static_cast<std::size_t>(std::min(window_room(source), source.shape().plane_size())) + kMaskPiece);
}

} // namespace cubelink::imaging
