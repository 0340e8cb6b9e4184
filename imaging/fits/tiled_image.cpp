#include "imaging/fits/tiled_image.hpp"

#include "imaging/fits/big_endian.hpp"
#include "imaging/fits/tile_decoders.hpp"
#include "imaging/base/parallel.hpp"

#include <algorithm>
#include <limits>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t tile_limit = 128 << 20;       // pixels
constexpr std::int64_t hcompress_limit = 16 << 20;   // pixels
constexpr std::int64_t blob_limit = std::int64_t{1} << 31;

void read_integers(std::span<const std::byte> in, std::span<std::int32_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int32_t>(big_endian<std::uint32_t>(in.data() + 4 * i));
}

} // namespace

template <class Out>
void TiledImage::unquantise(std::span<const std::int32_t> in, std::span<Out> out, const Tile& tile, std::span<const std::byte> row) const {
    constexpr Out nothing = std::numeric_limits<Out>::quiet_NaN();
    const double scale = scale_column_ != nullptr ? cell_value(*scale_column_, row) : scale_;
    const double zero = zero_column_ != nullptr ? cell_value(*zero_column_, row) : zero_;
    const auto blank = blank_of(row, blank_);
    if (dither_ == Dither::none) {
        for (std::size_t i = 0; i < in.size(); ++i) out[i] = blank && in[i] == *blank ? nothing : static_cast<Out>(in[i] * scale + zero);
        return;
    }
    const auto numbers = dither_numbers();
    auto seed = static_cast<std::size_t>((tile.index + dither_seed_ - 1) % static_cast<std::int64_t>(numbers.size()));
    auto next = static_cast<std::size_t>(numbers[seed] * 500);
    for (std::size_t i = 0; i < in.size(); ++i) {
        if (blank && in[i] == *blank) out[i] = nothing;
        else if (dither_ == Dither::two && in[i] == -2147483646) out[i] = 0; // exact zeros are kept
        else out[i] = static_cast<Out>((static_cast<double>(in[i]) - numbers[next] + 0.5) * scale + zero);
        if (++next == numbers.size()) {
            seed = (seed + 1) % numbers.size();
            next = static_cast<std::size_t>(numbers[seed] * 500);
        }
    }
}

/// Pixels as an uncompressed image has them.
template <class Out>
void TiledImage::decode_raw(std::span<const std::byte> bytes, std::span<Out> out) const {
    if (bytes.size() != out.size() * size_of(layout_.type)) throw DamagedTile("the tile has not the size of its pixels");
    Scaling scaling = layout_.scaling;
    if (blank_) scaling.blank = blank_;
    if constexpr (std::is_same_v<Out, float>) float_converter(layout_.type, scaling)(bytes.data(), out.data(), out.size(), scaling);
    else double_converter(layout_.type, scaling)(bytes.data(), out.data(), out.size(), scaling);
}

template <class Out>
void TiledImage::decode_row(const Tile& tile, std::span<const std::byte> row, std::span<Out> out) const {
    const auto pixels = static_cast<std::size_t>(tile.pixels);
    const std::size_t bytes = size_of(layout_.type);
    const auto compressed = blob(compressed_, row);
    if (!compressed) {
        // What could not be quantised is kept as it was, gzipped or plain.
        if (const auto gzipped = blob(gzipped_, row)) return decode_raw(gzip_decode(*gzipped, pixels * bytes, 1), out);
        if (const auto plain = blob(uncompressed_, row)) return decode_raw(*plain, out);
        throw DamagedTile("it has no data");
    }
    const bool floating = layout_.type == PixelType::float32 || layout_.type == PixelType::float64;
    const bool quantised = floating && quantised_;
    std::vector<std::int32_t> numbers;
    const auto make_room = [&](std::size_t pixels_per_byte) {
        if (pixels / pixels_per_byte > compressed->size() + 64) throw DamagedTile("the compressed data are too short for its pixels");
        numbers.resize(pixels);
    };
    switch (method_) {
    case Method::none:
        if (!quantised) return decode_raw(*compressed, out);
        if (compressed->size() != pixels * 4) throw DamagedTile("the tile has not the size of its pixels");
        numbers.resize(pixels);
        read_integers(*compressed, numbers);
        break;
    case Method::gzip1:
    case Method::gzip2: {
        const std::size_t size = quantised ? 4 : bytes;
        const auto raw = gzip_decode(*compressed, pixels * size, method_ == Method::gzip2 ? size : 1);
        if (!quantised) return decode_raw(raw, out);
        numbers.resize(pixels);
        read_integers(raw, numbers);
        break;
    }
    case Method::rice:
        make_room(static_cast<std::size_t>(rice_block_) * 8);
        rice_decode(*compressed, numbers, rice_block_, rice_bytes_);
        break;
    case Method::plio:
        make_room(4096);
        plio_decode(*compressed, numbers);
        break;
    case Method::hcompress: {
        std::vector<std::int64_t> sides;
        for (std::size_t i = 0; i < tile.from.size(); ++i) {
            if (tile.to[i] - tile.from[i] > 1) sides.push_back(tile.to[i] - tile.from[i]);
        }
        if (sides.size() > 2) throw DamagedTile("H-transforms have two axes");
        if (tile.pixels > hcompress_limit) throw DamagedTile("H-transforms of this size are not read");
        numbers.resize(pixels);
        const std::int64_t first = tile.to[0] - tile.from[0];
        hcompress_decode(*compressed, numbers, first, tile.pixels / first, smooth_, floating || layout_.type == PixelType::int32);
        break;
    }
    }
    if (quantised) return unquantise(std::span<const std::int32_t>(numbers), out, tile, row);
    if (floating) throw DamagedTile("floating point pixels need a scale");
    const auto blank = blank_of(row, blank_ ? blank_ : layout_.scaling.blank);
    for (std::size_t i = 0; i < pixels; ++i) {
        const double value = numbers[i] * layout_.scaling.scale + layout_.scaling.zero;
        out[i] = blank && numbers[i] == *blank ? std::numeric_limits<Out>::quiet_NaN() : static_cast<Out>(value);
    }
}

template <class Out>
void TiledImage::decode(const Tile& tile, std::vector<Out>& out) const {
    std::vector<std::byte> row(table_.row_size);
    data_->read_all(table_offset_ + tile.index * static_cast<std::int64_t>(row.size()), row);
    try {
        out.resize(static_cast<std::size_t>(tile.pixels));
        decode_row(tile, row, std::span<Out>(out));
    } catch (const DamagedTile& error) {
        throw ImageError(where_ + ": tile " + std::to_string(tile.index + 1) + " can't be read: " + error.what());
    }
}

TiledImage::Tile TiledImage::tile_at(const std::vector<std::int64_t>& position) const {
    Tile tile;
    std::int64_t factor = 1;
    for (std::size_t i = 0; i < position.size(); ++i) {
        const std::int64_t number = position[i] / tile_size_[i];
        tile.index += number * factor;
        factor *= tile_count_[i];
        tile.from.push_back(number * tile_size_[i]);
        tile.to.push_back(std::min(tile.from.back() + tile_size_[i], layout_.lengths[i]));
        tile.pixels *= tile.to.back() - tile.from.back();
    }
    return tile;
}

/// What the descriptor in a column points to; nothing if it is empty.
std::optional<std::vector<std::byte>> TiledImage::blob(const TableColumn* column, std::span<const std::byte> row) const {
    if (column == nullptr) return std::nullopt;
    const std::byte* at = row.data() + column->offset;
    const bool wide = column->type == 'Q';
    const std::int64_t count = wide ? static_cast<std::int64_t>(big_endian<std::uint64_t>(at)) : static_cast<std::int32_t>(big_endian<std::uint32_t>(at));
    const std::int64_t start = wide ? static_cast<std::int64_t>(big_endian<std::uint64_t>(at + 8)) : static_cast<std::int32_t>(big_endian<std::uint32_t>(at + 4));
    if (count == 0) return std::nullopt;
    const auto unit = static_cast<std::int64_t>(std::max<std::size_t>(width_of(column->element), 1));
    const std::int64_t heap = heap_end_ - heap_offset_;
    if (count < 0 || start < 0 || count > blob_limit / unit || start > heap || count * unit > heap - start) throw DamagedTile("its data lie outside of the file");
    std::vector<std::byte> bytes(static_cast<std::size_t>(count * unit));
    data_->read_all(heap_offset_ + start, bytes);
    return bytes;
}

/// The number that stands for blanks in a tile. One that is no 32-bit integer stands for none.
std::optional<std::int64_t> TiledImage::blank_of(std::span<const std::byte> row, std::optional<std::int64_t> otherwise) const {
    if (blank_column_ == nullptr) return otherwise;
    const double value = cell_value(*blank_column_, row);
    if (!(value >= -0x1p31 && value < 0x1p31)) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

template <class Out>
void TiledImage::read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel) const {
    check_request(layout_.shape, rect, plane, out.size());
    if (out.empty()) return;
    const auto x_axis = static_cast<std::size_t>(layout_.x), y_axis = static_cast<std::size_t>(layout_.y);
    std::vector<std::int64_t> position(layout_.lengths.size(), 0);
    if (layout_.depth >= 0) position[static_cast<std::size_t>(layout_.depth)] = plane.channel;
    if (layout_.stokes >= 0) position[static_cast<std::size_t>(layout_.stokes)] = plane.stokes;
    const std::int64_t tx = tile_size_[x_axis], ty = tile_size_[y_axis];
    const std::int64_t first_x = rect.x0 / tx, count_x = (rect.x1 - 1) / tx - first_x + 1, first_y = rect.y0 / ty, count_y = (rect.y1 - 1) / ty - first_y + 1;

    std::vector<std::vector<Out>> of_thread(static_cast<std::size_t>(std::max(threads, 1)));
    parallel_for(threads, count_x * count_y, cancel, [&](std::int64_t number, int thread) {
        auto& pixels = of_thread[static_cast<std::size_t>(thread)];
        std::vector<std::int64_t> corner = position;
        corner[x_axis] = (first_x + number % count_x) * tx;
        corner[y_axis] = (first_y + number / count_x) * ty;
        const Tile tile = tile_at(corner);
        decode(tile, pixels);
        std::int64_t base = 0, step = 1, step_x = 1, step_y = 1;
        for (std::size_t i = 0; i < corner.size(); ++i) {
            if (i == x_axis) step_x = step;
            else if (i == y_axis) step_y = step;
            else base += (corner[i] - tile.from[i]) * step;
            step *= tile.to[i] - tile.from[i];
        }
        const std::int64_t x0 = std::max(rect.x0, tile.from[x_axis]), x1 = std::min(rect.x1, tile.to[x_axis]);
        for (std::int64_t y = std::max(rect.y0, tile.from[y_axis]); y < std::min(rect.y1, tile.to[y_axis]); ++y) {
            const Out* in = pixels.data() + base + (y - tile.from[y_axis]) * step_y + (x0 - tile.from[x_axis]) * step_x;
            Out* to = out.data() + (y - rect.y0) * rect.width() + (x0 - rect.x0);
            for (std::int64_t x = 0; x < x1 - x0; ++x) to[x] = in[x * step_x];
        }
    });
    original_->check_descriptor();
}

void TiledImage::read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel);
}

void TiledImage::read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const {
    read_as(rect, plane, out, threads, cancel);
}

void TiledImage::read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                               const CancelToken& cancel) const {
    check_spectrum_request(layout_.shape, x, y, stokes, from, out.size());
    std::vector<std::int64_t> position(layout_.lengths.size(), 0);
    position[static_cast<std::size_t>(layout_.x)] = x;
    position[static_cast<std::size_t>(layout_.y)] = y;
    if (layout_.stokes >= 0) position[static_cast<std::size_t>(layout_.stokes)] = stokes;
    std::vector<float> pixels;
    Tile tile;
    std::int64_t decoded = -1;
    for (std::size_t i = 0; i < out.size(); ++i) {
        cancel.throw_if_cancelled();
        if (layout_.depth >= 0) position[static_cast<std::size_t>(layout_.depth)] = from + static_cast<std::int64_t>(i);
        tile = tile_at(position);
        if (tile.index != decoded) decode(tile, pixels);
        decoded = tile.index;
        std::int64_t at = 0, step = 1;
        for (std::size_t axis = 0; axis < position.size(); ++axis) {
            at += (position[axis] - tile.from[axis]) * step;
            step *= tile.to[axis] - tile.from[axis];
        }
        out[i] = pixels[static_cast<std::size_t>(at)];
    }
    original_->check_descriptor();
}

TiledImage::TiledImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, const Hdu& hdu, Layout layout)
    : data_(std::move(data)), original_(std::move(original)), layout_(std::move(layout)),
      where_(original_->shown() + ", HDU " + std::to_string(hdu.number)), table_offset_(hdu.data_offset) {
    const Header& table = hdu.table_header;
    const auto fail = [&](const std::string& reason) -> void { throw ImageError(where_ + ": " + reason); };
    auto shape = table_shape(table);
    std::int64_t table_size = 0;
    if (!shape || shape->row_size > 4096 || __builtin_mul_overflow(static_cast<std::int64_t>(shape->row_size), shape->rows, &table_size))
        fail("the table of compressed tiles makes no sense (NAXISn, TFORMn)");
    table_ = std::move(*shape);
    const std::int64_t heap = table.integer("THEAP").value_or(table_size);
    if (heap < table_size || heap > hdu.data_size) fail("THEAP lies outside of the data");
    heap_offset_ = table_offset_ + heap;
    heap_end_ = table_offset_ + hdu.data_size;
    find_columns();
    read_parameters(table);
    std::int64_t pixels = 1, tiles = 1;
    for (std::size_t i = 0; i < layout_.lengths.size(); ++i) {
        const std::string name = "ZTILE" + std::to_string(i + 1);
        const std::int64_t size = table.integer(name).value_or(i == 0 ? layout_.lengths[0] : 1);
        if (size < 1) fail(name + " is " + std::to_string(size));
        tile_size_.push_back(std::min(size, layout_.lengths[i]));
        tile_count_.push_back((layout_.lengths[i] + tile_size_.back() - 1) / tile_size_.back());
        if (__builtin_mul_overflow(pixels, tile_size_.back(), &pixels) || pixels > tile_limit) fail("its tiles are too large");
        if (__builtin_mul_overflow(tiles, tile_count_.back(), &tiles) || tiles > table_.rows)
            fail("the table has " + std::to_string(table_.rows) + " tiles, fewer than the image's size asks for");
    }
}

void TiledImage::find_columns() {
    const auto find = [&](const char* name, bool heap) {
        const TableColumn* column = table_.find(name);
        return column != nullptr && column->repeat == 1 && (column->type == 'P' || column->type == 'Q') == heap ? column : nullptr;
    };
    compressed_ = find("COMPRESSED_DATA", true);
    gzipped_ = find("GZIP_COMPRESSED_DATA", true);
    uncompressed_ = find("UNCOMPRESSED_DATA", true);
    scale_column_ = find("ZSCALE", false);
    zero_column_ = find("ZZERO", false);
    blank_column_ = find("ZBLANK", false);
    if (compressed_ == nullptr && gzipped_ == nullptr && uncompressed_ == nullptr)
        throw ImageError(where_ + ": the table has no column of compressed data");
}

void TiledImage::read_parameters(const Header& table) {
    const std::string name = table.text("ZCMPTYPE").value_or("RICE_1");
    if (name == "RICE_1" || name == "RICE_ONE") method_ = Method::rice;
    else if (name == "GZIP_1") method_ = Method::gzip1;
    else if (name == "GZIP_2") method_ = Method::gzip2;
    else if (name == "PLIO_1") method_ = Method::plio;
    else if (name == "HCOMPRESS_1") method_ = Method::hcompress;
    else if (name == "NOCOMPRESS") method_ = Method::none;
    else throw ImageError(where_ + ": compressed by " + name + ", which is not known here");
    for (int i = 1; i <= 9; ++i) {
        const std::string number = std::to_string(i), parameter = table.text("ZNAME" + number).value_or("");
        const std::int64_t value = table.integer("ZVAL" + number).value_or(-1);
        if (parameter == "BLOCKSIZE") rice_block_ = static_cast<int>(std::clamp<std::int64_t>(value, 0, 100000));
        if (parameter == "BYTEPIX") rice_bytes_ = static_cast<int>(std::clamp<std::int64_t>(value, 0, 100000));
        if (parameter == "SMOOTH") smooth_ = value > 0;
    }
    const bool known_rice = rice_block_ >= 1 && rice_block_ <= 4096 && (rice_bytes_ == 1 || rice_bytes_ == 2 || rice_bytes_ == 4);
    if (method_ == Method::rice && !known_rice) throw ImageError(where_ + ": BLOCKSIZE or BYTEPIX of the Rice compression makes no sense");
    const std::string dither = table.text("ZQUANTIZ").value_or("");
    dither_ = dither == "SUBTRACTIVE_DITHER_1" ? Dither::one : dither == "SUBTRACTIVE_DITHER_2" ? Dither::two : Dither::none;
    dither_seed_ = std::clamp<std::int64_t>(table.integer("ZDITHER0").value_or(1), 1, 10000);
    scale_ = table.number("ZSCALE").value_or(1);
    zero_ = table.number("ZZERO").value_or(0);
    quantised_ = (scale_column_ != nullptr || table.number("ZSCALE")) && dither != "NONE";
    blank_ = table.integer("ZBLANK");
}

} // namespace cubelink::imaging
