#pragma once
/// From the big-endian numbers of a FITS file to floats and doubles. Pure functions, any thread; see dispatch.hpp for how a version is chosen.

#include "imaging/base/pixel_type.hpp"
#include "imaging/kernels/dispatch.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace cubelink::imaging {

/// value = zero + scale · stored; a stored integer equal to `blank` is NaN. Computed in double precision, then rounded once; unsigned
/// 64-bit integers (BZERO 2⁶³) exactly.
struct Scaling {
    double scale = 1, zero = 0;
    std::optional<std::int64_t> blank; // integers only
    bool trivial() const { return scale == 1 && zero == 0; }
};

using ToFloats = void (*)(const std::byte* in, float* out, std::size_t count, const Scaling& scaling);
using ToDoubles = void (*)(const std::byte* in, double* out, std::size_t count, const Scaling& scaling);

/// `in`: count numbers of `type`, big-endian, any alignment. The kernel is right for this scaling only.
ToFloats float_converter(PixelType type, const Scaling& scaling, SimdLevel level = simd_level());
ToDoubles double_converter(PixelType type, const Scaling& scaling, SimdLevel level = simd_level());

/// Bytes of one number.
std::size_t size_of(PixelType type);

} // namespace cubelink::imaging
