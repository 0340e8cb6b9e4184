#pragma once
/// VOTable files. Free functions; any thread.
///
/// Tags and texts of the header go through expat; the contents of TABLEDATA and STREAM, which are nearly all of a file, are read by loops
/// of our own and never reach it. Nothing is fetched: external entities and data in other files are not read, and a document that declares
/// entities is refused.

#include "imaging/tables/byte_feed.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/tables/table_options.hpp"

#include <functional>
#include <memory>

namespace cubelink::imaging {

/// The first TABLE that has rows or, if none has, the first that has columns. With options.most_rows 0 its header. `open`: the file from
/// its beginning, UTF-8, valid or not; it is read a second time if its binary data can be understood in two ways, and the first is wrong.
/// Throws TableError, whose message begins with the line and column; ImageError if the file can't be read; Cancelled.
TablePtr read_votable(const std::function<std::unique_ptr<ByteFeed>()>& open, const TableOptions& options);

} // namespace cubelink::imaging
