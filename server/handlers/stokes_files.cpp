// CONCAT_STOKES_FILES.

#include "server/handlers/opening.hpp"
#include "server/tasks/images/stokes_files.hpp"

namespace cubelink::server {

void register_stokes_files(HandlerContext& context) {
    on_opening<icd::ConcatStokesFiles, icd::ConcatStokesFilesAck>(
        context, [](const CommandCall<icd::ConcatStokesFiles>& c) { return opening_of_stokes_files(c.request->stokes_files(), c.request->file_id()); });
}

} // namespace cubelink::server
