#pragma once
/// How a file becomes an Image of a session.

#include "server/files/jail.hpp"
#include "server/remote/fetch.hpp"
#include "server/tasks/task.hpp"

#include "imaging/base/budget_cache.hpp"
#include "imaging/source/format.hpp"
#include "rpc/icd/messages.hpp"

#include <functional>
#include <string>

namespace cubelink::server {

/// Where images come from, and how they are opened. Outlives the tasks.
struct OpenSettings {
    const Jail& jail;
    std::string scratch; // folder where compressed images are inflated
    RemoteSettings remote{};
};

/// What images are made with.
struct MakeContext {
    const OpenSettings& settings; // outlive the image, as the budget does
    imaging::BudgetCache& budget;
    imaging::CancelToken cancel{};
    int threads = 1;
    std::function<void(double)> progress{}; // may be empty
    int depth = 0;                          // of recipes in recipes, see image_recipes.hpp
};

struct OpenedFile {
    imaging::OpenedImage image;
    JailedPath path;
};
/// Opens the file that OPEN_FILE names. Blocks: by a job. Throws what says why not, fit for the client.
OpenedFile open_image_file(const MakeContext& context, const icd::OpenFile& request);

/// Opens what OPEN_FILE asks for, or makes what `recipe` says if that is not empty, acknowledgement included; not yet part of any session. What its header
/// takes of memory comes out of the budget for as long as the image lives. Blocks and throws as open_image_file().
ImagePtr open_file(const MakeContext& context, const icd::OpenFile& request, const rpc::Map& recipe);

/// The task of opening a file.
struct Opening {
    icd::OpenFile request; // of an image that is made of others: file_id, and the folder and name that it has for clients
    rpc::Map recipe{};     // of such an image, see image_recipes.hpp; empty: of the file that is named
    std::string task = "open_file";
    rpc::CallPtr call; // may be null
    /// By a command, once: the image is not yet in the session; nullptr, and why: it could not be opened.
    std::function<void(const ImagePtr& image, const std::string& failure)> end;
    std::function<void()> on_session_closed;
    /// Called by the job before it touches the file, and when it has been opened or has failed; may throw. Empty: not.
    std::function<void()> before, after;
};
/// Calls Opening::after at its end.
struct AfterOpening {
    const std::function<void()>& call;
    ~AfterOpening();
};

/// By a command of the session. The image with the request's file_id, if there is one, stays until another takes its place.
CommandQueue::Making start_opening(const OpenSettings& settings, const SessionPtr& session, Opening opening);

/// What OPEN_FILE is answered if the file is closed meanwhile.
inline constexpr const char* closed_before_open = "The file was closed before it was open.";

/// Throws PathError if the session has as many files open as it may, and this would be one more.
void require_room(const Session& session, std::int32_t file_id);
/// Throws PathError for what can be listed but not opened; nothing is wrong with FITS files.
void require_fits(const JailedPath& path);
/// Throws PathError unless the file is still the one that the jail has checked.
void require_same(const JailedPath& path);
/// "c" of "a/b/c".
std::string last_part_of(const std::string& name);

} // namespace cubelink::server
