#pragma once
/// A table of sources, as it was read from a file. Immutable; any thread.

#include "imaging/tables/column.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cubelink::imaging {

/// VOTable COOSYS, or what a FITS table says of its frame.
struct CoordinateSystem {
    std::string id, system; // "ICRS", "eq_FK5", "galactic", …
    std::string equinox, epoch;
};

/// VOTable TIMESYS.
struct TimeSystem {
    std::string id, scale, position, origin; // "TCB", "BARYCENTER", "MJD-origin" or a Julian date
};

/// What a table's header says. Texts are valid UTF-8.
struct TableInfo {
    enum class Format { fits = 0, votable = 1, text = 2 }; // the first two as in ICD CatalogFileType
    Format format = Format::votable;
    std::string name;        // of the table; may be empty
    std::string description; // for people: DESCRIPTION and INFO, or the header's cards
    std::vector<CoordinateSystem> systems;
    std::vector<TimeSystem> time_systems;
    std::vector<ColumnInfo> columns; // all, unsupported ones too
    std::optional<std::int64_t> rows; // if the header says so
    std::vector<std::string> other_tables; // of the same file, which are not read: "table 2 (\"spectra\", 15 columns)"
    std::vector<std::string> warnings;     // sentences for the user
};

struct Table {
    TableInfo info;
    std::size_t rows = 0;
    std::size_t chunk_rows = 1;
    std::vector<std::shared_ptr<const Column>> columns; // as many as info.columns
};
using TablePtr = std::shared_ptr<const Table>;

/// Column::check() of all columns.
void check_columns(const Table& table);

/// A file is no table that can be read. The message says what is wrong and where (line, byte, row, column).
class TableError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace cubelink::imaging
