#pragma once
/// REMOTE_FILE_REQUEST: an image that another server cuts out of a survey (a HiPS), fetched over HTTPS.
///
/// The recipe: {kind "remote_file", name, and the fields of the request but file_id}. A restored session fetches the file again.

#include "server/tasks/open_file.hpp"

#include "rpc/icd/messages.hpp"

#include <string>

namespace cubelink::server {

/// How it is opened: recipe and name; without `end` and what comes with it. Throws PathError that says what is wrong with the request.
Opening opening_of_remote_file(const icd::RemoteFileRequest& request, const std::string& name);

/// The URL at which a request's image is found: `service` with its fields as a query.
std::string url_of(const std::string& service, const icd::RemoteFileRequest& request);

/// An ImageMaker.
imaging::OpenedImage make_of_remote_file(const rpc::Map& recipe, const MakeContext& context);

bool is_remote_file(const rpc::Map& recipe);
/// Whether making the image fetches files from other servers, for itself or for what it is made from.
bool needs_remote_files(const rpc::Map& recipe);

/// Why nothing is fetched by a server without --remote-host.
inline constexpr const char* no_remote_files = "This server fetches no files from other servers: it was started without --remote-host.";

} // namespace cubelink::server
