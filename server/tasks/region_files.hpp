#pragma once
/// REGION_FILE_INFO_REQUEST, IMPORT_REGION and EXPORT_REGION: regions from texts and to texts.

#include "server/files/file_writer.hpp"
#include "server/session/region.hpp"
#include "server/tasks/open_file.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

/// Answers with REGION_FILE_INFO_RESPONSE. Until `cancel`.
void start_region_file_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                            std::shared_ptr<const icd::RegionFileInfoRequest> request, const imaging::CancelToken& cancel);

/// Reads regions onto an image and ends in a command that adds them and answers with IMPORT_REGION_ACK. By a command; new regions of other commands wait.
void start_region_import(const OpenSettings& settings, const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call,
                         std::shared_ptr<const icd::ImportRegion> request);

/// Answers with EXPORT_REGION_ACK: the regions as they are by now. By a command. `program`: who writes, with version. Ids without a region have no state.
void start_region_export(const OpenSettings& settings, const SessionPtr& session, const ImagePtr& image, const rpc::CallPtr& call,
                         std::shared_ptr<const icd::ExportRegion> request, std::vector<std::pair<std::int32_t, RegionStatePtr>> regions,
                         const WriteOptions& options, std::string program);

icd::ImportRegionAck import_failed(const std::string& why);
icd::ExportRegionAck export_failed(const std::string& why);

} // namespace cubelink::server
