#pragma once
/// Columns of FITS binary and ASCII tables, from their headers. Pure functions; any thread.
///
/// Source: FITS Standard 4.0, sections 7.2 (ASCII tables) and 7.3 (binary tables).

#include "imaging/tables/column.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/world/header.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::imaging {

struct FitsTableColumn {
    ColumnInfo info;
    std::size_t offset = 0, width = 0;           // of its cell in a row, bytes
    ColumnType stored = ColumnType::unsupported; // of a binary number before TSCAL and TZERO
    bool flip_sign = false;                      // unsigned numbers, as FITS stores them: with the highest bit turned over
    bool scaled = false;                         // value = zero + scale · stored
    double scale = 1, zero = 0;
    std::optional<std::int64_t> null;     // of stored integers
    std::optional<std::string> null_text; // ASCII tables
    int decimals = 0;                     // ASCII tables: digits behind the decimal point of numbers without one
};

struct FitsTableShape {
    bool ascii = false;
    std::size_t row_size = 0; // NAXIS1
    std::int64_t rows = 0;    // NAXIS2
    std::vector<FitsTableColumn> columns;
};

/// `type`: XTENSION. Throws TableError if a column does not lie within its row, or if the header does not say where.
FitsTableShape fits_table_shape(const Header& header, const std::string& type);

/// The header's part of a table's facts, without columns.
TableInfo fits_table_info(const Header& header);

} // namespace cubelink::imaging
