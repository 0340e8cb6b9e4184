#pragma once
/// Columns of a binary table. Pure functions, any thread.

#include "imaging/world/header.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct TableColumn {
    std::string name, unit;   // TTYPE, TUNIT
    std::size_t offset = 0;   // in a row, bytes
    std::int64_t repeat = 0;
    char type = 0;            // of TFORM: B, I, J, K, E, D, …
    char element = 0;         // of what P and Q point to
};

struct TableShape {
    std::size_t row_size = 0;
    std::int64_t rows = 0;
    std::vector<TableColumn> columns;
    /// The first of this name, in capitals or not; nullptr if there is none.
    const TableColumn* find(std::string_view name) const;
};

/// Bytes of one element of a column of that type; 0 for bits (X) and unknown types.
std::size_t width_of(char type);

/// Nothing if the header is inconsistent: every column lies within its row.
std::optional<TableShape> table_shape(const Header& header);

/// Element `index` of a cell as a number; NaN for types that hold none. `row` is a whole row, index < repeat.
double cell_value(const TableColumn& column, std::span<const std::byte> row, std::size_t index = 0);

} // namespace cubelink::imaging
