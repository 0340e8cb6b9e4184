#pragma once
/// Tables of FITS files. Free functions; any thread.

#include "imaging/fits/file_handle.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/tables/table_options.hpp"

#include <memory>

namespace cubelink::imaging {

/// The first BINTABLE or TABLE that has rows or, if none has, the first; no compressed images. With options.most_rows 0 its header. Rows of
/// files that are not gzipped are read by several threads. Throws TableError, ImageError (whose messages begin with the file's name),
/// Cancelled.
TablePtr read_fits_table(const std::shared_ptr<const FileHandle>& file, const TableOptions& options);

} // namespace cubelink::imaging
