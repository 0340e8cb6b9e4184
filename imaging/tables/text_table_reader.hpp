#pragma once
/// Tables in text files: comma, semicolon, bar or tab between the cells, or blanks. Free functions; any thread.
///
/// Lines that begin with '#' are comments; quoted cells may hold anything, quotes doubled. The first line has the names unless one of its
/// cells is a number: the last comment ahead of it has them then, if it has as many cells. VizieR's lines of units and dashes, and the
/// header of ECSV (astropy's format, APE 6), are understood, and IPAC's tables, which have columns at fixed places. A column's type is that of all its cells: 64-bit integers, doubles, booleans
/// or text.

#include "imaging/tables/byte_feed.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/tables/table_options.hpp"

#include <functional>
#include <memory>

namespace cubelink::imaging {

/// The file from its beginning, UTF-8, valid or not. `tell`: how far it has been read is told, as the table is being made of this.
using OpenText = std::function<std::unique_ptr<ByteFeed>(bool tell)>;

/// Opens the file several times: looks at its beginning, reads it, and looks at all of it in between if its beginning has misled. Throws
/// TableError, whose message begins with the line; ImageError, Cancelled.
TablePtr read_text_table(const OpenText& open, const TableOptions& options);

} // namespace cubelink::imaging
