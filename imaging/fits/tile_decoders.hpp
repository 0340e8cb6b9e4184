#pragma once
/// Decoders of the FITS tiled image convention (FITS standard 4.0, section 10). Pure functions, any thread. Input is hostile: each reads
/// within its input and writes within its output, and throws DamagedTile for input that is inconsistent.

#include "imaging/base/cancel.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace cubelink::imaging {

struct DamagedTile : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Rice: differences of neighbours in blocks. `pixel_bytes` 1, 2 or 4; 1-byte pixels are unsigned. Throws Cancelled too.
void rice_decode(std::span<const std::byte> in, std::span<std::int32_t> out, int block, int pixel_bytes, const CancelToken& cancel = {});

/// IRAF's pixel lists: runs of values ≥ 0.
void plio_decode(std::span<const std::byte> in, std::span<std::int32_t> out);

/// Big-endian numbers, `width` bytes each.
struct InflatedPixels {
    Pixels<std::byte> memory;
    std::size_t size = 0, width = 0; // bytes in all, bytes of a number
    std::span<const std::byte> bytes() const { return {memory.get(), size}; }
};

/// One gzip member with `pixels` numbers. Its length decides on their width (1, 2, 4 or 8 bytes), as in cfitsio and astropy: writers store
/// numbers of other widths than the header says. `width`: what the header says, for memory alone. `shuffled`: the bytes of the numbers are
/// stored by significance (GZIP_2). Throws Cancelled too.
InflatedPixels gzip_decode(std::span<const std::byte> in, std::size_t pixels, std::size_t width, bool shuffled, const CancelToken& cancel = {});

/// Memory in bytes that hcompress_decode takes for such an input, at most, beside `in` and `out`.
std::size_t hcompress_memory(std::span<const std::byte> in, std::int64_t width, std::int64_t height);

/// H-transform, by cfitsio's decoder, on a copy of the input whose header has been checked. width · height numbers.
void hcompress_decode(std::span<const std::byte> in, std::span<std::int32_t> out, std::int64_t width, std::int64_t height, bool smooth, bool wide);

/// The 10,000 numbers of the standard's dithering (Park and Miller).
std::span<const float> dither_numbers();

} // namespace cubelink::imaging
