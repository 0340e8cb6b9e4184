#include "imaging/pixels/tile_codec.hpp"

#include "imaging/kernels/blanks.hpp"
#include "imaging/kernels/zfp_encoder.hpp"

#include <algorithm>
#include <bit>
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

/// For tiles with a block that our own encoder does not support.
std::size_t libzfp_into(const TileView& view, int precision, std::vector<std::byte>& scratch) {
    const std::unique_ptr<zfp_field, CloseField> field(
        zfp_field_2d(const_cast<float*>(view.pixels), zfp_type_float, std::size_t(view.width), std::size_t(view.height)));
    zfp_field_set_stride_2d(field.get(), 1, view.stride);
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
std::size_t zfp_into(const TileView& view, int precision, std::vector<std::byte>& scratch) {
    const std::size_t room = kernels::zfp_room(view.width, view.height, precision);
    if (scratch.size() < room) scratch.resize(room);
    const std::size_t size = kernels::zfp_encode(view.pixels, view.stride, view.width, view.height, precision, scratch.data());
    return size > 0 ? size : libzfp_into(view, precision, scratch);
}

/// Which pixels of a tile are blanks: a bit for each, each row beginning with a new word.
class Blanks {
public:
    /// The scratch memory is this thread's: one at a time.
    explicit Blanks(const TileView& view) : words_(std::size_t(view.width + 63) / 64), width_(view.width), height_(view.height) {
        thread_local std::vector<std::uint64_t> scratch;
        if (scratch.size() < words_ * std::size_t(height_)) scratch.resize(words_ * std::size_t(height_));
        bits_ = scratch.data();
        for (std::int32_t y = 0; y < height_; ++y) any_ |= kernels::find_blanks(view.pixels + y * view.stride, std::size_t(width_), row(y));
    }
    bool any() const { return any_; }

    /// Lengths of valid, blank, valid, … runs, row after row.
    std::vector<std::int32_t> runs() const {
        std::vector<std::int32_t> runs;
        std::int32_t start = 0;
        std::uint64_t before = 0; // the first run is one of valid pixels, if of none
        for (std::int32_t y = 0; y < height_; ++y) {
            for (std::int32_t x = 0; x < width_; x += 64) {
                const std::uint64_t word = row(y)[x / 64];
                const std::int32_t valid = std::min(64, width_ - x);
                std::uint64_t changes = word ^ (word << 1 | before);
                if (valid < 64) changes &= (std::uint64_t(1) << valid) - 1;
                before = word >> (valid - 1) & 1;
                for (; changes != 0; changes &= changes - 1) {
                    const std::int32_t at = y * width_ + x + std::countr_zero(changes);
                    runs.push_back(at - start);
                    start = at;
                }
            }
        }
        runs.push_back(width_ * height_ - start);
        return runs;
    }

    /// Calls block(x, y) for the corner of each 4 × 4 block with a blank in it.
    template <class Block>
    void for_each_block(Block&& block) const {
        for (std::int32_t y = 0; y < height_; y += kBlock) {
            for (std::size_t w = 0; w < words_; ++w) {
                std::uint64_t word = 0;
                for (std::int32_t k = y; k < std::min(height_, y + kBlock); ++k) word |= row(k)[w];
                while (word != 0) {
                    const int x = std::countr_zero(word) / kBlock * kBlock;
                    block(std::int32_t(w * 64) + x, y);
                    word &= ~(std::uint64_t(15) << x);
                }
            }
        }
    }

private:
    std::uint64_t* row(std::int32_t y) { return bits_ + words_ * std::size_t(y); }
    const std::uint64_t* row(std::int32_t y) const { return bits_ + words_ * std::size_t(y); }

    std::size_t words_;
    std::int32_t width_, height_;
    std::uint64_t* bits_;
    bool any_ = false;
};

/// Of a block of `rows` rows: blanks become the mean of its valid pixels, 0 if there are none.
void fill_block(float* block, std::ptrdiff_t stride, std::int32_t columns, std::int32_t rows) {
    double sum = 0;
    int valid = 0;
    for (std::int32_t y = 0; y < rows; ++y) {
        for (std::int32_t x = 0; x < columns; ++x) {
            const float v = block[y * stride + x];
            if (!std::isfinite(v)) continue;
            sum += v;
            ++valid;
        }
    }
    const float fill = valid > 0 ? float(sum / valid) : 0.0f;
    for (std::int32_t y = 0; y < rows; ++y) {
        for (std::int32_t x = 0; x < columns; ++x) {
            float& v = block[y * stride + x];
            if (!std::isfinite(v)) v = fill;
        }
    }
}

std::size_t checked_size(std::int32_t width, std::int32_t height) {
    if (width < 1 || height < 1)
        throw std::invalid_argument("a tile of " + std::to_string(width) + " × " + std::to_string(height) + " pixels");
    return std::size_t(width) * std::size_t(height);
}

void encode_zfp(TileView view, int precision, EncodedTile& tile) {
    thread_local std::vector<float> filled;
    thread_local std::vector<std::byte> stream;

    const Blanks blanks(view);
    const std::size_t n = std::size_t(view.width) * std::size_t(view.height);
    if (!blanks.any()) {
        tile.nan_encodings.assign(1, std::int32_t(n));
    } else {
        tile.nan_encodings = blanks.runs();
        if (filled.size() < n) filled.resize(n);
        for (std::int32_t y = 0; y < view.height; ++y) std::copy_n(view.pixels + y * view.stride, view.width, filled.data() + y * view.width);
        blanks.for_each_block([&](std::int32_t x, std::int32_t y) {
            fill_block(filled.data() + y * view.width + x, view.width, std::min(kBlock, view.width - x), std::min(kBlock, view.height - y));
        });
        view.pixels = filled.data();
        view.stride = view.width;
    }

    const std::size_t raw = n * sizeof(float);
    std::size_t size = zfp_into(view, precision, stream);
    tile.quality = precision;
    if (precision < 32 && raw > 20 * size) {
        tile.data.assign(reinterpret_cast<const char*>(stream.data()), size);
        size = zfp_into(view, 32, stream);
        if (raw <= 10 * size) return;
        tile.quality = 32;
    }
    tile.data.assign(reinterpret_cast<const char*>(stream.data()), size);
}

/// Row by row, as a row stays in the nearest cache: the pixels are read once, and written once.
void encode_plain(const TileView& view, EncodedTile& tile) {
    thread_local std::vector<float> filled;
    const std::size_t width = std::size_t(view.width);
    if (filled.size() < width) filled.resize(width);
    tile.data.reserve(width * std::size_t(view.height) * sizeof(float));
    for (std::int32_t y = 0; y < view.height; ++y) {
        kernels::fill_blanks(view.pixels + y * view.stride, width, -FLT_MAX, filled.data());
        tile.data.append(reinterpret_cast<const char*>(filled.data()), width * sizeof(float));
    }
}

} // namespace

EncodedTile encode_tile(const TileView& view, TileCompression compression, float quality) {
    checked_size(view.width, view.height);
    EncodedTile tile;
    tile.compression = compression;
    if (compression == TileCompression::zfp) {
        if (std::isnan(quality)) throw std::invalid_argument("the quality of a tile is not a number");
        encode_zfp(view, int(std::round(std::clamp(quality, 1.0f, 32.0f))), tile);
    } else {
        encode_plain(view, tile);
    }
    return tile;
}

EncodedTile encode_tile(std::span<const float> pixels, std::int32_t width, std::int32_t height, TileCompression compression,
                        float quality) {
    if (pixels.size() != checked_size(width, height)) throw std::invalid_argument("a tile's pixels do not fill its rectangle");
    return encode_tile(TileView{pixels.data(), width, width, height}, compression, quality);
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
