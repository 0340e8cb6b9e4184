// CATALOG_LIST_REQUEST, CATALOG_FILE_INFO_REQUEST, OPEN_CATALOG_FILE, CATALOG_FILTER_REQUEST, CLOSE_CATALOG_FILE.

#include "server/handlers/context.hpp"
#include "server/tasks/catalogs/catalog_rows.hpp"
#include "server/tasks/catalogs/open_catalog.hpp"
#include "server/tasks/list_files.hpp"

namespace cubelink::server {

namespace {

void answer_not_open(const rpc::CallPtr& call, std::int32_t file_id, const std::string& why) {
    icd::OpenCatalogFileAck ack;
    ack.set_file_id(file_id);
    ack.set_message(why);
    icd::answer(call, std::move(ack));
}

void register_files_of_catalogs(HandlerContext& context) {
    icd::on<icd::CatalogListRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::CatalogListRequest> request) {
            const auto session = session_of(context, *call);
            if (request->filter_mode() < 0 || request->filter_mode() > 2)
                throw rpc::BadArguments("filter_mode: there is no mode " + std::to_string(request->filter_mode()));
            start_catalog_listing(context.files, session, call, std::move(request), session->listing_token(), context.directory.is_page(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
    icd::on<icd::CatalogFileInfoRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::CatalogFileInfoRequest> request) {
            start_catalog_info(context.files, session_of(context, *call), call, std::move(request), context.directory.while_connected(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
}

void register_open(HandlerContext& context) {
    on_command<icd::OpenCatalogFile>(
        context,
        [&context](const CommandCall<icd::OpenCatalogFile>& c) {
            CatalogOpening opening;
            opening.request = *c.request;
            opening.call = c.call;
            opening.end = [session = c.session, call = c.call, file_id = c.request->file_id()](const CatalogPtr& catalog, const std::string& failure) {
                if (!catalog) return answer_not_open(call, file_id, failure);
                add_catalog(*session, catalog, [&] {
                    call->answer(catalog->acknowledgement);
                    for (const auto& warning : catalog->table->info.warnings) session->report(Severity::warning, {"catalog"}, catalog->file + ": " + warning);
                });
            };
            opening.on_session_closed = [call = c.call, file_id = c.request->file_id()] { answer_not_open(call, file_id, "The session was closed."); };
            start_opening(context.files, c.session, std::move(opening));
        },
        [](Command& command, const CommandCall<icd::OpenCatalogFile>& c) {
            command.touch(catalog_id(c.request->file_id()));
            command.makes = true;
            command.barrier = true;
            command.on_dropped = [session = c.session, call = c.call, file_id = c.request->file_id()] {
                answer_not_open(call, file_id, session->closed() ? "The session was closed." : closed_before_open);
            };
        },
        rpc::AnswerOrder::when_done);
}

/// Acts when it arrives, like CLOSE_FILE: nothing is sent of the catalog once this has been answered.
void register_close(HandlerContext& context) {
    icd::on<icd::CloseCatalogFile>(context.methods, [&context](const rpc::CallPtr& call, const icd::CloseCatalogFile& request) {
        const auto session = session_of(context, *call);
        const auto id = catalog_id(request.file_id());
        const auto catalog = session->objects().find<Catalog>(id); // no one finds it once it is cancelled
        const auto dropped = session->queue().drop(id);
        for (const auto number : dropped.makings) session->scheduler().cancel_group(session->number(), number);
        for (const auto number : session->objects().cancel(id)) session->scheduler().cancel_group(session->number(), number);
        Command command;
        command.call = call;
        command.touch(id);
        command.barrier = true;
        command.survives_close = true;
        command.urgent = true;
        command.run = [session, call, id, catalog, was_opening = dropped.openings] {
            const bool there = session->objects().holds(id);
            if (!there && !was_opening) require_catalog(*session, id.id); // says that there is none
            if (catalog) catalog->end_requests();
            acknowledge(call);
            if (!there) return;
            session->objects().close(id);
            session->changed({{"what", "catalog_closed"}, {"file_id", id.id}});
        };
        session->queue().push(std::move(command));
    });
}

void register_rows(HandlerContext& context) {
    on_command<icd::CatalogFilterRequest>(
        context,
        [&context](const CommandCall<icd::CatalogFilterRequest>& c) {
            const auto catalog = require_catalog(*c.session, c.request->file_id());
            auto rows = rows_request(*catalog->table, *c.request);
            send_rows(c.session, shared_connection_of(*c.call), catalog, std::move(rows), context.files.scratch, [&c] { acknowledge(c.call); });
        },
        [](Command& command, const CommandCall<icd::CatalogFilterRequest>& c) {
            command.touch(catalog_id(c.request->file_id()));
            command.key = "catalog_rows:" + std::to_string(c.connection()) + ":" + std::to_string(c.request->file_id());
        });
}

} // namespace

void register_catalogs(HandlerContext& context) {
    register_files_of_catalogs(context);
    register_open(context);
    register_close(context);
    register_rows(context);
}

} // namespace cubelink::server
