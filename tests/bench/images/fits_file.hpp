#pragma once
/// FITS files for the benchmarks, written without any library: float32 cubes of noise over a gradient, the same every time.

#include <cstdint>
#include <string>

namespace cubelink::bench {

/// `planes` is how many planes are filled; the others are left as holes of a sparse file (zeros). Kept if it is there already.
void make_cube(const std::string& path, std::int64_t width, std::int64_t height, std::int64_t depth, std::int64_t planes);

/// An image of float32 that is gzipped to some thousandth of its size: the same row over and over, some `mebibytes` of them. Kept if it is
/// there already.
void make_gzipped_image(const std::string& path, std::int64_t mebibytes);

/// Bytes before the pixels.
inline constexpr std::int64_t fits_header_size = 2880;

} // namespace cubelink::bench
