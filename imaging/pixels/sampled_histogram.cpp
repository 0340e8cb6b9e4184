#include "imaging/pixels/sampled_histogram.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t kPieceWidth = 1 << 14; // pixels of a row that are read at once
constexpr std::int64_t kSmallBlock = 1 << 12; // pixels; smaller blocks are read several at a time
constexpr std::int64_t kMinPieces = 64;       // from fewer places a sample says little of a plane

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The plane cut into equal pieces, row by row; those at the far edges may be smaller.
struct Pieces {
    std::int64_t plane_width, plane_height, width, height, across, count;

    Pieces(const ImageSource& source) : plane_width(source.shape().width), plane_height(source.shape().height) {
        const auto block = source.capabilities().stored_block;
        width = std::min(plane_width, block.width);
        height = std::min(plane_height, block.height);
        // Whole blocks, if they are small several side by side.
        const std::int64_t blocks = ceil_div(plane_width, width), at_once = std::clamp<std::int64_t>((source.capabilities().random_access ? kPieceWidth : kSmallBlock) / (width * height), 1, blocks);
        width *= ceil_div(blocks, ceil_div(blocks, at_once));
        across = ceil_div(plane_width, width);
        count = across * ceil_div(plane_height, height);
    }
    Rect piece(std::int64_t index) const {
        const std::int64_t x = index % across * width, y = index / across * height;
        return {x, y, std::min(plane_width, x + width), std::min(plane_height, y + height)};
    }
};

/// SplitMix64: places within the parts that follow no pattern which a plane could have too.
std::uint64_t mix(std::uint64_t n) {
    n += 0x9e3779b97f4a7c15u;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
    n = (n ^ n >> 27) * 0x94d049bb133111ebu;
    return n ^ n >> 31;
}

/// Counts of the sample times pixels ÷ sampled, rounded so that no rounding errors add up.
std::vector<std::uint64_t> scaled(const std::vector<std::uint64_t>& counts, std::int64_t pixels, std::int64_t sampled) {
    std::vector<std::uint64_t> result;
    result.reserve(counts.size());
    std::uint64_t sum = 0, written = 0;
    for (const std::uint64_t count : counts) {
        sum += count;
        const auto due = static_cast<std::uint64_t>(static_cast<long double>(sum) * pixels / sampled + 0.5L);
        result.push_back(due - written);
        written = due;
    }
    return result;
}

template <class T, class Read>
std::optional<Histogram> histogram_of_sample(const Pieces& pieces, std::int64_t taken, std::int64_t max_pixels, const HistogramSpec& spec, const ThreadShare& threads,
                                             const CancelToken& cancel, const Read& read) {
    // Of a large block that is decoded as a whole only some rows, so that the sample's memory stays small.
    const std::int64_t columns = std::min(pieces.width, ceil_div(max_pixels, taken) + kPieceWidth), rows = std::clamp<std::int64_t>(ceil_div(max_pixels, taken * columns), 1, pieces.height);
    const auto room = static_cast<std::size_t>(columns * rows);
    const auto pixels = make_pixels<T>(room * static_cast<std::size_t>(taken));
    std::vector<PlaneSummary> parts(static_cast<std::size_t>(taken));
    const auto part_of = [&](std::int64_t i) {
        // Part i of `taken` equal parts; one of its pieces.
        const std::int64_t from = i * pieces.count / taken, to = (i + 1) * pieces.count / taken;
        Rect rect = pieces.piece(from + std::int64_t(mix(std::uint64_t(i)) % std::uint64_t(to - from)));
        const auto skip = [&](std::int64_t room_for) { return room_for > 0 ? std::int64_t(mix(~std::uint64_t(i)) % std::uint64_t(room_for + 1)) : 0; };
        rect.y0 += skip(rect.height() - rows);
        rect.y1 = std::min(rect.y1, rect.y0 + rows);
        rect.x0 += skip(rect.width() - columns);
        rect.x1 = std::min(rect.x1, rect.x0 + columns);
        return rect;
    };
    const auto pixels_of = [&](std::int64_t i) {
        return std::span<T>(pixels.get() + static_cast<std::size_t>(i) * room, static_cast<std::size_t>(part_of(i).size()));
    };
    parallel_for(threads, taken, cancel, [&](std::int64_t i, int) {
        read(part_of(i), pixels_of(i));
        parts[static_cast<std::size_t>(i)] = summarise(std::span<const T>(pixels_of(i)));
    });
    PlaneSummary summary;
    for (const PlaneSummary& part : parts) summary.merge(part);
    if (summary.count < std::max<std::int64_t>(2, summary.total / 1000)) return std::nullopt;

    const std::int32_t bins = checked_bins(spec, pieces.plane_width, pieces.plane_height);
    HistogramCounter counter(spec.bounds ? *spec.bounds : HistogramBounds{summary.min, summary.max}, bins);
    for (std::int64_t i = 0; i < taken; ++i) counter.add(std::span<const T>(pixels_of(i)));
    counter.replace_counts(scaled(counter.counts(), pieces.plane_width * pieces.plane_height, summary.total));
    Histogram histogram = counter.histogram(summary);
    histogram.sampled = true;
    return histogram;
}

} // namespace

std::optional<Histogram> sampled_histogram(const ImageSource& source, PlaneId plane, const HistogramSpec& spec, const ThreadShare& threads,
                                           const CancelToken& cancel, std::int64_t max_pixels) {
    const Pieces pieces(source);
    max_pixels = std::clamp<std::int64_t>(max_pixels, 1 << 10, 1 << 26);
    const std::int64_t size = pieces.width * pieces.height, taken = std::max(kMinPieces, ceil_div(max_pixels, size));
    if (taken > pieces.count / 4) return std::nullopt;
    if (source.capabilities().prefers_double) {
        return histogram_of_sample<double>(pieces, taken, max_pixels, spec, threads, cancel,
                                           [&](const Rect& rect, std::span<double> out) { source.read64(rect, plane, out, 1, cancel); });
    }
    return histogram_of_sample<float>(pieces, taken, max_pixels, spec, threads, cancel,
                                      [&](const Rect& rect, std::span<float> out) { source.read(rect, plane, out, 1, cancel); });
}

} // namespace cubelink::imaging
