#pragma once
/// The rows of a FITS binary table, turned into columns. For one table.

#include "imaging/fits/byte_source.hpp"
#include "imaging/tables/fits_table_columns.hpp"
#include "imaging/tables/table_maker.hpp"

#include <cstdint>

namespace cubelink::imaging {

/// Reads `rows` rows from `offset` of the source into the maker's columns. `parallel`: the source may be read by several threads at once,
/// anywhere. REQUIRES: maker.begin_rows(); the columns of both are the same. Throws TableError if the source ends before, ImageError,
/// Cancelled.
void read_fits_rows(ByteSource& source, std::int64_t offset, const FitsTableShape& shape, std::int64_t rows, bool parallel,
                    TableMaker& maker);

} // namespace cubelink::imaging
