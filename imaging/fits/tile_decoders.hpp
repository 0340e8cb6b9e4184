#pragma once
/// Decoders of the FITS tiled image convention (FITS standard 4.0, section 10). Pure functions, any thread. Input is hostile: each reads
/// within its input and writes within its output, and throws DamagedTile for what makes no sense.

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace cubelink::imaging {

struct DamagedTile : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Rice: differences of neighbours in blocks. `pixel_bytes` 1, 2 or 4; 1-byte pixels are unsigned.
void rice_decode(std::span<const std::byte> in, std::span<std::int32_t> out, int block, int pixel_bytes);

/// IRAF's pixel lists: runs of values ≥ 0.
void plio_decode(std::span<const std::byte> in, std::span<std::int32_t> out);

/// One gzip member. The result has exactly `size` bytes. `pixel_bytes` > 1: the bytes of the pixels are stored by significance (GZIP_2).
std::vector<std::byte> gzip_decode(std::span<const std::byte> in, std::size_t size, std::size_t shuffled_pixel_bytes);

/// H-transform, by cfitsio's decoder, on a copy of the input whose header has been checked. width · height numbers.
void hcompress_decode(std::span<const std::byte> in, std::span<std::int32_t> out, std::int64_t width, std::int64_t height, bool smooth, bool wide);

/// The 10,000 numbers of the standard's dithering (Park and Miller).
std::span<const float> dither_numbers();

} // namespace cubelink::imaging
