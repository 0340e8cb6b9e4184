#include "imaging/fits/tiled_image.hpp"

#include "imaging/base/parallel.hpp"
#include "imaging/fits/big_endian.hpp"
#include "imaging/fits/tile_decoders.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace cubelink::imaging {

namespace {

constexpr std::int64_t tile_limit = std::int64_t{1} << 31;           // pixels, and what --memory-limit allows
constexpr std::int64_t tile_limit_without_budget = 128 << 20;
constexpr std::int64_t hcompress_limit = 16 << 20;
constexpr std::int64_t blob_limit = std::int64_t{1} << 31;
constexpr std::int64_t kept_from = 1 << 14;                          // pixels: decoding a smaller tile again costs no more than to look it up
constexpr std::size_t counted_from = 256 << 10;                      // bytes: smaller buffers are not worth a reservation

/// Numbers that were decoded into the end of the memory of the pixels, which then become the pixels one by one from the beginning: a tile
/// takes no more memory than its pixels. `pixel(number)` is called in their order.
template <class Out, class Pixel>
void numbers_to_pixels(std::span<Out> out, Pixel pixel) {
    auto* const to = reinterpret_cast<std::byte*>(out.data());
    const std::byte* const from = to + out.size_bytes() - out.size() * sizeof(std::int32_t);
    for (std::size_t i = 0; i < out.size(); ++i) {
        std::int32_t number;
        std::memcpy(&number, from + i * sizeof number, sizeof number);
        const Out value = pixel(number);
        std::memcpy(to + i * sizeof value, &value, sizeof value);
    }
}

template <class Out>
std::span<std::int32_t> room_for_numbers(std::span<Out> out) {
    return {reinterpret_cast<std::int32_t*>(reinterpret_cast<std::byte*>(out.data()) + out.size_bytes() - out.size() * sizeof(std::int32_t)), out.size()};
}

/// Big-endian integers of 1, 2 or 4 bytes; single bytes are unsigned.
void read_integers(std::span<const std::byte> in, std::size_t width, std::span<std::int32_t> out) {
    if (width != 1 && width != 2 && width != 4) throw DamagedTile("its quantised pixels have " + std::to_string(width) + " bytes each");
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::byte* at = in.data() + width * i;
        out[i] = width == 1 ? std::to_integer<std::int32_t>(*at) : width == 2 ? static_cast<std::int16_t>(big_endian<std::uint16_t>(at))
                                                                              : static_cast<std::int32_t>(big_endian<std::uint32_t>(at));
    }
}

PixelType type_of_width(std::size_t width, bool floating) {
    if (floating && width == 4) return PixelType::float32;
    if (floating && width == 8) return PixelType::float64;
    if (!floating && width == 1) return PixelType::uint8;
    if (!floating && width == 2) return PixelType::int16;
    if (!floating && width == 4) return PixelType::int32;
    if (!floating && width == 8) return PixelType::int64;
    throw DamagedTile("its pixels have " + std::to_string(width) + " bytes each, which is no type of floating point number");
}

} // namespace

template <class Out>
void TiledImage::unquantise(std::span<Out> out, const Tile& tile, std::span<const std::byte> row) const {
    constexpr Out blank_pixel = std::numeric_limits<Out>::quiet_NaN();
    const double scale = scale_column_ != nullptr ? cell_value(*scale_column_, row) : scale_;
    const double zero = zero_column_ != nullptr ? cell_value(*zero_column_, row) : zero_;
    const auto blank = blank_of(row, blank_);
    if (dither_ == Dither::none) {
        numbers_to_pixels(out, [&](std::int32_t number) { return blank && number == *blank ? blank_pixel : static_cast<Out>(number * scale + zero); });
        return;
    }
    const auto numbers = dither_numbers();
    auto seed = static_cast<std::size_t>((tile.index + dither_seed_ - 1) % static_cast<std::int64_t>(numbers.size()));
    auto next = static_cast<std::size_t>(numbers[seed] * 500);
    numbers_to_pixels(out, [&](std::int32_t number) {
        Out value = 0;
        if (blank && number == *blank) value = blank_pixel;
        else if (dither_ == Dither::two && number == -2147483646) value = 0; // exact zeros are kept
        else value = static_cast<Out>((static_cast<double>(number) - numbers[next] + 0.5) * scale + zero);
        if (++next == numbers.size()) {
            seed = (seed + 1) % numbers.size();
            next = static_cast<std::size_t>(numbers[seed] * 500);
        }
        return value;
    });
}

/// Pixels as an uncompressed image has them, of a type that their length gives.
template <class Out>
void TiledImage::decode_plain(std::span<const std::byte> bytes, std::span<Out> out) const {
    const std::size_t width = bytes.size() / out.size();
    if (bytes.size() != width * out.size())
        throw DamagedTile("its " + std::to_string(bytes.size()) + " bytes fit no type of number for " + std::to_string(out.size()) + " pixels");
    const PixelType type = type_of_width(width, is_floating());
    Scaling scaling = layout_.scaling;
    if (blank_) scaling.blank = blank_;
    if constexpr (std::is_same_v<Out, float>) float_converter(type, scaling)(bytes.data(), out.data(), out.size(), scaling);
    else double_converter(type, scaling)(bytes.data(), out.data(), out.size(), scaling);
}

template <class Out>
void TiledImage::decode_row(const Tile& tile, std::span<const std::byte> row, std::span<Out> out, const CancelToken& cancel) const {
    const auto pixels = static_cast<std::size_t>(tile.pixels);
    const std::size_t bytes = size_of(layout_.type);
    const auto compressed = blob(compressed_, row, cancel);
    if (!compressed) {
        // Tiles that could not be quantised are stored without loss, gzipped or plain.
        if (const auto gzipped = blob(gzipped_, row, cancel)) {
            const auto memory = reserve(pixels * 8, cancel);
            return decode_plain(gzip_decode(gzipped->bytes, pixels, bytes, false, cancel).bytes(), out);
        }
        if (const auto plain = blob(uncompressed_, row, cancel)) return decode_plain<Out>(plain->bytes, out);
        throw DamagedTile("it has no data");
    }
    const std::span<const std::byte> data = compressed->bytes;
    const bool quantised = is_floating() && quantised_;
    const auto numbers = room_for_numbers(out);
    const auto check_length = [&](std::size_t pixels_per_byte) {
        if (pixels / pixels_per_byte > data.size() + 64) throw DamagedTile("the compressed data are too short for its pixels");
    };
    switch (method_) {
    case Method::none:
        if (!quantised) return decode_plain(data, out);
        if (data.size() != pixels * 4) throw DamagedTile("its size is not that of its pixels");
        read_integers(data, 4, numbers);
        break;
    case Method::gzip1:
    case Method::gzip2: {
        const bool shuffled = method_ == Method::gzip2;
        const auto memory = reserve(pixels * (shuffled ? 16 : 8), cancel);
        const auto inflated = gzip_decode(data, pixels, quantised ? 4 : bytes, shuffled, cancel);
        if (!quantised) return decode_plain(inflated.bytes(), out);
        read_integers(inflated.bytes(), inflated.width, numbers);
        break;
    }
    case Method::rice:
        check_length(static_cast<std::size_t>(rice_block_) * 8);
        rice_decode(data, numbers, rice_block_, rice_bytes_, cancel);
        break;
    case Method::plio:
        check_length(4096);
        plio_decode(data, numbers);
        break;
    case Method::hcompress: {
        std::vector<std::int64_t> sides;
        for (std::size_t i = 0; i < tile.from.size(); ++i) {
            if (tile.to[i] - tile.from[i] > 1) sides.push_back(tile.to[i] - tile.from[i]);
        }
        if (sides.size() > 2) throw DamagedTile("H-transforms have two axes");
        if (tile.pixels > hcompress_limit) throw DamagedTile("H-transforms of this size are not read");
        const std::int64_t width = tile.to[0] - tile.from[0], height = tile.pixels / width;
        const auto memory = reserve(hcompress_memory(data, width, height), cancel);
        hcompress_decode(data, numbers, width, height, smooth_, is_floating() || layout_.type == PixelType::int32);
        break;
    }
    }
    if (quantised) return unquantise(out, tile, row);
    if (is_floating()) throw DamagedTile("floating point pixels need a scale");
    const auto blank = blank_of(row, blank_ ? blank_ : layout_.scaling.blank);
    numbers_to_pixels(out, [&](std::int32_t number) {
        return blank && number == *blank ? std::numeric_limits<Out>::quiet_NaN() : static_cast<Out>(number * layout_.scaling.scale + layout_.scaling.zero);
    });
}

template <class Out>
void TiledImage::decode(const Tile& tile, std::span<Out> out, const CancelToken& cancel) const {
    const auto name = [&] { return where_ + ": tile " + std::to_string(tile.index + 1); };
    std::vector<std::byte> row(table_.row_size);
    data_->read_all(table_offset_ + tile.index * static_cast<std::int64_t>(row.size()), row);
    try {
        decode_row(tile, row, out, cancel);
    } catch (const DamagedTile& error) {
        throw ImageError(name() + " can't be read: " + error.what());
    } catch (const OverBudget& error) {
        throw OverBudget(name() + ": " + error.what());
    }
}

template <class Out>
std::shared_ptr<const TiledImage::Decoded<Out>> TiledImage::decoded(const Tile& tile, const CancelToken& cancel) const {
    const auto make = [&] {
        auto made = std::make_shared<Decoded<Out>>();
        made->memory = make_pixels<Out>(static_cast<std::size_t>(tile.pixels));
        decode(tile, std::span(made->memory.get(), static_cast<std::size_t>(tile.pixels)), cancel);
        return std::shared_ptr<const Decoded<Out>>(std::move(made));
    };
    if (budget_ == nullptr) return make();
    const std::size_t bytes = sizeof(Decoded<Out>) + static_cast<std::size_t>(tile.pixels) * sizeof(Out);
    const CacheKey key{identity(), hdu_, {}, CacheKind::decoded_tile, tile.index * 2 + (std::is_same_v<Out, double> ? 1 : 0)};
    if (auto found = budget_->find<Decoded<Out>>(key)) return found;
    // Older tiles are evicted for it first, before anything else that is cached.
    budget_->trim(CacheKind::decoded_tile, std::max(budget_->limit() / 4, bytes) - bytes, bytes);
    return budget_->get<Decoded<Out>>(key, bytes, cancel, make);
}

Reservation TiledImage::reserve(std::size_t bytes, const CancelToken& cancel) const {
    return budget_ == nullptr || bytes < counted_from ? Reservation() : budget_->reserve(bytes, cancel);
}

bool TiledImage::is_floating() const { return layout_.type == PixelType::float32 || layout_.type == PixelType::float64; }

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
std::optional<TiledImage::Blob> TiledImage::blob(const TableColumn* column, std::span<const std::byte> row, const CancelToken& cancel) const {
    if (column == nullptr) return std::nullopt;
    const std::byte* at = row.data() + column->offset;
    const bool wide = column->type == 'Q';
    const std::int64_t count = wide ? static_cast<std::int64_t>(big_endian<std::uint64_t>(at)) : static_cast<std::int32_t>(big_endian<std::uint32_t>(at));
    const std::int64_t start = wide ? static_cast<std::int64_t>(big_endian<std::uint64_t>(at + 8)) : static_cast<std::int32_t>(big_endian<std::uint32_t>(at + 4));
    if (count == 0) return std::nullopt;
    const auto unit = static_cast<std::int64_t>(std::max<std::size_t>(width_of(column->element), 1));
    const std::int64_t heap = heap_end_ - heap_offset_;
    if (count < 0 || start < 0 || count > blob_limit / unit || start > heap || count * unit > heap - start) throw DamagedTile("its data are outside of the file");
    Blob read;
    read.reservation = reserve(static_cast<std::size_t>(count * unit), cancel);
    read.bytes.resize(static_cast<std::size_t>(count * unit));
    data_->read_all(heap_offset_ + start, read.bytes);
    return read;
}

/// The integer that marks blank pixels of a tile; nothing if there is none, or if no 32-bit integer equals it.
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
    std::vector<std::int64_t> position = layout_.origin;
    if (layout_.depth >= 0) position[static_cast<std::size_t>(layout_.depth)] = plane.channel;
    if (layout_.stokes >= 0) position[static_cast<std::size_t>(layout_.stokes)] = plane.stokes;
    const std::int64_t tx = tile_size_[x_axis], ty = tile_size_[y_axis];
    const std::int64_t first_x = rect.x0 / tx, count_x = (rect.x1 - 1) / tx - first_x + 1, first_y = rect.y0 / ty, count_y = (rect.y1 - 1) / ty - first_y + 1;

    struct Buffer {
        Reservation reservation;
        Pixels<Out> memory;
        std::int64_t size = 0;
    };
    std::vector<Buffer> of_thread(static_cast<std::size_t>(std::max(threads, 1)));
    parallel_for(threads, count_x * count_y, cancel, [&](std::int64_t number, int thread) {
        std::vector<std::int64_t> corner = position;
        corner[x_axis] = (first_x + number % count_x) * tx;
        corner[y_axis] = (first_y + number / count_x) * ty;
        const Tile tile = tile_at(corner);
        std::int64_t base = 0, step = 1, step_x = 1, step_y = 1;
        for (std::size_t i = 0; i < corner.size(); ++i) {
            if (i == x_axis) step_x = step;
            else if (i == y_axis) step_y = step;
            else base += (corner[i] - tile.from[i]) * step;
            step *= tile.to[i] - tile.from[i];
        }
        const Rect of_tile{tile.from[x_axis], tile.from[y_axis], tile.to[x_axis], tile.to[y_axis]};
        const Rect part{std::max(rect.x0, of_tile.x0), std::max(rect.y0, of_tile.y0), std::min(rect.x1, of_tile.x1), std::min(rect.y1, of_tile.y1)};
        const bool all_of_it = part == of_tile && tile.pixels == of_tile.size();
        Out* const to = out.data() + (part.y0 - rect.y0) * rect.width() + (part.x0 - rect.x0);
        if (all_of_it && step_x == 1 && (part.height() == 1 || (step_y == part.width() && part.width() == rect.width())))
            return decode(tile, std::span(to, static_cast<std::size_t>(tile.pixels)), cancel);
        std::shared_ptr<const Decoded<Out>> kept;
        const Out* pixels = nullptr;
        if (!all_of_it && tile.pixels >= kept_from) {
            kept = decoded<Out>(tile, cancel);
            pixels = kept->memory.get();
        } else {
            Buffer& buffer = of_thread[static_cast<std::size_t>(thread)];
            if (buffer.size < tile.pixels) {
                buffer = Buffer();
                buffer.reservation = reserve(static_cast<std::size_t>(tile.pixels) * sizeof(Out), cancel);
                buffer.memory = make_pixels<Out>(static_cast<std::size_t>(tile.pixels));
                buffer.size = tile.pixels;
            }
            pixels = buffer.memory.get();
            decode(tile, std::span(buffer.memory.get(), static_cast<std::size_t>(tile.pixels)), cancel);
        }
        for (std::int64_t y = part.y0; y < part.y1; ++y) {
            const Out* in = pixels + base + (y - of_tile.y0) * step_y + (part.x0 - of_tile.x0) * step_x;
            Out* row = to + (y - part.y0) * rect.width();
            for (std::int64_t x = 0; x < part.width(); ++x) row[x] = in[x * step_x];
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
    std::vector<std::int64_t> position = layout_.origin;
    position[static_cast<std::size_t>(layout_.x)] = x;
    position[static_cast<std::size_t>(layout_.y)] = y;
    if (layout_.stokes >= 0) position[static_cast<std::size_t>(layout_.stokes)] = stokes;
    Tile tile;
    std::shared_ptr<const Decoded<float>> kept;
    Pixels<float> small;
    const float* pixels = nullptr;
    std::int64_t last = -1;
    for (std::size_t i = 0; i < out.size(); ++i) {
        cancel.throw_if_cancelled();
        if (layout_.depth >= 0) position[static_cast<std::size_t>(layout_.depth)] = from + static_cast<std::int64_t>(i);
        tile = tile_at(position);
        if (tile.index != last && tile.pixels >= kept_from) {
            kept = decoded<float>(tile, cancel);
            pixels = kept->memory.get();
        } else if (tile.index != last) {
            if (!small) small = make_pixels<float>(static_cast<std::size_t>(kept_from));
            decode(tile, std::span(small.get(), static_cast<std::size_t>(tile.pixels)), cancel);
            pixels = small.get();
        }
        last = tile.index;
        std::int64_t at = 0, step = 1;
        for (std::size_t axis = 0; axis < position.size(); ++axis) {
            at += (position[axis] - tile.from[axis]) * step;
            step *= tile.to[axis] - tile.from[axis];
        }
        out[i] = pixels[at];
    }
    original_->check_descriptor();
}

TiledImage::TiledImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, const Hdu& hdu, Layout layout,
                       BudgetCache* budget)
    : budget_(budget), hdu_(hdu.number), data_(std::move(data)), original_(std::move(original)), layout_(std::move(layout)), capabilities_(capabilities_of(layout_)),
      where_(original_->shown() + ", HDU " + std::to_string(hdu.number)), table_offset_(hdu.data_offset) {
    const Header& table = hdu.table_header;
    const auto fail = [&](const std::string& reason) -> void { throw ImageError(where_ + ": " + reason); };
    auto shape = table_shape(table);
    std::int64_t table_size = 0;
    if (!shape || shape->row_size > 4096 || __builtin_mul_overflow(static_cast<std::int64_t>(shape->row_size), shape->rows, &table_size))
        fail("the table of compressed tiles is inconsistent (NAXISn, TFORMn)");
    table_ = std::move(*shape);
    const std::int64_t heap = table.integer("THEAP").value_or(table_size);
    if (heap < table_size || heap > hdu.data_size) fail("THEAP is outside of the data");
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
        if (__builtin_mul_overflow(pixels, tile_size_.back(), &pixels) || pixels > (budget_ == nullptr ? tile_limit_without_budget : tile_limit))
            fail("its tiles are too large");
        if (__builtin_mul_overflow(tiles, tile_count_.back(), &tiles) || tiles > table_.rows)
            fail("the table has " + std::to_string(table_.rows) + " tiles, fewer than an image of this size needs");
    }
    capabilities_.stored_block = {tile_size_[static_cast<std::size_t>(layout_.x)], tile_size_[static_cast<std::size_t>(layout_.y)]};
    if (budget_ != nullptr && static_cast<std::size_t>(pixels) * sizeof(float) > budget_->limit())
        fail("each of its compressed tiles takes " + std::to_string(pixels >> 18) + " MiB when it is decoded, more than the memory limit of " +
             std::to_string(budget_->limit() >> 20) + " MiB");
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
    else throw ImageError(where_ + ": compressed by " + name + ", which is not a known method");
    for (int i = 1; i <= 9; ++i) {
        const std::string number = std::to_string(i), parameter = table.text("ZNAME" + number).value_or("");
        const std::int64_t value = table.integer("ZVAL" + number).value_or(-1);
        if (parameter == "BLOCKSIZE") rice_block_ = static_cast<int>(std::clamp<std::int64_t>(value, 0, 100000));
        if (parameter == "BYTEPIX") rice_bytes_ = static_cast<int>(std::clamp<std::int64_t>(value, 0, 100000));
        if (parameter == "SMOOTH") smooth_ = value > 0;
    }
    const bool known_rice = rice_block_ >= 1 && rice_block_ <= 4096 && (rice_bytes_ == 1 || rice_bytes_ == 2 || rice_bytes_ == 4);
    if (method_ == Method::rice && !known_rice) throw ImageError(where_ + ": BLOCKSIZE or BYTEPIX of the Rice compression is out of range");
    const std::string dither = table.text("ZQUANTIZ").value_or("");
    dither_ = dither == "SUBTRACTIVE_DITHER_1" ? Dither::one : dither == "SUBTRACTIVE_DITHER_2" ? Dither::two : Dither::none;
    dither_seed_ = std::clamp<std::int64_t>(table.integer("ZDITHER0").value_or(1), 1, 10000);
    scale_ = table.number("ZSCALE").value_or(1);
    zero_ = table.number("ZZERO").value_or(0);
    quantised_ = (scale_column_ != nullptr || table.number("ZSCALE")) && dither != "NONE";
    blank_ = table.integer("ZBLANK");
}

} // namespace cubelink::imaging
