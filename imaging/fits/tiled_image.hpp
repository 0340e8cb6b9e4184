#pragma once
/// Pixels of a tile-compressed image (a binary table of compressed tiles). Tiles are decoded in parallel, when they are read. A large one of
/// which only a part is read is kept in the cache, so that it is not decoded again for the next part. What decoding takes is reserved.
/// See ImageSource for what callers may rely on.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/pixel_memory.hpp"
#include "imaging/fits/file_handle.hpp"
#include "imaging/fits/layout.hpp"
#include "imaging/fits/table_columns.hpp"

#include <optional>

namespace cubelink::imaging {

class TiledImage : public ImageSource {
public:
    /// Checks the table; throws ImageError if it can't be read, or if one tile takes more than all of the budget. `budget`: must outlive the
    /// image; nullptr: nothing is kept or counted.
    TiledImage(std::shared_ptr<const FileHandle> data, std::shared_ptr<const FileHandle> original, const Hdu& hdu, Layout layout, BudgetCache* budget);
    TiledImage(const TiledImage&) = delete; // its columns are members of its table
    TiledImage& operator=(const TiledImage&) = delete;

    const ImageShape& shape() const override { return layout_.shape; }
    PixelType stored_type() const override { return layout_.type; }
    const Capabilities& capabilities() const override { return capabilities_; }
    const ImageIdentity& identity() const override { return original_->identity(); }
    void read(const Rect& rect, PlaneId plane, std::span<float> out, int threads, const CancelToken& cancel) const override;
    void read64(const Rect& rect, PlaneId plane, std::span<double> out, int threads, const CancelToken& cancel) const override;
    void read_spectrum(std::int64_t x, std::int64_t y, std::int32_t stokes, std::int32_t from, std::span<float> out,
                       const CancelToken& cancel) const override;
    void check_unchanged() const override { original_->check_path(); }

private:
    enum class Method { rice, gzip1, gzip2, plio, hcompress, none };
    enum class Dither { none, one, two };
    struct Tile {
        std::int64_t index = 0;             // row of the table
        std::vector<std::int64_t> from, to; // half-open, per axis
        std::int64_t pixels = 1;
    };
    /// Pixels of a tile, by the axes of the file.
    template <class Out>
    struct Decoded {
        Pixels<Out> memory;
    };
    struct Blob {
        Reservation reservation;
        std::vector<std::byte> bytes;
    };

    void find_columns();
    void read_parameters(const Header& table);
    Tile tile_at(const std::vector<std::int64_t>& position) const;
    std::optional<Blob> blob(const TableColumn* column, std::span<const std::byte> row, const CancelToken& cancel) const;
    Reservation reserve(std::size_t bytes, const CancelToken& cancel) const;
    bool is_floating() const;
    std::optional<std::int64_t> blank_of(std::span<const std::byte> row, std::optional<std::int64_t> otherwise) const;
    template <class Out>
    void decode(const Tile& tile, std::span<Out> out, const CancelToken& cancel) const;
    template <class Out>
    std::shared_ptr<const Decoded<Out>> decoded(const Tile& tile, const CancelToken& cancel) const;
    template <class Out>
    void decode_row(const Tile& tile, std::span<const std::byte> row, std::span<Out> out, const CancelToken& cancel) const;
    template <class Out>
    void unquantise(std::span<Out> out, const Tile& tile, std::span<const std::byte> row) const;
    template <class Out>
    void decode_plain(std::span<const std::byte> bytes, std::span<Out> out) const;
    template <class Out>
    void read_as(const Rect& rect, PlaneId plane, std::span<Out> out, int threads, const CancelToken& cancel) const;

    BudgetCache* budget_;
    std::int32_t hdu_;
    std::shared_ptr<const FileHandle> data_, original_;
    Layout layout_;
    Capabilities capabilities_;
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
