#pragma once
/// SAVE_FILE: an image, or a part of it, as a FITS file.

#include "server/files/file_writer.hpp"
#include "server/session/region.hpp"
#include "server/tasks/open_file.hpp"

#include <memory>
#include <string>

namespace cubelink::server {

/// What of an image is to be saved, and where.
struct Saving {
    SessionPtr session;
    ImagePtr image; // closing it ends the work: nothing is written then
    rpc::CallPtr call;
    std::shared_ptr<const icd::SaveFile> request;
    RegionStatePtr region; // null: the whole planes
    WriteOptions options;
    std::string program; // who writes, with version
};

/// Answers with SAVE_FILE_ACK. By a command.
void start_saving(const OpenSettings& settings, Saving saving);

icd::SaveFileAck saving_failed(const icd::SaveFile& request, const std::string& why);

} // namespace cubelink::server
