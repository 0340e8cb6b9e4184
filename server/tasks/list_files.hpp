#pragma once
/// FILE_LIST_REQUEST, REGION_LIST_REQUEST, CATALOG_LIST_REQUEST and FILE_INFO_REQUEST: what can be opened, and what is in it.

#include "server/tasks/open_file.hpp"

namespace cubelink::server {

/// Answers with FILE_LIST_RESPONSE; LIST_PROGRESS meanwhile if it takes long. Until `stop`, when it answers with what it has.
/// `for_page`: the caller is a page, to which the top folder is ".".
void start_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call, std::shared_ptr<const icd::FileListRequest> request,
                   const imaging::CancelToken& stop, bool for_page);

/// The same for REGION_LIST_REQUEST and REGION_LIST_RESPONSE.
void start_region_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                          std::shared_ptr<const icd::RegionListRequest> request, const imaging::CancelToken& stop, bool for_page);

/// The same for CATALOG_LIST_REQUEST and CATALOG_LIST_RESPONSE.
void start_catalog_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                           std::shared_ptr<const icd::CatalogListRequest> request, const imaging::CancelToken& stop, bool for_page);

/// Answers with FILE_INFO_RESPONSE. Until `cancel`.
void start_file_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                     std::shared_ptr<const icd::FileInfoRequest> request, const imaging::CancelToken& cancel);

} // namespace cubelink::server
