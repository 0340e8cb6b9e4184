#include "imaging/tables/table_maker.hpp"

#include "platform/utf8.hpp"

#include <algorithm>
#include <bit>

namespace cubelink::imaging {

void TableMaker::begin_rows(std::size_t row_bytes) {
    if (columns() > column_limit)
        throw TableError("the table has " + std::to_string(columns()) + " columns, more than " + std::to_string(column_limit));
    storage_ = std::make_unique<TableStorage>(options_.budget, options_.scratch, options_.memory_share);
    std::size_t supported = 0;
    for (const auto& one : info.columns) supported += one.type != ColumnType::unsupported;
    chunk_rows_ = chunk_rows_for(supported);
    constexpr std::size_t chunk_bytes = std::size_t{64} << 20;
    if (row_bytes > 0) chunk_rows_ = std::min(chunk_rows_, std::bit_floor(std::max<std::size_t>(chunk_bytes / row_bytes, 1)));
    builders_.resize(columns());
    made_.resize(columns());
    for (std::size_t i = 0; i < columns(); ++i)
        if (info.columns[i].type != ColumnType::unsupported) builders_[i].emplace(info.columns[i], chunk_rows_, *storage_, options_.cancel);
}

void TableMaker::set_column(std::size_t index, std::shared_ptr<const Column> column) { made_[index] = std::move(column); }

void TableMaker::note_bad_cell(std::int64_t row, std::size_t column, std::string_view text, const std::string& where) {
    first_bad_cell_ = "row " + std::to_string(row + 1) + (where.empty() ? "" : " (" + where + ")") + ", column \"" +
                      info.columns[column].name + "\": \"" + clipped(text, 60) + "\" is no value of type " +
                      info.columns[column].source_type;
}

void TableMaker::refuse_missing_cells(const std::string& where) const {
    throw TableError(where + ": from " + first_short_row_ + " on, most rows have fewer cells than the table has columns (" +
                     std::to_string(columns()) + ")");
}

TablePtr TableMaker::finish(std::int64_t rows) {
    if (bad_cells_ > 0) {
        auto text =
            bad_cells_ == 1 ? "One cell is shown as missing: " : std::to_string(bad_cells_) + " cells are shown as missing, the first in ";
        info.warnings.push_back(text + first_bad_cell_ + ".");
    }
    if (missing_cells_ > 0)
        info.warnings.push_back(std::to_string(missing_cells_) + " cells are missing at the ends of rows, the first in " +
                                first_short_row_ + ".");
    auto table = std::make_shared<Table>();
    table->rows = static_cast<std::size_t>(rows);
    table->chunk_rows = chunk_rows_;
    for (std::size_t i = 0; i < columns(); ++i) {
        if (i < made_.size() && made_[i]) table->columns.push_back(std::move(made_[i]));
        else if (i < builders_.size() && builders_[i]) table->columns.push_back(builders_[i]->finish());
        else
            table->columns.push_back(
                std::make_shared<const Column>(info.columns[i], table->rows, chunk_rows_, std::vector<Column::Chunk>{}));
    }
    table->info = std::move(info);
    return table;
}

std::string clipped(std::string_view text, std::size_t size) {
    if (text.size() <= size) return platform::make_utf8(text);
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    return platform::make_utf8(text.substr(0, size)) + "…";
}

} // namespace cubelink::imaging
