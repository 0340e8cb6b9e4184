#pragma once
/// Files and images as the ICD describes them. Pure functions.

#include "imaging/source/image_info.hpp"
#include "rpc/icd/messages.hpp"
#include "server/files/jail.hpp"
#include "server/files/listing.hpp"
#include "server/session/image.hpp"

namespace cubelink::server {

void fill(icd::FileInfoExtended& to, const imaging::ImageInfo& from);
void fill_beams(icd::OpenFileAck& to, const imaging::ImageInfo& from);
/// `name` as the client said it: it ignores answers that name another.
icd::FileInfo file_info_of(const JailedPath& path, const std::string& name, FileKind kind);

} // namespace cubelink::server
