#pragma once
/// A coarse look at a plane of any size, from a sample of its rows. Free functions; any thread.

#include "imaging/base/cancel.hpp"
#include "imaging/base/thread_share.hpp"
#include "imaging/source/image_source.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace cubelink::imaging {

/// Pixels of the plane that a preview reads at most.
inline constexpr std::int64_t most_preview_pixels = std::int64_t{1} << 24;

/// Which rows (or columns) of `length` are shown in a picture of `count`, 1 ≤ count ≤ length: the middle of each part.
std::vector<std::int64_t> preview_positions(std::int64_t length, std::int64_t count);

/// Whether single rows can be read without reading the plane.
bool has_rows(const ImageSource& source);

/// rows.size() · columns.size() values, no means: the pixel in that column of that row. Neighbouring rows of the list may be given the values of one of them, where so many rows
/// are more than most_preview_pixels. `rows` and `columns` ascend. Returns how many rows were read. REQUIRES: has_rows(source). Throws as ImageSource::read.
std::int64_t read_preview(const ImageSource& source, PlaneId plane, std::span<const std::int64_t> rows, std::span<const std::int64_t> columns, std::span<float> out,
                          const ThreadShare& threads, const CancelToken& cancel);

} // namespace cubelink::imaging
