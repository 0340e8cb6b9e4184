#pragma once
/// Vertices of contours as the ICD's ContourSet has them. Pure, thread-safe.

#include "imaging/base/cancel.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace cubelink::imaging {

inline constexpr int max_contour_compression = 20, max_contour_decimation = 32;

struct EncodedVertices {
    std::string data;
    std::int32_t decimation = 0; // what was used; 0: data is float32 as it stands
};

/// `vertices`: x, y, x, y, …, none negative; `extent`: none is larger. compression_level < 1: little-endian float32. Else the vertices
/// times `decimation` (clamped to 1 … 32, and less where the products would not fit into 32 bits), rounded half away from zero to
/// integers, as differences of neighbouring x and of neighbouring y, the bytes of each four integers transposed (of 1 to 3 that are left: as they
/// are), as one zstd frame of that level (clamped to 20). Throws Cancelled.
EncodedVertices encode_vertices(std::span<const float> vertices, double extent, int decimation, int compression_level, const CancelToken& cancel);

} // namespace cubelink::imaging
