#pragma once
/// Vertices of contours as the ICD's ContourSet has them.

#include "imaging/base/cancel.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace cubelink::imaging {

inline constexpr int max_contour_compression = 20, max_contour_decimation = 32;

struct EncodedVertices {
    std::string data;
    std::int32_t decimation = 0; // what was used; 0: data is float32 as it stands
};

/// Encodes one after the other, with zstd's tables, which are megabytes, kept from one to the next. By one thread at a time.
class VertexEncoder {
public:
    VertexEncoder();
    ~VertexEncoder();
    VertexEncoder(VertexEncoder&&) noexcept;
    VertexEncoder& operator=(VertexEncoder&&) noexcept;

    /// `vertices`: x, y, x, y, …, none negative; `extent`: none is larger. compression_level < 1: little-endian float32. Else the vertices
    /// times `decimation` (clamped to 1 … 32, and less where the products would not fit into 32 bits), rounded half away from zero to
    /// integers, as differences of neighbouring x and of neighbouring y, the bytes of each four integers transposed (of 1 to 3 that are left: as they
    /// are), as one zstd frame of that level (clamped to 20). Throws Cancelled; may be used again then.
    EncodedVertices encode(std::span<const float> vertices, double extent, int decimation, int compression_level, const CancelToken& cancel);

    /// Bytes that it takes, and keeps, at most, to encode that many bytes of vertices.
    static std::size_t memory(std::size_t bytes, int compression_level);

private:
    struct Context;
    std::unique_ptr<Context> context_; // null until it is needed
};

} // namespace cubelink::imaging
