#pragma once
/// How a file becomes an Image. Blocking: for commands and jobs.

#include "server/handlers/context.hpp"

#include "imaging/base/budget_cache.hpp"
#include "rpc/icd/messages.hpp"

namespace cubelink::server {

/// Opens what OPEN_FILE asks for, acknowledgement included; not yet part of any session. What its header takes of memory comes out of the
/// budget for as long as the image lives. Throws what says why not, fit for the client.
ImagePtr open_file(const HandlerContext& context, imaging::BudgetCache& budget, const icd::OpenFile& request, const imaging::CancelToken& cancel);

/// Throws PathError if the session has as many files open as it may, and this would be one more.
void require_room(const Session& session, std::int32_t file_id);
/// Throws PathError for what can be listed but not opened; nothing is wrong with FITS files.
void require_fits(const JailedPath& path);
/// Throws PathError unless the file is still the one that the jail let through.
void require_same(const JailedPath& path);
/// "c" of "a/b/c".
std::string last_part_of(const std::string& name);

} // namespace cubelink::server
