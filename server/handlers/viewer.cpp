// REGISTER_VIEWER: a connection gets a session.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"

#include <sys/utsname.h>

namespace cubelink::server {

namespace {

std::uint32_t feature_flags(const Options& options, const Identity& identity) {
    std::uint32_t flags = 0;
    if (options.read_only || !identity.permissions.save) flags |= icd::READ_ONLY;
    if (options.scripting) flags |= icd::SCRIPTING;
    return flags;
}

void set_platform(icd::RegisterViewerAck& ack) {
    auto& strings = *ack.mutable_platform_strings();
    strings["release_info"] = "Cubelink " + std::string(program_version);
    strings["deployment"] = "local";
    utsname name{};
    if (::uname(&name) == 0) {
        strings["architecture"] = name.machine;
        strings["platform"] = name.sysname;
    }
}

} // namespace

void register_viewer(HandlerContext& context) {
    icd::on<icd::RegisterViewer>(context.methods, [&context](const rpc::CallPtr& call, const icd::RegisterViewer& request) {
        const auto connection = shared_connection_of(*call);
        icd::RegisterViewerAck ack;
        if (!request.api_key().empty() && !context.options.no_auth) {
            const auto identity = context.identify ? context.identify(request.api_key()) : std::nullopt;
            if (!identity) {
                ack.set_session_id(request.session_id());
                ack.set_message("The api_key is not known.");
                return icd::answer(call, std::move(ack));
            }
            connection->set_identity(*identity);
        }
        const auto registered = context.directory.register_viewer(connection, request.session_id(), request.client_feature_flags() != 0);
        ack.set_session_id(registered.session->id());
        ack.set_success(true);
        ack.set_message(registered.message);
        ack.set_session_type(registered.resumed ? icd::RESUMED : icd::NEW);
        ack.set_server_feature_flags(feature_flags(context.options, connection->identity()));
        set_platform(ack);
        icd::answer(call, std::move(ack));
        registered.session->changed({{"what", "connections"}});
    });
}

} // namespace cubelink::server
