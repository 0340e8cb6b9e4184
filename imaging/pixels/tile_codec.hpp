#pragma once
/// Tiles on the wire: ZFP with run lengths of blanks, or plain float32. Every non-finite pixel is a blank. Reentrant; each thread keeps
/// its scratch memory (under 1 MiB for tiles of 256²), so that a call allocates nothing but its result.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

enum class TileCompression : std::uint8_t { none = 0, zfp = 1 }; // ICD CompressionType

struct EncodedTile {
    std::string data;
    std::vector<std::int32_t> nan_encodings; // runs of valid, blank, valid, … pixels, row by row; only with ZFP
    TileCompression compression = TileCompression::none;
    int quality = 0; // the precision used (bit planes), 0 for none
};

/// A tile's pixels where they lie: `height` rows of `width`, `stride` pixels from one row to the next.
struct TileView {
    const float* pixels = nullptr;
    std::ptrdiff_t stride = 0;
    std::int32_t width = 0, height = 0;
};

/// Width and height ≥ 1, else std::invalid_argument.
/// zfp: a headerless stream of a 2-D float field of nx = width, ny = height at a fixed precision of round(quality), clamped to 1…32.
/// Blanks are filled with the mean of their 4 × 4 block. Below precision 32, what shrinks more than 20-fold is compressed again
/// at 32, and that is kept if it still shrinks more than 10-fold.
/// none: float32, little-endian, blanks as −FLT_MAX.
EncodedTile encode_tile(const TileView& view, TileCompression compression, float quality);
/// Of rows without gaps: `pixels.size() == width * height`, else std::invalid_argument.
EncodedTile encode_tile(std::span<const float> pixels, std::int32_t width, std::int32_t height, TileCompression compression, float quality);

/// The way back: blanks are NaN in both cases. Throws std::invalid_argument where data, runs and size do not fit together.
std::vector<float> decode_tile(const EncodedTile& tile, std::int32_t width, std::int32_t height);

} // namespace cubelink::imaging
