// REMOTE_FILE_REQUEST.

#include "server/handlers/opening.hpp"
#include "server/tasks/remote_file.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// "remote_file.fits", then "remote_file1.fits" …: the first that no open image has.
std::string next_name(Session& session) {
    const auto images = session.images();
    for (;;) {
        const auto number = session.remote_files++;
        const std::string name = "remote_file" + (number == 0 ? "" : std::to_string(number)) + ".fits";
        if (std::none_of(images.begin(), images.end(), [&](const ImagePtr& image) { return image->file == name; })) return name;
    }
}

} // namespace

void register_remote_file(HandlerContext& context) {
    on_opening<icd::RemoteFileRequest, icd::RemoteFileResponse>(context, [&context](const CommandCall<icd::RemoteFileRequest>& c) {
        if (context.files.remote.hosts.empty()) throw PathError(no_remote_files);
        auto opening = opening_of_remote_file(*c.request, "");
        const auto name = next_name(*c.session);
        opening.request.set_file(name);
        opening.recipe["name"] = name;
        return opening;
    });
}

} // namespace cubelink::server
