#pragma once
/// Tables as the ICD describes them. Pure functions; any thread.

#include "imaging/tables/views/table_view.hpp"
#include "rpc/icd/messages.hpp"
#include "server/files/jail.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::server {

/// What is known of a catalog's file; `name` as the client said it.
icd::CatalogFileInfo catalog_file_info(const JailedPath& path, const std::string& name, const imaging::TableInfo& info);
icd::CatalogHeader catalog_header(const imaging::ColumnInfo& column, std::size_t index);

/// How many of these rows fit into `bytes`, one at least, if there are any, and none of whose texts has more than longest_text().
std::size_t rows_that_fit(const imaging::Table& table, std::span<const std::size_t> columns, std::span<const std::uint32_t> rows, std::size_t bytes);
/// Values of these rows. Texts are cut to `longest` bytes, between characters. REQUIRES: no unsupported column.
icd::ColumnData column_data(const imaging::Column& column, std::span<const std::uint32_t> rows, std::size_t longest);
/// Of a text in a message with so many columns: no message is larger than clients take, whatever is in a file.
std::size_t longest_text(std::size_t columns);

} // namespace cubelink::server
