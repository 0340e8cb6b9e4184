#include "imaging/analysis/moments/moment_tiles.hpp"

#include <algorithm>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t least_size = 64;       // pixels: smaller tiles are read too slowly
constexpr std::int64_t tiles_of_thread = 8;   // so that threads end at about the same time

} // namespace

MomentTiles::MomentTiles(const ImageSource& source, const Rect& rect, const PixelMask* mask, const TileCosts& costs, int threads)
    : rect_(rect), mask_(mask), x0_(rect.x0), y0_(rect.y0), threads_(threads) {
    if (rect.width() <= 0 || rect.height() <= 0) return;
    const auto room = [&](int n) {
        const std::size_t share = costs.memory / static_cast<std::size_t>(n);
        return static_cast<std::int64_t>(share > costs.of_thread ? (share - costs.of_thread) / std::max<std::size_t>(costs.of_pixel, 1) : 0);
    };
    const auto& capabilities = source.capabilities();
    StoredBlock block = capabilities.stored_block;
    if (capabilities.whole_planes_only) block = {source.shape().width, source.shape().height};
    block.width = std::max<std::int64_t>(1, std::min(block.width, source.shape().width));
    block.height = std::max<std::int64_t>(1, std::min(block.height, source.shape().height));

    std::int64_t wanted = std::clamp<std::int64_t>(rect.size() / (tiles_of_thread * threads), least_size, costs.good_size);
    if (capabilities.random_access) block = {1, 1};
    wanted = std::max(wanted, block.width * block.height);
    while (threads_ > 1 && room(threads_) < std::min(wanted, std::max<std::int64_t>(least_size, costs.good_size / 4))) --threads_;
    const std::int64_t size = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(room(threads_), 1));

    if (block.width * block.height > size || (block.width == 1 && block.height == 1)) block = {1, 1};
    x0_ = rect.x0 / block.width * block.width;
    y0_ = rect.y0 / block.height * block.height;
    // Whole rows of blocks if they fit, as many as do; else a part of one.
    const std::int64_t width = rect.x1 - x0_, whole_row = width * block.height;
    if (whole_row <= size) {
        columns_ = width;
        rows_ = size / whole_row * block.height;
    } else {
        columns_ = std::max<std::int64_t>(1, size / block.height / block.width * block.width);
        rows_ = block.height;
    }
    columns_ = std::min(columns_, width);
    rows_ = std::min(rows_, rect.y1 - y0_);
    across_ = (width + columns_ - 1) / columns_;
    down_ = (rect.y1 - y0_ + rows_ - 1) / rows_;
}

Rect MomentTiles::rect(std::int64_t index) const {
    const std::int64_t x = x0_ + index % across_ * columns_, y = y0_ + index / across_ * rows_;
    return {std::max(x, rect_.x0), std::max(y, rect_.y0), std::min(x + columns_, rect_.x1), std::min(y + rows_, rect_.y1)};
}

void MomentTiles::runs(std::int64_t index, std::vector<PixelRun>& runs) const {
    runs.clear();
    const Rect tile = rect(index);
    if (mask_ == nullptr) {
        for (std::int64_t y = tile.y0; y < tile.y1; ++y) runs.push_back({y, tile.x0, tile.x1});
        return;
    }
    const auto all = mask_->runs();
    auto run = std::lower_bound(all.begin(), all.end(), tile.y0, [](const PixelRun& one, std::int64_t y) { return one.y < y; });
    for (; run != all.end() && run->y < tile.y1; ++run) {
        const PixelRun cut{run->y, std::max(run->x0, tile.x0), std::min(run->x1, tile.x1)};
        if (cut.x0 < cut.x1) runs.push_back(cut);
    }
}

} // namespace cubelink::imaging
