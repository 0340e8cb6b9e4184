#include "imaging/analysis/position_velocity/block_reads.hpp"

#include <algorithm>
#include <map>

namespace cubelink::imaging {

namespace {

/// Small blocks are read together until they have so many pixels.
constexpr std::int64_t read_pixels = 1 << 16;
/// Pixels that are read at once at most where any read costs a whole plane.
constexpr std::int64_t most_pixels = 1 << 24;

/// The size of the cells that are read at once: whole blocks.
struct Cell {
    std::int64_t width, height;
};
Cell cell_of(const Rect& bounds, const Capabilities& capabilities) {
    if (capabilities.whole_planes_only) return {bounds.x1, std::max<std::int64_t>(1, std::min(bounds.y1, most_pixels / bounds.x1))};
    const auto& block = capabilities.stored_block;
    Cell cell{std::max<std::int64_t>(1, block.width), std::max<std::int64_t>(1, block.height)};
    while (cell.width * cell.height < read_pixels && (cell.width < bounds.x1 || cell.height < bounds.y1)) {
        if (cell.width < bounds.x1 && (cell.width <= cell.height || cell.height >= bounds.y1)) cell.width *= 2;
        else cell.height *= 2;
    }
    return cell;
}

} // namespace

BlockReads::BlockReads(const PixelMask& mask, const Capabilities& capabilities) {
    if (mask.empty()) return;
    const Cell cell = cell_of(mask.bounds(), capabilities);
    struct Part {
        PixelRun run;
        std::size_t to = 0;
    };
    std::map<std::int64_t, std::vector<Part>> columns; // of one row of cells
    const auto flush = [&] {
        for (const auto& column : columns) {
            const auto& parts = column.second;
            Rect rect{parts.front().run.x0, parts.front().run.y, parts.front().run.x1, parts.back().run.y + 1};
            for (const auto& part : parts) rect.x0 = std::min(rect.x0, part.run.x0), rect.x1 = std::max(rect.x1, part.run.x1);
            for (const auto& part : parts)
                copies_.push_back({static_cast<std::size_t>((part.run.y - rect.y0) * rect.width() + part.run.x0 - rect.x0), part.to,
                                   static_cast<std::size_t>(part.run.length())});
            pieces_.push_back({rect, copies_.size()});
            largest_ = std::max(largest_, static_cast<std::size_t>(rect.size()));
        }
        columns.clear();
    };
    std::int64_t row = -1;
    std::size_t to = 0;
    for (PixelRun run : mask.runs()) {
        if (run.y / cell.height != row) {
            flush();
            row = run.y / cell.height;
        }
        while (run.length() > 0) {
            PixelRun part = run;
            part.x1 = std::min(run.x1, (run.x0 / cell.width + 1) * cell.width);
            columns[run.x0 / cell.width].push_back({part, to});
            to += static_cast<std::size_t>(part.length());
            run.x0 = part.x1;
        }
    }
    flush();
}

void BlockReads::read(const ImageSource& source, PlaneId plane, std::span<float> scratch, std::span<float> out, const CancelToken& cancel) const {
    std::size_t copy = 0;
    for (const auto& piece : pieces_) {
        cancel.throw_if_cancelled();
        source.read(piece.rect, plane, scratch.first(static_cast<std::size_t>(piece.rect.size())), 1, cancel);
        for (; copy < piece.end; ++copy) std::copy_n(scratch.data() + copies_[copy].from, copies_[copy].length, out.data() + copies_[copy].to);
    }
}

} // namespace cubelink::imaging
