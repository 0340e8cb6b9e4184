#pragma once
/// Puts cells that are text into the columns of a table. One thread each.

#include "imaging/tables/table_maker.hpp"
#include "platform/utf8.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

class TextCells {
public:
    /// What makes texts valid UTF-8.
    using Decode = std::string (*)(std::string_view);
    /// `nulls`: the text that stands for a missing value, for each column that has one. REQUIRES: maker.begin_rows() was called.
    TextCells(TableMaker& maker, const std::vector<std::optional<std::string>>& nulls, Decode decode = platform::make_utf8);

    std::size_t columns() const { return cells_.size(); }
    bool supported(std::size_t column) const { return cells_[column].builder != nullptr; }
    bool is_text(std::size_t column) const { return cells_[column].text; }
    /// False: it is no value of the column's type, and counts as missing. An empty one is missing. Texts become valid UTF-8. Nothing is
    /// done for unsupported columns.
    bool append(std::size_t column, std::string_view text) {
        Cell& cell = cells_[column];
        return cell.builder == nullptr || cell.append(cell, text);
    }
    void append_missing(std::size_t column) {
        if (cells_[column].builder != nullptr) cells_[column].builder->append_null();
    }

private:
    struct Cell {
        ColumnBuilder* builder = nullptr;
        bool (*append)(Cell& cell, std::string_view text) = nullptr;
        bool text = false;
        Decode decode = nullptr;
        std::optional<std::string> null_text;
        std::optional<std::int64_t> null_integer;
        std::optional<double> null_real;
    };
    template <class T>
    static bool append_integer(Cell& cell, std::string_view text);
    template <class T>
    static bool append_real(Cell& cell, std::string_view text);
    static bool append_boolean(Cell& cell, std::string_view text);
    static bool append_string(Cell& cell, std::string_view text);
    std::vector<Cell> cells_;
};

} // namespace cubelink::imaging
