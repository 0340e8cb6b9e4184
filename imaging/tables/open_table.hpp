#pragma once
/// Tables of sources from files: VOTable, FITS, text; each gzipped or not. The content says which. Free functions; any thread.

#include "imaging/fits/file_handle.hpp"
#include "imaging/tables/table.hpp"
#include "imaging/tables/table_options.hpp"

#include <memory>
#include <string>

namespace cubelink::imaging {

/// Reads the file's first table with rows. With options.most_rows 0 its header, and rows as far as that says how many there are. Memory:
/// what `options` allows, and some 200 MiB at most while it is read. Throws TableError, whose message names the file and the place in it;
/// Cancelled.
TablePtr open_table(const std::shared_ptr<const FileHandle>& file, const TableOptions& options);
TablePtr open_table(const std::string& path, const TableOptions& options);

/// What open_table() would take a file for: by its first bytes, which may be gzipped.
enum class TableKind { none, fits, votable, text };
TableKind table_kind(const std::shared_ptr<const FileHandle>& file);

} // namespace cubelink::imaging
