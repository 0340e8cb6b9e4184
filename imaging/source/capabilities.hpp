#pragma once
/// What an image is good at. Readers choose how to read by this, never by the format. Plain values.

#include <cstdint>

namespace cubelink::imaging {

/// Whether values are 64-bit integers, of which doubles keep only 53 bits.
enum class Int64Kind { none, with_sign, without_sign };

/// Pieces of a plane, aligned to pixel (0, 0), that can only be read as a whole: tiles of a compressed image. 1 × 1: none.
struct StoredBlock {
    std::int64_t width = 1, height = 1;
};

struct Capabilities {
    /// Reading a small rectangle or a spectrum costs about what it holds. Otherwise larger pieces at once are cheaper (compressed tiles).
    bool random_access = false;
    /// Any read costs about as much as its whole plane: read the plane once and keep it.
    bool whole_planes_only = false;
    /// float32 can't hold the values exactly (BITPIX 32, 64, -64, or scaling beyond its precision): read64() gives more than read().
    bool prefers_double = false;
    /// If not none, read_int64() gives the planes of the image itself (not computed ones) exactly.
    Int64Kind int64 = Int64Kind::none;
    /// The format stores a mask of its own beside the pixels; masked pixels are read as NaN.
    bool has_mask = false;
    /// The format stores statistics or histograms of planes.
    bool stored_statistics = false;
    /// The format stores downsampled planes.
    bool stored_pyramid = false;
    /// The channels of a pixel lie next to each other, or in chunks of many: spectra are cheaper than planes.
    bool depth_contiguous = false;
    StoredBlock stored_block;
};

} // namespace cubelink::imaging
