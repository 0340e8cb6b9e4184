// The server's own methods about itself and its sessions: server.info, session.state, session.connections, session.cancel, session.close.

#include "server/handlers/context.hpp"
#include "server/handlers/image_read.hpp"

#include "rpc/icd/icd_dialect.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/parameter.hpp"
#include "rpc/typed_method.hpp"
#include "server/products/tile_set.hpp"
#include "server/session/catalog.hpp"

#include <algorithm>
#include <array>

namespace cubelink::server {

namespace {

/// Throws BadArguments if there are any.
void require_no_arguments(const rpc::CallPtr& call) {
    auto [args, kwargs] = call->take_arguments();
    rpc::Parameters({}).bind(std::move(args), std::move(kwargs));
}

/// What the server publishes; tools/reference/implemented.txt has the same.
constexpr std::array published_topics = {"carta.catalog.filter.response", "carta.contour.image.data",   "carta.error.data",           "carta.file.list.progress", "carta.fitting.progress",
                                         "carta.moment.progress",      "carta.pv.preview.data",      "carta.pv.progress",        "carta.raster.tile.data",
                                         "carta.raster.tile.sync",     "carta.region.histogram.data", "carta.region.stats.data",
                                         "carta.scripting.request",    "carta.spatial.profile.data",  "carta.spectral.profile.data",
                                         "carta.vector.overlay.tile.data", "session.changed",         "viewport.image.push.subscription"};

rpc::Value info(const HandlerContext& context) {
    rpc::Array methods, topics;
    for (auto& name : context.methods.names()) methods.push_back(std::move(name));
    for (const auto* topic : published_topics) topics.push_back(topic);
    return rpc::Map{
        {"name", "Cubelink"},
        {"version", context.settings.version},
        {"icd_version", static_cast<std::int64_t>(icd::newest_version)},
        {"methods", std::move(methods)},
        {"topics", std::move(topics)},
        {"limits", rpc::Map{{"tiles_per_request", static_cast<std::int64_t>(max_tiles_per_request)},
                            {"block_bytes", max_block_bytes},
                            {"outbox_bytes", static_cast<std::int64_t>(context.settings.outbox_limit)},
                            {"memory_bytes", static_cast<std::int64_t>(context.settings.memory_limit)}}},
    };
}

rpc::Value point_of(const CursorPosition& cursor) { return rpc::Map{{"x", cursor.x}, {"y", cursor.y}}; }

/// What a connection that joins needs.
rpc::Value state(const Session& session) {
    rpc::Array files;
    for (const auto& image : session.images()) {
        files.push_back(rpc::Map{
            {"file_id", image->file_id},
            {"directory", image->directory},
            {"file", image->file},
            {"hdu", image->info.hdu},
            {"channel", image->plane.channel},
            {"stokes", image->plane.stokes},
            {"cursor", image->cursor ? point_of(*image->cursor) : rpc::Value()},
            {"open_file_ack", image->acknowledgement->value()},
        });
    }
    rpc::Array regions;
    for (const auto& region : session.regions())
        regions.push_back(rpc::Map{{"region_id", region->id}, {"file_id", region->state->file_id}, {"region_info", region_info(region->state->shape)}});
    rpc::Array catalogs;
    for (const auto& catalog : session.objects().all<Catalog>(ObjectKind::catalog))
        catalogs.push_back(rpc::Map{{"file_id", catalog->file_id}, {"directory", catalog->directory}, {"file", catalog->file}, {"open_catalog_file_ack", catalog->acknowledgement->value()}});
    rpc::Value cursor;
    if (session.last_cursor_file)
        if (const auto image = session.image(*session.last_cursor_file); image && image->cursor)
            cursor = rpc::Map{{"file_id", image->file_id}, {"point", point_of(*image->cursor)}};
    return rpc::Map{{"session_id", static_cast<std::int64_t>(session.id())},
                    {"files", std::move(files)},
                    {"regions", std::move(regions)},
                    {"catalogs", std::move(catalogs)},
                    {"cursor", std::move(cursor)},
                    {"next_file_id", session.next_file_id()}};
}

rpc::Value connections(const Session& session, std::uint64_t caller) {
    rpc::Array list;
    for (const auto& connection : session.connections()) {
        list.push_back(rpc::Map{{"client_id", connection->client_id()},
                                {"dialect", connection->dialect_name()},
                                {"address", connection->remote_address()},
                                {"user", connection->identity().user},
                                {"you", connection->id() == caller}});
    }
    return list;
}

/// `id`: of a call, or the number at the end of "rpc:<client id>:<number>", which npm wslink does not tell its users.
void cancel(const HandlerContext& context, const rpc::CallPtr& call, rpc::Value&& id) {
    auto text = id.is<std::string>() ? std::move(*id.get_if<std::string>())
                                     : "rpc:" + call->peer()->client_id() + ":" + std::to_string(rpc::from_value<std::uint64_t>(std::move(id), rpc::Path("id")));
    const auto found = connection_of(*call).cancellable_call(text);
    call->leave_order();
    if (!found) return call->answer(false);
    const auto session = context.directory.session_of(call->peer()->id());
    call->answer((session && session->queue().cancel(found)) || found->cancel());
}

} // namespace

bool is_published(std::string_view topic) { return std::find(published_topics.begin(), published_topics.end(), topic) != published_topics.end(); }

void register_session_methods(HandlerContext& context) {
    context.methods.add_generic("server.info", [&context](const rpc::CallPtr& call) {
        require_no_arguments(call);
        call->answer(info(context));
    });
    // Waits for a session that is being restored.
    Touches whole;
    whole.objects.push_back(session_state);
    on_session_method(
        context, "session.state",
        [](const SessionPtr& session, const rpc::CallPtr& call) {
            require_no_arguments(call);
            call->answer(state(*session));
        },
        rpc::AnswerOrder::in_order, whole);
    on_session_method(context, "session.connections", [](const SessionPtr& session, const rpc::CallPtr& call) {
        require_no_arguments(call);
        call->answer(connections(*session, call->peer()->id()));
    });
    // Acts when it arrives, ahead of what waits in the session: the call may be waiting there.
    context.methods.add("session.cancel", {"id"}, [&context](const rpc::CallPtr& call, rpc::Value id) { cancel(context, call, std::move(id)); });
    on_session_method(context, "session.close", [&context](const SessionPtr& session, const rpc::CallPtr& call) {
        require_no_arguments(call);
        acknowledge(call);
        context.directory.close(session);
    });
}

} // namespace cubelink::server
