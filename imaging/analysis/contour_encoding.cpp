#include "imaging/analysis/contour_encoding.hpp"

#include "imaging/analysis/contour_kernels.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <zstd.h>

namespace cubelink::imaging {

static_assert(std::endian::native == std::endian::little, "vertices are sent as they lie in memory");

namespace {

/// The bytes of each four integers: first the lowest of all four, and so on.
void transpose_bytes(const std::int32_t* values, std::size_t n, unsigned char* out) {
    const std::size_t whole = n / 4 * 4;
    for (std::size_t i = 0; i < whole; i += 4)
        for (unsigned byte = 0; byte < 4; ++byte) {
            std::uint32_t lane = 0;
            for (unsigned k = 0; k < 4; ++k) lane |= (static_cast<std::uint32_t>(values[i + k]) >> (8 * byte) & 0xff) << (8 * k);
            std::memcpy(out + 4 * i + 4 * byte, &lane, sizeof lane);
        }
    std::memcpy(out + 4 * whole, values + whole, 4 * (n - whole));
}

constexpr std::size_t compress_at_once = 64 << 10;

struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

} // namespace

EncodedVertices encode_vertices(std::span<const float> vertices, double extent, int decimation, int compression_level,
                                const CancelToken& cancel) {
    EncodedVertices encoded;
    if (compression_level < 1) {
        encoded.data.assign(reinterpret_cast<const char*>(vertices.data()), vertices.size_bytes());
        return encoded;
    }
    encoded.decimation = std::clamp(decimation, 1, max_contour_decimation);
    constexpr double largest = 2147483000; // a float32 below 2³¹, after rounding too
    if (extent * encoded.decimation > largest) encoded.decimation = std::max(1, static_cast<int>(largest / extent));

    const auto n = vertices.size();
    const auto integers = make_pixels<std::int32_t>(n);
    const auto bytes = make_pixels<unsigned char>(4 * n);
    kernels::quantize_vertices(vertices.data(), n, static_cast<float>(encoded.decimation), integers.get());
    transpose_bytes(integers.get(), n, bytes.get());

    const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
    if (!context) throw std::bad_alloc();
    const auto check = [](std::size_t result) {
        if (ZSTD_isError(result)) throw std::runtime_error(std::string("contours could not be compressed: ") + ZSTD_getErrorName(result));
        return result;
    };
    check(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, std::min(compression_level, max_contour_compression)));
    check(ZSTD_CCtx_setPledgedSrcSize(context.get(), 4 * n));
    encoded.data.resize(ZSTD_compressBound(4 * n));
    ZSTD_outBuffer out{encoded.data.data(), encoded.data.size(), 0};
    ZSTD_inBuffer in{bytes.get(), 0, 0};
    do { // in pieces, between which it can be cancelled: the highest levels compress 2 MB in a second
        cancel.throw_if_cancelled();
        in.size = std::min(4 * n, in.pos + compress_at_once);
    } while (check(ZSTD_compressStream2(context.get(), &out, &in, in.size == 4 * n ? ZSTD_e_end : ZSTD_e_continue)) != 0 || in.pos < 4 * n);
    const auto size = out.pos;
    encoded.data.resize(size);
    encoded.data.shrink_to_fit();
    return encoded;
}

} // namespace cubelink::imaging
