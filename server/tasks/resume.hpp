#pragma once
/// RESUME_SESSION: a page that has lost its server lists what it had open.

#include "server/tasks/restore.hpp"

namespace cubelink::server {

/// By a command that touches all images which the message names. What is open already and the same stays; what is not is opened, side by side.
/// Answers with RESUME_SESSION_ACK when all is done. `keeper` may be null.
void resume_session(const OpenSettings& settings, SessionKeeper* keeper, const SessionPtr& session, const rpc::CallPtr& call,
                    std::shared_ptr<const icd::ResumeSession> request);

} // namespace cubelink::server
