#pragma once
/// FITS files for the benchmarks, written without any library: float32 cubes of noise over a gradient, the same every time.

#include <cstdint>
#include <string>

namespace cubelink::bench {

/// `planes` is how many planes are filled; the others are left as holes of a sparse file (zeros). Kept if it is there already.
void make_cube(const std::string& path, std::int64_t width, std::int64_t height, std::int64_t depth, std::int64_t planes);

/// Bytes before the pixels.
inline constexpr std::int64_t fits_header_size = 2880;

} // namespace cubelink::bench
