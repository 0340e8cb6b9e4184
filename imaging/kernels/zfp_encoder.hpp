#pragma once
/// ZFP for tiles: two-dimensional fields of float32 at a fixed precision, the same bits as libzfp 1.0 makes (which may pad them to
/// longer words), several times as fast. Pure.
///
/// libzfp is the reference, and encodes what this encoder does not support. The format in short: the field is cut into blocks of 4 × 4
/// (x fastest; pixels missing at the edges are repeated from the block's own pixels). A block is the bit 0 if all of it is 0; or else the bit 1, 8 bits
/// of common exponent, and 16 coefficients of a lifted transform, in negabinary and ordered by sequency, bit plane by bit plane from the highest.
/// Of a plane the first n bits stand as they are, n being how many coefficients have been seen to be non-zero so far; of the rest, group tests
/// say whether any bit is set, and if so, where the next one is. Bits fill bytes from the least significant end.

#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>

namespace cubelink::imaging::kernels {

/// Bytes that zfp_encode() may write to for a field of this size.
std::size_t zfp_room(std::int32_t width, std::int32_t height, int precision);

/// `values`: `height` rows of `width` floats, `stride` floats from one row to the next; both sides ≥ 1. `precision`: bit planes, 1 to 32.
/// `out`: zfp_room() bytes. Returns the length of the stream, the last byte filled with zeros; 0 if a block is not supported: one with
/// non-finite values, or whose largest is not 0 but below 2⁻⁹⁸.
std::size_t zfp_encode(const float* values, std::ptrdiff_t stride, std::int32_t width, std::int32_t height, int precision, std::byte* out,
                       SimdLevel level = simd_level());

} // namespace cubelink::imaging::kernels
