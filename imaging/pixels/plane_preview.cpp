#include "imaging/pixels/plane_preview.hpp"

#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <stdexcept>

namespace cubelink::imaging {

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
    parallel_for(threads, groups, cancel, [&](std::int64_t number, int) {
        const auto begin = number * group, end = std::min(count, begin + group);
        const auto y = rows[static_cast<std::size_t>((begin + end - 1) / 2)];
        std::vector<float> row(static_cast<std::size_t>(width));
        source.read({first, y, first + width, y + 1}, plane, row, 1, cancel);
        const auto line = out.subspan(static_cast<std::size_t>(begin) * columns.size(), columns.size());
        for (std::size_t i = 0; i < columns.size(); ++i) line[i] = row[static_cast<std::size_t>(columns[i] - first)];
        for (auto copy = begin + 1; copy < end; ++copy) std::copy(line.begin(), line.end(), out.begin() + static_cast<std::ptrdiff_t>(copy) * std::ssize(columns));
    });
    return groups;
}

} // namespace cubelink::imaging
