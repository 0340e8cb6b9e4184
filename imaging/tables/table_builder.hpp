#pragma once
/// Fills the columns of a table while a file is read, row by row or many rows at once, in bounded memory: what fits into the budget's share is kept
/// there, the rest in a scratch file without a name. Each belongs to one thread at a time; columns of one table may be filled by different threads.

#include "imaging/base/budget_cache.hpp"
#include "imaging/base/cancel.hpp"
#include "imaging/tables/table.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cubelink::imaging {

/// A block that its maker fills before anyone else sees it.
class WritableTableBlock : public TableBlock {
public:
    virtual std::span<std::byte> writable() = 0;
};

/// A part of a larger block.
class PartOfBlock final : public TableBlock {
public:
    PartOfBlock(TableBlockPtr whole, std::size_t offset, std::size_t size) : whole_(std::move(whole)), bytes_(whole_->bytes().subspan(offset, size)) {}
    std::span<const std::byte> bytes() const override { return bytes_; }
    const MappedFile* mapping() const override { return whole_->mapping(); }

private:
    const TableBlockPtr whole_;
    const std::span<const std::byte> bytes_;
};

/// Where sealed chunks go. Thread-safe.
class TableStorage {
public:
    /// `memory_share`: bytes of the budget that one table may take; beyond, and where the budget has no room, blocks are written to a file in `scratch`.
    TableStorage(BudgetCache& budget, std::string scratch, std::size_t memory_share);
    ~TableStorage();
    TableStorage(const TableStorage&) = delete;
    TableStorage& operator=(const TableStorage&) = delete;

    /// Keeps a copy of the bytes. Throws TableError if the scratch disk has no room (64 MiB stay free on it), Cancelled.
    TableBlockPtr keep(std::span<const std::byte> bytes, const CancelToken& cancel);
    /// The same for bytes in several pieces, as one block.
    TableBlockPtr keep(std::span<const std::span<const std::byte>> pieces, const CancelToken& cancel);
    /// Memory to be filled, uninitialised; null where there is no room for it in memory: fill other memory then, and keep() it.
    std::shared_ptr<WritableTableBlock> allocate(std::size_t bytes);
    std::size_t in_memory() const, on_disk() const; // bytes

private:
    struct State;
    const std::shared_ptr<State> state_; // lives as long as its blocks
};

/// Rows of a chunk of a table of so many columns: a power of two, 65,536 for few; less for many, so that all chunks that are being filled take 64 MiB at most.
std::size_t chunk_rows_for(std::size_t columns);

class ColumnBuilder {
public:
    ColumnBuilder(ColumnInfo info, std::size_t chunk_rows, TableStorage& storage, CancelToken cancel);

    /// REQUIRES: T is the column's type (std::uint8_t for booleans).
    template <class T>
    void append(T value) {
        seal_if_full();
        std::memcpy(room(sizeof(T)), &value, sizeof(T));
        added(1);
    }
    /// Room for the next rows, at most rows_left_in_chunk(), uninitialised, to be filled before the next call. REQUIRES: no column of strings.
    std::span<std::byte> extend(std::size_t rows);
    std::size_t rows_left_in_chunk() const { return chunk_rows_ - in_chunk_; }
    /// An empty text is marked as missing. The bytes as they are: the caller makes them valid UTF-8. Throws TableError for texts of a chunk beyond 4 GiB.
    void append_text(std::string_view text);
    /// NaN, 0 or an empty text, marked as missing.
    void append_null();
    /// Marks one of the rows that the last extend() added as missing.
    void mark_null(std::size_t row_of_last_extend);

    std::size_t rows() const { return sealed_rows_ + in_chunk_; }
    const ColumnInfo& info() const { return info_; }
    /// The builder can't be used afterwards.
    std::shared_ptr<const Column> finish();

private:
    void added(std::size_t rows) {
        in_chunk_ += rows;
        if (in_chunk_ == chunk_rows_) full_ = true; // sealed before the next row: mark_null() may follow
    }
    void seal_if_full() {
        if (full_) seal();
    }
    std::byte* room(std::size_t bytes) {
        if (values_.size() - used_ < bytes) values_.resize(std::max(values_.size() * 2, used_ + bytes));
        return values_.data() + std::exchange(used_, used_ + bytes);
    }
    void seal();
    void set_null(std::size_t row);

    const ColumnInfo info_;
    const std::size_t chunk_rows_;
    TableStorage& storage_;
    const CancelToken cancel_;
    std::vector<std::byte> values_; // of the chunk that is being filled; ends of texts. More than is used, so that a cell costs no call of resize()
    std::size_t used_ = 0;
    std::vector<char> texts_;             // the last part of the chunk's; what came before is in text_pieces_
    std::vector<TableBlockPtr> text_pieces_;
    std::size_t text_bytes_ = 0;          // of the chunk, all pieces
    std::vector<std::byte> nulls_;
    std::size_t in_chunk_ = 0, sealed_rows_ = 0, last_extend_ = 0;
    bool full_ = false;
    std::vector<Column::Chunk> chunks_;
};

} // namespace cubelink::imaging
