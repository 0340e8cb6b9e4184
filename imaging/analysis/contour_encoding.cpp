#include "imaging/analysis/contour_encoding.hpp"

#include "imaging/analysis/contour_kernels.hpp"
#include "imaging/base/pixel_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
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

} // namespace

struct VertexEncoder::Context {
    ZSTD_CCtx* zstd = ZSTD_createCCtx();
    Context() {
        if (zstd == nullptr) throw std::bad_alloc();
    }
    ~Context() { ZSTD_freeCCtx(zstd); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
};

VertexEncoder::VertexEncoder() = default;
VertexEncoder::~VertexEncoder() = default;
VertexEncoder::VertexEncoder(VertexEncoder&&) noexcept = default;
VertexEncoder& VertexEncoder::operator=(VertexEncoder&&) noexcept = default;

std::size_t VertexEncoder::memory(std::size_t bytes, int compression_level) {
    // Integers, transposed bytes, result; zstd's window and the tables of its largest levels.
    return compression_level < 1 ? bytes : (std::size_t(1) << 20) + 18 * bytes;
}

EncodedVertices VertexEncoder::encode(std::span<const float> vertices, double extent, int decimation, int compression_level, const CancelToken& cancel) {
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

    if (!context_) context_ = std::make_unique<Context>();
    auto* const zstd = context_->zstd;
    const auto check = [](std::size_t result) {
        if (ZSTD_isError(result)) throw std::runtime_error(std::string("contours could not be compressed: ") + ZSTD_getErrorName(result));
        return result;
    };
    check(ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters));
    check(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, std::min(compression_level, max_contour_compression)));
    check(ZSTD_CCtx_setPledgedSrcSize(zstd, 4 * n));
    const auto bound = ZSTD_compressBound(4 * n);
    const auto compressed = make_pixels<char>(bound);
    ZSTD_outBuffer out{compressed.get(), bound, 0};
    ZSTD_inBuffer in{bytes.get(), 0, 0};
    do { // in pieces, between which it can be cancelled: the highest levels compress 2 MB in a second
        cancel.throw_if_cancelled();
        in.size = std::min(4 * n, in.pos + compress_at_once);
    } while (check(ZSTD_compressStream2(zstd, &out, &in, in.size == 4 * n ? ZSTD_e_end : ZSTD_e_continue)) != 0 || in.pos < 4 * n);
    encoded.data.assign(compressed.get(), out.pos);
    return encoded;
}

} // namespace cubelink::imaging
