// SCRIPTING_RESPONSE: what a page answers to a request that came over HTTP.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"
#include "server/api/scripting_broker.hpp"

namespace cubelink::server {

void register_scripting(HandlerContext& context) {
    if (!context.scripting) return;
    icd::on<icd::ScriptingResponse>(
        context.methods,
        [&context](const rpc::CallPtr& call, const icd::ScriptingResponse& response) {
            context.scripting->answer(*session_of(context, *call), response);
            acknowledge(call);
        },
        rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
