#pragma once
/// Pixels of a tile-compressed image (a binary table of compressed tiles). Tiles are decoded in parallel, as they are asked for; nothing is
/// kept. See ImageSource for what callers may rely on.

#include "imaging/fits/file_handle.hpp"
#include "imaging/fits/layout.hpp"
#include "imaging/fits/table_columns.hpp"

#include <optional>

namespace cubelink::imaging {

class TiledImage : public ImageSource {
public:
    /// Checks the table; throws ImageError if it can't be read.
    TiledImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, const Hdu& hdu, Layout layout);
    TiledImage(const TiledImage&) = delete; // its columns are members of its table
    TiledImage& operator=(const TiledImage&) = delete;

    const ImageShape& shape() const override { return layout_.shape; }
    PixelType stored_type() const override { return layout_.type; }
    bool wide() const override { return layout_.wide; }
    const FileIdentity& identity() const override { return original_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void check_unchanged() const override { original_->check_path(); }
    bool direct() const override { return false; }
    StoredBlock stored_block() const override { return {tile_size_[static_cast<std::size_t>(layout_.x)], tile_size_[static_cast<std::size_t>(layout_.y)]}; }

private:
    enum class Method { rice, gzip1, gzip2, plio, hcompress, none };
    enum class Dither { none, one, two };
    struct Tile {
        std::int64_t index = 0;             // row of the table
        std::vector<std::int64_t> from, to; // half-open, per axis
        std::int64_t pixels = 1;
    };

    void find_columns();
    void read_parameters(const Header& table);
    Tile tile_at(const std::vector<std::int64_t>& position) const;
    std::optional<std::vector<std::byte>> blob(const TableColumn* column, std::span<const std::byte> row) const;
    std::optional<std::int64_t> blank_of(std::span<const std::byte> row, std::optional<std::int64_t> otherwise) const;
    template <class Out>
    void decode(const Tile& tile, std::vector<Out>& out) const;
    template <class Out>
    void decode_row(const Tile& tile, std::span<const std::byte> row, std::span<Out> out) const;
    template <class Out>
    void unquantise(std::span<const std::int32_t> in, std::span<Out> out, const Tile& tile, std::span<const std::byte> row) const;
    template <class Out>
    void decode_raw(std::span<const std::byte> bytes, std::span<Out> out) const;
    template <class Out>
    void read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel) const;

    std::shared_ptr<const FileHandle> data_, original_;
    Layout layout_;
    std::string where_; // for messages
    TableShape table_;
    std::int64_t table_offset_ = 0, heap_offset_ = 0, heap_end_ = 0;
    std::vector<std::int64_t> tile_size_, tile_count_; // per axis
    Method method_ = Method::rice;
    Dither dither_ = Dither::none;
    int rice_block_ = 32, rice_bytes_ = 4;
    bool smooth_ = false, quantised_ = false;
    std::int64_t dither_seed_ = 1;
    double scale_ = 1, zero_ = 0;
    std::optional<std::int64_t> blank_;
    // Of the table; nullptr: there is none.
    const TableColumn *compressed_ = nullptr, *gzipped_ = nullptr, *uncompressed_ = nullptr;
    const TableColumn *scale_column_ = nullptr, *zero_column_ = nullptr, *blank_column_ = nullptr;
};

} // namespace cubelink::imaging
