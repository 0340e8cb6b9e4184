#pragma once
/// FITS files for the benchmarks, written without any library: float32 cubes of noise over a gradient, the same every time.

#include <cstdint>
#include <functional>
#include <string>

namespace cubelink::bench {

/// `planes` is how many planes are filled; the others are left as holes of a sparse file (zeros). Kept if it is there already.
void make_cube(const std::string& path, std::int64_t width, std::int64_t height, std::int64_t depth, std::int64_t planes);

/// An image whose pixels, counted from 0, have the values of a function, plus noise of that standard deviation. Kept if it is there already.
void make_image(const std::string& path, std::int64_t width, std::int64_t height, double noise, const std::function<double(double x, double y)>& value);

/// An image of float32 that is gzipped to some thousandth of its size: the same row over and over, some `mebibytes` of them. Kept if it is
/// there already.
void make_gzipped_image(const std::string& path, std::int64_t mebibytes);

/// Bytes before the pixels.
inline constexpr std::int64_t fits_header_size = 2880;

} // namespace cubelink::bench
