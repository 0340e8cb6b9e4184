#pragma once
/// A table that is being read: its header, and a builder for each column that has values. One thread each.

#include "imaging/tables/table_builder.hpp"
#include "imaging/tables/table_options.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

class TableMaker {
public:
    explicit TableMaker(const TableOptions& options) : options_(options) {}

    TableInfo info;

    const TableOptions& options() const { return options_; }
    /// Call once info.columns is complete. Throws TableError if there are too many. `row_bytes`: what a row's values and texts take, if
    /// that is known: chunks of long rows have fewer.
    void begin_rows(std::size_t row_bytes = 0);
    std::size_t columns() const { return info.columns.size(); }
    /// nullptr for unsupported columns. REQUIRES: begin_rows().
    ColumnBuilder* column(std::size_t index) { return builders_[index] ? &*builders_[index] : nullptr; }
    std::size_t chunk_rows() const { return chunk_rows_; }
    TableStorage& storage() { return *storage_; }
    /// A column whose chunks were made elsewhere, in place of that builder's.
    void set_column(std::size_t index, std::shared_ptr<const Column> column);

    /// One more cell that is not what its column wants, and is shown as missing: one warning tells of all of them. `where` returns the
    /// place in the file, and is called for the first.
    template <class Where>
    void count_bad_cell(std::int64_t row, std::size_t column, std::string_view text, Where&& where) {
        if (bad_cells_++ == 0) note_bad_cell(row, column, text, where());
    }
    /// Rows that are shorter than the table is wide are filled up, within reason: throws TableError when most of the table is made of such
    /// cells.
    template <class Where>
    void count_missing_cells(std::int64_t row, std::size_t cells, Where&& where) {
        if (missing_cells_ == 0) first_short_row_ = "row " + std::to_string(row + 1) + " (" + where() + ")";
        missing_cells_ += static_cast<std::int64_t>(cells);
        if (missing_cells_ > 1'000'000 && missing_cells_ > (row + 1) * static_cast<std::int64_t>(columns()) / 2)
            refuse_missing_cells(where());
    }

    /// The maker can't be used afterwards.
    TablePtr finish(std::int64_t rows);

private:
    void note_bad_cell(std::int64_t row, std::size_t column, std::string_view text, const std::string& where);
    [[noreturn]] void refuse_missing_cells(const std::string& where) const;
    const TableOptions& options_;
    std::unique_ptr<TableStorage> storage_;
    std::size_t chunk_rows_ = 1;
    std::vector<std::optional<ColumnBuilder>> builders_;
    std::vector<std::shared_ptr<const Column>> made_;
    std::int64_t bad_cells_ = 0, missing_cells_ = 0;
    std::string first_bad_cell_, first_short_row_;
};

/// At most `size` bytes, cut between characters, and valid UTF-8.
std::string clipped(std::string_view text, std::size_t size);

} // namespace cubelink::imaging
