// REMOTE_FILE_REQUEST.

#include "server/handlers/opening.hpp"
#include "server/tasks/images/remote_file.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

std::string name_of(std::int32_t number) { return "remote_file" + (number == 0 ? "" : std::to_string(number)) + ".fits"; }

/// "remote_file.fits", then "remote_file1.fits" …: the first that no open image has, and none that is being fetched.
std::int32_t next_number(const Session& session) {
    const auto images = session.images();
    for (auto number = session.next_remote_file;; ++number) {
        const auto name = name_of(number);
        const bool taken = std::any_of(images.begin(), images.end(), [&](const ImagePtr& image) { return image->file == name; });
        if (!taken && !session.remote_files_under_way.contains(number)) return number;
    }
}

} // namespace

void register_remote_file(HandlerContext& context) {
    on_opening<icd::RemoteFileRequest, icd::RemoteFileResponse>(context, [&context](const CommandCall<icd::RemoteFileRequest>& c) {
        if (context.files.remote.hosts.empty()) throw PathError(no_remote_files);
        auto opening = opening_of_remote_file(*c.request, "");
        const auto number = next_number(*c.session);
        const auto name = name_of(number);
        c.session->remote_files_under_way.insert(number);
        // What could not be fetched leaves its number to the next one.
        opening.end = [session = c.session, number](const ImagePtr& image, const std::string&) {
            session->remote_files_under_way.erase(number);
            if (image) session->next_remote_file = std::max(session->next_remote_file, number + 1);
        };
        opening.request.set_file(name);
        opening.recipe["name"] = name;
        return opening;
    });
}

} // namespace cubelink::server
