// Resuming sessions: from the store when REGISTER_VIEWER names one that is not in memory, and by RESUME_SESSION, in which a page that has lost
// its server lists what it had open.

#include "server/handlers/context.hpp"
#include "server/session/session_keeper.hpp"
#include "server/tasks/resume.hpp"

namespace cubelink::server {

void register_resume(HandlerContext& context) {
    on_command<icd::ResumeSession>(
        context,
        [&context](const CommandCall<icd::ResumeSession>& c) {
            const auto limit = ObjectRegistry::limit_of(ObjectKind::image);
            if (static_cast<std::size_t>(c.request->images_size()) > limit)
                throw rpc::BadArguments("images: " + std::to_string(c.request->images_size()) + " at once, the limit is " + std::to_string(limit));
            resume_session(context.files, context.keeper, c.session, c.call, c.request);
        },
        [](Command& command, const CommandCall<icd::ResumeSession>& c) {
            for (const auto& image : c.request->images()) command.touch(image_id(image.file_id()));
            command.makes = true;
            command.barrier = true;
            command.survives_close = true;
            command.on_dropped = [call = c.call] { call->fail(rpc::code::method_failed, "The session was closed."); };
        },
        rpc::AnswerOrder::when_done);
    if (!context.restore) return;
    context.directory.restore = [settings = context.restore](const SessionPtr& session) { restore_session(*settings, session); };
}

} // namespace cubelink::server
