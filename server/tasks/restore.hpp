#pragma once
/// Restoring a session from the store: its objects and requirements as they were saved.
///
/// Commands that touch an image wait until the snapshot has been read, and then for their image alone; session.state waits until all is there.
/// Each object is restored by the Restorer of its kind, images first, side by side. What can't be restored is reported as ERROR_DATA and left
/// out.

#include "server/tasks/open_file.hpp"

#include <functional>
#include <map>
#include <string>

namespace cubelink::server {

class SessionKeeper;

/// Makes an object from what Object::saved() gave, with "kind" and "id", and adds it to the session. By a command, which may begin a task. May
/// throw BadArguments. Calls `done` by a command, once: `failure` is empty, or a sentence for the user. `done` is not called if the session is closed.
using Restorer = std::function<void(const SessionPtr& session, rpc::Map saved, std::function<void(const std::string& failure)> done)>;

struct RestoreSettings {
    const OpenSettings& files;
    SessionKeeper& keeper;
    std::map<std::string, Restorer> restorers{}; // by the name of the kind
};

/// Restorers of all kinds.
void add_restorers(RestoreSettings& settings);

/// Pushes the command that restores a session which is not in use yet. `settings` outlive the session's tasks.
void restore_session(const RestoreSettings& settings, const SessionPtr& session);

/// Has the store note that this image is being opened to restore a session, so that an image which ends the server is left out next time:
/// `before` and `after` of the opening. `before` throws PathError if the server ended while it did this earlier.
/// By the name that name_of_marker() gives it.
void guard_by_marker(Opening& opening, SessionKeeper& keeper, const Session& session);

/// The same for what is opened otherwise.
std::function<void()> marker_before(SessionKeeper& keeper, const Session& session, const std::string& marker);
std::function<void()> marker_after(SessionKeeper& keeper, const Session& session, const std::string& marker);

std::string name_of_marker(const std::string& directory, const std::string& file, const std::string& hdu);

} // namespace cubelink::server
