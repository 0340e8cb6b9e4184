#pragma once
/// How a file becomes a Catalog of a session; and what is in a file that is not opened.

#include "rpc/icd/messages.hpp"
#include "server/session/catalog.hpp"
#include "server/tasks/open_file.hpp"

#include <functional>
#include <memory>
#include <string>

namespace cubelink::server {

/// By a command of the session. The catalog that has the request's file_id, if there is one, stays until another takes its place. `end`: by a command, once, unless
/// the session is closed: the catalog, which is not yet in the session; nullptr, and why: it could not be opened.
struct CatalogOpening {
    icd::OpenCatalogFile request;
    rpc::CallPtr call; // may be null
    std::function<void(const CatalogPtr& catalog, const std::string& failure)> end;
    std::function<void()> on_session_closed;
    /// As of Opening.
    std::function<void()> before, after;
};
CommandQueue::Making start_opening(const OpenSettings& settings, const SessionPtr& session, CatalogOpening opening);

/// Adds a newly opened catalog (an earlier one of that id is closed), calls `answer`, and sends session.changed. By a command.
void add_catalog(Session& session, const CatalogPtr& catalog, const std::function<void()>& answer = {});

/// By a command. Throws CallError if there is none, after which the session is told.
CatalogPtr require_catalog(Session& session, std::int32_t file_id);

/// Answers with CATALOG_FILE_INFO_RESPONSE. Until `cancel`.
void start_catalog_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                        std::shared_ptr<const icd::CatalogFileInfoRequest> request, const imaging::CancelToken& cancel);

} // namespace cubelink::server
