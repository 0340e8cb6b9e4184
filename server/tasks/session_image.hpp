#pragma once
/// What is opened becomes an Image of a session, with its acknowledgement.

#include "server/session/image.hpp"

#include "imaging/base/budget_cache.hpp"
#include "imaging/source/format.hpp"
#include "rpc/icd/messages.hpp"

#include <cstdint>
#include <string>

namespace cubelink::server {

struct SessionImageParts {
    std::int32_t file_id = 0;
    std::string directory, file; // as Image has them
    bool support_aips_beam = false;
    rpc::Map recipe{}; // empty: from a file
    imaging::OpenedImage opened;
    icd::FileInfo file_info;
    imaging::Reservation memory; // from reserve_header()
};
/// Not yet part of any session.
ImagePtr make_session_image(SessionImageParts parts);

/// What the header takes of memory for as long as the image lives. Throws OverBudget, Cancelled.
imaging::Reservation reserve_header(imaging::BudgetCache& budget, const imaging::OpenedImage& opened, const imaging::CancelToken& cancel);

/// Of an image that is no file's: type CASA, as CARTA's own server has it.
icd::FileInfo generated_file_info(const std::string& name, const imaging::ImageInfo& info);

} // namespace cubelink::server
