#pragma once
/// Scripting: what a program asks of a page over HTTP goes to the page's session as SCRIPTING_REQUEST, and what comes back as
/// SCRIPTING_RESPONSE answers the HTTP request. Thread-safe.

#include "server/api/api.hpp"
#include "server/session/session_directory.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace cubelink::icd {
class ScriptingResponse;
}

namespace cubelink::server {

class SerialWorker;

class ScriptingBroker {
public:
    using PostAfter = SessionDirectory::PostAfter;
    /// Requests of one session that may wait for answers.
    static constexpr std::size_t limit = 1000;

    /// `timeout_seconds` 0: waits as long as the session has a connection. `worker` reads the answers' JSON.
    ScriptingBroker(SessionDirectory& directory, SerialWorker& worker, int timeout_seconds, PostAfter later);
    ~ScriptingBroker();

    /// Passes it on, or answers 404 if there is no such session, it is another user's, or no connection of it is subscribed.
    void ask(const ScriptingAction& action, const Identity& identity, transport::HttpReply reply);
    /// The first answer to a request of that session counts; others are ignored.
    void answer(const Session& session, const icd::ScriptingResponse& response);
    /// The session has no connection any more: answers its requests with 404.
    void left_alone(const Session& session);
    /// The server stops: 503 to all.
    void stop();

private:
    struct Shared;
    const std::shared_ptr<Shared> shared_;
};

} // namespace cubelink::server
