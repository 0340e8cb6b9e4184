#include "imaging/pixels/tile_reading.hpp"

#include "imaging/pixels/pyramid.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

/// A system call for a row that isn't contiguous with the next one, in pixels of a large read.
constexpr std::int64_t kRowCost = 1000;

std::int64_t round_up(std::int64_t a, std::int64_t unit) { return (a + unit - 1) / unit * unit; }

/// The stored blocks that a rectangle touches, as a rectangle of pixels.
Rect blocks_of(const ImageSource& source, const Rect& rect) {
    const auto block = source.capabilities().stored_block;
    const auto& shape = source.shape();
    return {rect.x0 / block.width * block.width, rect.y0 / block.height * block.height, std::min(shape.width, round_up(rect.x1, block.width)),
            std::min(shape.height, round_up(rect.y1, block.height))};
}

std::int64_t cost_of(const ImageSource& source, const Rect& rect) {
    const Rect read = blocks_of(source, rect);
    const bool short_rows = source.capabilities().random_access && rect.width() < source.shape().width;
    return read.size() + (short_rows ? kRowCost * read.height() : 0);
}

bool overlap(const Rect& a, const Rect& b) { return a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1; }
Rect hull(const Rect& a, const Rect& b) { return {std::min(a.x0, b.x0), std::min(a.y0, b.y0), std::max(a.x1, b.x1), std::max(a.y1, b.y1)}; }

} // namespace

std::int64_t tile_read_cost(const ImageSource& source, const TileGeometry& tile) { return cost_of(source, tile.rect); }

std::vector<std::vector<std::size_t>> tiles_read_together(const ImageSource& source, std::span<const TileGeometry> tiles, std::size_t max_group) {
    struct Group {
        std::vector<std::size_t> members;
        Rect rect;
    };
    std::vector<Group> groups;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
        const Rect& rect = tiles[i].rect;
        const auto joins = [&](const Group& group) {
            if (group.members.size() >= max_group || tiles[group.members.front()].mip != tiles[i].mip) return false;
            if (!overlap(blocks_of(source, group.rect), blocks_of(source, rect))) return false;
            const Rect both = hull(group.rect, rect);
            // The rectangle that holds both must not be much more than the two, and costs less than each by itself.
            return both.size() <= 2 * (group.rect.size() + rect.size()) && cost_of(source, both) < cost_of(source, group.rect) + cost_of(source, rect);
        };
        const auto found = std::find_if(groups.rbegin(), groups.rend(), joins);
        if (found == groups.rend()) {
            groups.push_back({{i}, rect});
        } else {
            found->members.push_back(i);
            found->rect = hull(found->rect, rect);
        }
    }
    std::vector<std::vector<std::size_t>> result;
    result.reserve(groups.size());
    for (Group& group : groups) result.push_back(std::move(group.members));
    return result;
}

bool tiles_faster_than_pyramid(const ImageSource& source, std::span<const TileGeometry> tiles) {
    const auto& shape = source.shape();
    const std::int64_t plane = shape.plane_size();
    std::int64_t cost = 0;
    for (const auto& group : tiles_read_together(source, tiles)) {
        Rect rect = tiles[group.front()].rect;
        for (const std::size_t i : group) rect = hull(rect, tiles[i].rect);
        cost += cost_of(source, rect);
        // The pyramid is made at the same time, and takes its part of the processor.
        if (cost > plane / 2) return false;
    }
    return true;
}

void read_tiles(const ImageSource& source, PlaneId plane, std::span<const TileGeometry> tiles, std::span<const std::span<float>> out, const ThreadShare& threads,
                const CancelToken& cancel) {
    if (tiles.size() != out.size()) throw std::invalid_argument("as many results as tiles are needed");
    if (tiles.empty()) return;
    const std::int64_t mip = tiles.front().mip;
    Rect rect = tiles.front().rect;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
        if (tiles[i].mip != mip) throw std::invalid_argument("tiles that are read together must be of one mip");
        if (out[i].size() != std::size_t(tiles[i].width) * std::size_t(tiles[i].height)) throw std::invalid_argument("a tile's pixels do not fill its rectangle");
        rect = hull(rect, tiles[i].rect);
    }
    if (tiles.size() == 1) return read_downsampled(source, plane, rect, mip, out.front(), threads, cancel);
    const std::int64_t width = (rect.width() + mip - 1) / mip, height = (rect.height() + mip - 1) / mip;
    const auto all = make_pixels<float>(std::size_t(width * height));
    read_downsampled(source, plane, rect, mip, {all.get(), std::size_t(width * height)}, threads, cancel);
    for (std::size_t i = 0; i < tiles.size(); ++i) {
        const float* from = all.get() + (tiles[i].rect.y0 - rect.y0) / mip * width + (tiles[i].rect.x0 - rect.x0) / mip;
        for (std::int32_t y = 0; y < tiles[i].height; ++y) std::copy_n(from + y * width, tiles[i].width, out[i].data() + std::ptrdiff_t(y) * tiles[i].width);
    }
}

} // namespace cubelink::imaging
