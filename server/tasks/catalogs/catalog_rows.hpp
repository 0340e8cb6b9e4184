#pragma once
/// CATALOG_FILTER_REQUEST: rows of a catalog, sent in chunks as fast as the client reads.

#include "rpc/icd/messages.hpp"
#include "server/session/catalog.hpp"
#include "server/session/session.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cubelink::server {

/// What the request asks for. Throws BadArguments with the path of the field.
struct RowsRequest {
    imaging::ViewSpec view{};
    std::vector<std::size_t> columns{}; // without unsupported ones
    std::size_t begin = 0, count = 0;   // of the view
    std::int32_t image_file_id = 0, region_id = 0; // repeated in the answers
};
RowsRequest rows_request(const imaging::Table& table, const icd::CatalogFilterRequest& request);

/// Publishes CATALOG_FILTER_RESPONSE to that connection, until `progress` is 1. By a command. Nothing leaves of an earlier request of the connection for this catalog once
/// `answer` is called.
void send_rows(const SessionPtr& session, const std::shared_ptr<Connection>& connection, const CatalogPtr& catalog, RowsRequest request, std::string scratch,
               const std::function<void()>& answer);

/// The column of that name. Throws BadArguments.
std::size_t column_named(const imaging::Table& table, const std::string& name, const std::string& field);
/// The same, and throws BadArguments if its values can't be looked at.
std::size_t readable_column(const imaging::Table& table, const std::string& name, const std::string& field);
/// The same for a column of numbers.
std::size_t number_column(const imaging::Table& table, const std::string& name, const std::string& field);

} // namespace cubelink::server
