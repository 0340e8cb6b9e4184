#include "imaging/tile_codec.hpp"

#include "imaging/kernels/blanks.hpp"
#include "imaging/kernels/zfp_encoder.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>

#include <zfp.h>

namespace cubelink::imaging {

namespace {

constexpr std::int32_t kBlock = 4; // side of a ZFP block

struct CloseField {
    void operator()(zfp_field* field) const { zfp_field_free(field); }
};
struct CloseZfp {
    void operator()(zfp_stream* stream) const { zfp_stream_close(stream); }
};
struct CloseBits {
    void operator()(bitstream* bits) const { stream_close(bits); }
};

/// What our own encoder declines: odd values, in some block.
std::size_t libzfp_into(const float* pixels, std::int32_t width, std::int32_t height, int precision, std::vector<std::byte>& scratch) {
    const std::unique_ptr<zfp_field, CloseField> field(
        zfp_field_2d(const_cast<float*>(pixels), zfp_type_float, std::size_t(width), std::size_t(height)));
    const std::unique_ptr<zfp_stream, CloseZfp> zfp(zfp_stream_open(nullptr));
    zfp_stream_set_precision(zfp.get(), unsigned(precision));
    const std::size_t capacity = zfp_stream_maximum_size(zfp.get(), field.get());
    if (scratch.size() < capacity) scratch.resize(capacity);
    const std::unique_ptr<bitstream, CloseBits> bits(stream_open(scratch.data(), capacity));
    zfp_stream_set_bit_stream(zfp.get(), bits.get());
    zfp_stream_rewind(zfp.get());
    const std::size_t size = zfp_compress(zfp.get(), field.get());
    if (size == 0) throw std::runtime_error("ZFP could not compress a tile");
    return size;
}

/// One precision of one tile. `scratch` grows to what the worst tile of this size needs.
std::size_t zfp_into(const float* pixels, std::int32_t width, std::int32_t height, int precision, std::vector<std::byte>& scratch) {
    const std::size_t room = kernels::zfp_room(width, height, precision);
    if (scratch.size() < room) scratch.resize(room);
    const std::size_t size = kernels::zfp_encode(pixels, width, width, height, precision, scratch.data());
    return size > 0 ? size : libzfp_into(pixels, width, height, precision, scratch);
}

std::vector<std::int32_t> blank_runs(std::span<const float> pixels) {
    std::vector<std::int32_t> runs;
    bool blank = false; // the first run is one of valid pixels, if of none
    std::size_t start = 0;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
        if (std::isfinite(pixels[i]) == blank) {
            runs.push_back(std::int32_t(i - start));
            start = i;
            blank = !blank;
        }
    }
    runs.push_back(std::int32_t(pixels.size() - start));
    return runs;
}

/// Blanks become the mean of the valid pixels of their block, 0 if there are none.
void fill_blocks(std::span<const float> pixels, std::int32_t width, std::int32_t height, float* out) {
    for (std::int32_t y0 = 0; y0 < height; y0 += kBlock) {
        const std::int32_t y1 = std::min(height, y0 + kBlock);
        for (std::int32_t x0 = 0; x0 < width; x0 += kBlock) {
            const std::int32_t x1 = std::min(width, x0 + kBlock);
            double sum = 0;
            int valid = 0;
            for (std::int32_t y = y0; y < y1; ++y) {
                for (std::int32_t x = x0; x < x1; ++x) {
                    const float v = pixels[std::size_t(y) * std::size_t(width) + std::size_t(x)];
                    if (!std::isfinite(v)) continue;
                    sum += v;
                    ++valid;
                }
            }
            const float fill = valid > 0 ? float(sum / valid) : 0.0f;
            for (std::int32_t y = y0; y < y1; ++y) {
                for (std::int32_t x = x0; x < x1; ++x) {
                    const std::size_t i = std::size_t(y) * std::size_t(width) + std::size_t(x);
                    out[i] = std::isfinite(pixels[i]) ? pixels[i] : fill;
                }
            }
        }
    }
}

std::size_t checked_size(std::int32_t width, std::int32_t height) {
    if (width < 1 || height < 1)
        throw std::invalid_argument("a tile of " + std::to_string(width) + " × " + std::to_string(height) + " pixels");
    return std::size_t(width) * std::size_t(height);
}

void encode_zfp(std::span<const float> pixels, std::int32_t width, std::int32_t height, int precision, EncodedTile& tile) {
    thread_local std::vector<float> filled;
    thread_local std::vector<std::byte> stream;

    const float* source = pixels.data();
    if (kernels::all_finite(pixels.data(), pixels.size())) {
        tile.nan_encodings.assign(1, std::int32_t(pixels.size()));
    } else {
        tile.nan_encodings = blank_runs(pixels);
        if (filled.size() < pixels.size()) filled.resize(pixels.size());
        fill_blocks(pixels, width, height, filled.data());
        source = filled.data();
    }

    const std::size_t raw = pixels.size_bytes();
    std::size_t size = zfp_into(source, width, height, precision, stream);
    tile.quality = precision;
    if (precision < 32 && raw > 20 * size) {
        tile.data.assign(reinterpret_cast<const char*>(stream.data()), size);
        size = zfp_into(source, width, height, 32, stream);
        if (raw <= 10 * size) return;
        tile.quality = 32;
    }
    tile.data.assign(reinterpret_cast<const char*>(stream.data()), size);
}

} // namespace

EncodedTile encode_tile(std::span<const float> pixels, std::int32_t width, std::int32_t height, TileCompression compression,
                        float quality) {
    if (pixels.size() != checked_size(width, height)) throw std::invalid_argument("a tile's pixels do not fill its rectangle");
    EncodedTile tile;
    tile.compression = compression;
    if (compression == TileCompression::zfp) {
        if (std::isnan(quality)) throw std::invalid_argument("the quality of a tile is not a number");
        encode_zfp(pixels, width, height, int(std::round(std::clamp(quality, 1.0f, 32.0f))), tile);
        return tile;
    }
    const float* source = pixels.data();
    if (!kernels::all_finite(pixels.data(), pixels.size())) {
        thread_local std::vector<float> filled;
        if (filled.size() < pixels.size()) filled.resize(pixels.size());
        kernels::fill_blanks(pixels.data(), pixels.size(), -FLT_MAX, filled.data());
        source = filled.data();
    }
    tile.data.assign(reinterpret_cast<const char*>(source), pixels.size_bytes());
    return tile;
}

std::vector<float> decode_tile(const EncodedTile& tile, std::int32_t width, std::int32_t height) {
    const std::size_t n = checked_size(width, height);
    constexpr float kBlank = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> pixels(n);

    if (tile.compression == TileCompression::none) {
        if (tile.data.size() != n * sizeof(float)) throw std::invalid_argument("a tile's data do not fill its rectangle");
        std::memcpy(pixels.data(), tile.data.data(), tile.data.size());
        for (float& p : pixels) {
            if (p <= -FLT_MAX) p = kBlank;
        }
        return pixels;
    }

    if (tile.quality < 1 || tile.quality > 32) throw std::invalid_argument("a ZFP tile's precision is not in 1…32");
    const std::unique_ptr<zfp_field, CloseField> field(
        zfp_field_2d(pixels.data(), zfp_type_float, std::size_t(width), std::size_t(height)));
    const std::unique_ptr<zfp_stream, CloseZfp> zfp(zfp_stream_open(nullptr));
    zfp_stream_set_precision(zfp.get(), unsigned(tile.quality));
    // The decoder does not know where its data end: give it the room that it could read at most, zeros after what there is.
    std::vector<char> padded(std::max(tile.data.size(), zfp_stream_maximum_size(zfp.get(), field.get())) + 64);
    std::copy(tile.data.begin(), tile.data.end(), padded.begin());
    const std::unique_ptr<bitstream, CloseBits> bits(stream_open(padded.data(), padded.size()));
    zfp_stream_set_bit_stream(zfp.get(), bits.get());
    zfp_stream_rewind(zfp.get());
    const std::size_t used = zfp_decompress(zfp.get(), field.get());
    if (used == 0 || used > tile.data.size() + 8) throw std::invalid_argument("a tile's ZFP stream is cut short");

    std::size_t at = 0;
    bool blank = false;
    for (std::int32_t run : tile.nan_encodings) {
        if (run < 0 || std::size_t(run) > n - at) throw std::invalid_argument("a tile's runs of blanks go beyond its pixels");
        if (blank) std::fill_n(pixels.begin() + std::ptrdiff_t(at), run, kBlank);
        at += std::size_t(run);
        blank = !blank;
    }
    if (at != n) throw std::invalid_argument("a tile's runs of blanks do not cover its pixels");
    return pixels;
}

} // namespace cubelink::imaging
