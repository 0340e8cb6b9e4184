#include "imaging/source/pixel_mask.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

PixelMask::PixelMask(const Rect& rect, std::span<const std::uint8_t> selected) {
    if (rect.width() < 0 || rect.height() < 0 || selected.size() != static_cast<std::size_t>(rect.size()))
        throw std::invalid_argument("the mask has not the size of its rectangle");
    const std::uint8_t* row = selected.data();
    for (std::int64_t y = rect.y0; y < rect.y1; ++y, row += rect.width()) {
        for (std::int64_t x = 0; x < rect.width();) {
            if (row[x] == 0) {
                ++x;
                continue;
            }
            const std::int64_t from = x;
            while (x < rect.width() && row[x] != 0) ++x;
            runs_.push_back({y, rect.x0 + from, rect.x0 + x});
        }
    }
    measure();
}

PixelMask::PixelMask(std::vector<PixelRun> runs) : runs_(std::move(runs)) {
    const auto negative = [](const PixelRun& run) { return run.x1 < run.x0; };
    if (std::any_of(runs_.begin(), runs_.end(), negative)) throw std::invalid_argument("a run of pixels ends before it begins");
    std::erase_if(runs_, [](const PixelRun& run) { return run.x1 == run.x0; });
    const auto overlap = [](const PixelRun& a, const PixelRun& b) { return b.y < a.y || (b.y == a.y && b.x0 < a.x1); };
    if (std::adjacent_find(runs_.begin(), runs_.end(), overlap) != runs_.end()) throw std::invalid_argument("the runs of pixels overlap or are out of order");
    measure();
}

void PixelMask::measure() {
    if (runs_.empty()) return;
    bounds_ = {runs_.front().x0, runs_.front().y, runs_.front().x1, runs_.back().y + 1};
    for (const PixelRun& run : runs_) {
        bounds_.x0 = std::min(bounds_.x0, run.x0);
        bounds_.x1 = std::max(bounds_.x1, run.x1);
        count_ += static_cast<std::size_t>(run.length());
    }
}

} // namespace cubelink::imaging
