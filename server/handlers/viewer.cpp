// REGISTER_VIEWER, and session.join, which wants an existing one: a connection gets a session.

#include "server/handlers/context.hpp"

#include "rpc/icd/messages.hpp"
#include "rpc/typed_method.hpp"
#include "server/net/log.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"

#include <sys/utsname.h>

namespace cubelink::server {

namespace {

std::uint32_t feature_flags(const HandlerSettings& settings, const Identity& identity, bool stored) {
    std::uint32_t flags = 0;
    if (settings.read_only || !identity.permissions.save) flags |= icd::READ_ONLY;
    if (settings.scripting) flags |= icd::SCRIPTING;
    if (stored) flags |= icd::USER_PREFERENCES | icd::USER_LAYOUTS;
    return flags;
}

void set_platform(icd::RegisterViewerAck& ack, const std::string& version) {
    auto& strings = *ack.mutable_platform_strings();
    strings["release_info"] = "Cubelink " + version;
    strings["deployment"] = "local";
    utsname name{};
    if (::uname(&name) == 0) {
        strings["architecture"] = name.machine;
        strings["platform"] = name.sysname;
    }
}

/// How long the answer waits for a store that another program has locked; then it goes without preferences and layouts.
constexpr auto patience = std::chrono::seconds(1);

/// By the store's thread.
void set_kept(icd::RegisterViewerAck& ack, Store& store, const std::string& user) {
    for (auto& item : store.list(user, StoreKind::preferences)) (*ack.mutable_user_preferences())[item.name] = std::move(item.json);
    for (auto& item : store.list(user, StoreKind::layouts)) (*ack.mutable_user_layouts())[item.name] = std::move(item.json);
}

using Unknown = SessionDirectory::Unknown;

void register_now(HandlerContext& context, const rpc::CallPtr& call, std::uint32_t session_id, Unknown unknown) {
    const auto connection = shared_connection_of(*call);
    const auto registered = context.directory.register_viewer(connection, session_id, unknown);
    if (!registered.session)
        return call->fail({rpc::code::method_failed, registered.message, rpc::Map{{"method", call->request().method}, {"exception", registered.message}}});
    icd::RegisterViewerAck ack;
    ack.set_session_id(registered.session->id());
    ack.set_success(true);
    ack.set_message(registered.message);
    ack.set_session_type(registered.resumed ? icd::RESUMED : icd::NEW);
    ack.set_server_feature_flags(feature_flags(context.settings, connection->identity(), context.store != nullptr));
    set_platform(ack, context.settings.version);
    const auto answer = [call, session = registered.session](icd::RegisterViewerAck&& ack) {
        icd::answer(call, std::move(ack));
        session->connections_changed();
    };
    if (!context.store || !context.worker) return answer(std::move(ack));
    context.worker->post(
        "viewer " + std::to_string(connection->id()),
        [&store = *context.store, answer, ack, user = connection->identity().user] {
            auto whole = ack;
            set_kept(whole, store, user);
            answer(std::move(whole));
        },
        [answer, ack](const std::exception& e) {
            log::error(std::string("preferences and layouts could not be read: ") + e.what());
            answer(icd::RegisterViewerAck(ack));
        },
        patience);
}

constexpr auto unknown_key = "The api_key is not known.";

/// Calls `then`, once the connection has the identity of the key if one is given; `refuse` if nobody has such a key; neither if the connection is
/// gone before that is known.
void with_key(HandlerContext& context, const rpc::CallPtr& call, std::string key, std::function<void()> then, std::function<void()> refuse) {
    if (key.empty() || context.settings.no_auth) return then();
    const auto connection = shared_connection_of(*call);
    context.identify(*connection, std::move(key), [connection, then = std::move(then), refuse = std::move(refuse)](const std::optional<Identity>& identity) {
        if (!connection->connected()) return; // it has gone while the key waited
        if (!identity) return refuse();
        connection->set_identity(*identity);
        then();
    });
}

} // namespace

void register_viewer(HandlerContext& context) {
    icd::on<icd::RegisterViewer>(context.methods, [&context](const rpc::CallPtr& call, const icd::RegisterViewer& request) {
        const auto unknown = request.client_feature_flags() != 0 ? Unknown::adopted : Unknown::new_session;
        with_key(
            context, call, request.api_key(), [&context, call, id = request.session_id(), unknown] { register_now(context, call, id, unknown); },
            [call, id = request.session_id()] {
                icd::RegisterViewerAck ack;
                ack.set_session_id(id);
                ack.set_message(unknown_key);
                icd::answer(call, std::move(ack));
            });
    });
    context.methods.add("session.join", {"session_id", {"api_key", ""}}, [&context](const rpc::CallPtr& call, std::uint32_t id, std::string api_key) {
        if (id == 0) throw rpc::BadArguments("session_id: expected the id of a session, got 0");
        with_key(
            context, call, std::move(api_key), [&context, call, id] { register_now(context, call, id, Unknown::refused); },
            [call] { call->fail(rpc::code::not_authenticated, unknown_key); });
    });
}

} // namespace cubelink::server
