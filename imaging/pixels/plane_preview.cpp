#include "imaging/pixels/plane_preview.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t rows_together = 64, pixels_together = std::int64_t{1} << 21;

} // namespace

std::vector<std::int64_t> preview_positions(std::int64_t length, std::int64_t count) {
    std::vector<std::int64_t> positions(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) positions[static_cast<std::size_t>(i)] = (2 * i + 1) * length / (2 * count);
    return positions;
}

bool has_rows(const ImageSource& source) { return !source.capabilities().whole_planes_only; }

std::int64_t read_preview(const ImageSource& source, PlaneId plane, std::span<const std::int64_t> rows, std::span<const std::int64_t> columns, std::span<float> out,
                          const ThreadShare& threads, const CancelToken& cancel) {
    if (out.size() != rows.size() * columns.size()) throw std::out_of_range("a preview of another size");
    if (out.empty()) return 0;
    const auto first = columns.front(), width = columns.back() + 1 - first;
    // A row of a compressed image costs as much as the tiles that it crosses.
    const auto row_pixels = width * std::max<std::int64_t>(1, source.capabilities().stored_block.height);
    const auto count = static_cast<std::int64_t>(rows.size());
    const auto group = std::max<std::int64_t>(1, (count * row_pixels + most_preview_pixels - 1) / most_preview_pixels);
    const auto groups = (count + group - 1) / group;
    // Rows that are asked for together are read from the disk together: beside a plane that is being read, each alone would wait behind some of that.
    const auto together = source.capabilities().random_access ? std::clamp<std::int64_t>(pixels_together / width, 1, rows_together) : 1;
    parallel_for(threads, (groups + together - 1) / together, cancel, [&](std::int64_t part, int) {
        const auto from = part * together, to = std::min(groups, from + together);
        const auto first_of = [&](std::int64_t number) { return number * group; };
        const auto last_of = [&](std::int64_t number) { return std::min(count, (number + 1) * group); };
        std::vector<PixelRun> runs;
        for (auto number = from; number < to; ++number) runs.push_back({rows[static_cast<std::size_t>((first_of(number) + last_of(number) - 1) / 2)], first, first + width});
        std::vector<float> pixels(runs.size() * static_cast<std::size_t>(width));
        if (runs.size() > 1) source.read_pixels(runs, {plane.channel, plane.channel + 1}, plane.stokes, pixels, cancel);
        else source.read({first, runs[0].y, first + width, runs[0].y + 1}, plane, pixels, 1, cancel);
        for (auto number = from; number < to; ++number) {
            const auto* row = pixels.data() + (number - from) * width;
            const auto line = out.subspan(static_cast<std::size_t>(first_of(number)) * columns.size(), columns.size());
            for (std::size_t i = 0; i < columns.size(); ++i) line[i] = row[columns[i] - first];
            for (auto copy = first_of(number) + 1; copy < last_of(number); ++copy) std::copy(line.begin(), line.end(), out.begin() + static_cast<std::ptrdiff_t>(copy) * std::ssize(columns));
        }
    });
    return groups;
}

} // namespace cubelink::imaging
