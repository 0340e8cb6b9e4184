// FILE_LIST_REQUEST, STOP_FILE_LIST, FILE_INFO_REQUEST, OPEN_FILE, CLOSE_FILE.

#include "server/handlers/context.hpp"
#include "server/session/session_keeper.hpp"
#include "server/tasks/list_files.hpp"

namespace cubelink::server {

namespace {

void register_list(HandlerContext& context) {
    icd::on<icd::FileListRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::FileListRequest> request) {
            const auto session = session_of(context, *call);
            if (request->filter_mode() < 0 || request->filter_mode() > 2)
                throw rpc::BadArguments("filter_mode: there is no mode " + std::to_string(request->filter_mode()));
            start_listing(context.files, session, call, std::move(request), session->listing_token(), context.directory.is_page(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
    // Acts at its arrival, on whatever listing runs: the page sends it without saying which it means.
    icd::on<icd::StopFileList>(context.methods, [&context](const rpc::CallPtr& call, const icd::StopFileList&) {
        session_of(context, *call)->stop_listings();
        acknowledge(call);
    });
    icd::on<icd::FileInfoRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::FileInfoRequest> request) {
            start_file_info(context.files, session_of(context, *call), call, std::move(request), context.directory.while_connected(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
}

void answer_not_open(const rpc::CallPtr& call, std::int32_t file_id, const std::string& why) {
    icd::OpenFileAck ack;
    ack.set_file_id(file_id);
    ack.set_message(why);
    icd::answer(call, std::move(ack));
}

void open(const HandlerContext& context, const CommandCall<icd::OpenFile>& c) {
    Opening opening;
    opening.request = *c.request;
    opening.call = c.call;
    opening.end = [session = c.session, call = c.call, keeper = context.keeper, request = c.request](const ImagePtr& image, const std::string& failure) {
        if (!image) return answer_not_open(call, request->file_id(), failure);
        session->open_image(image, [&] {
            call->answer(image->acknowledgement);
            if (image->info.beam_from_history)
                session->report(Severity::info, {"file info"}, image->info.name + ": the beam was taken from the file's HISTORY.");
        for (const auto& warning : image->info.warnings)
            session->report(Severity::warning, {"file info"}, image->info.name + ": " + warning + ".");
        });
        if (keeper) keeper->opened(session->id(), name_of_marker(request->directory(), request->file(), image->info.hdu));
    };
    opening.on_session_closed = [call = c.call, file_id = c.request->file_id()] { answer_not_open(call, file_id, "The session was closed."); };
    start_opening(context.files, c.session, std::move(opening));
}

void register_open(HandlerContext& context) {
    on_command<icd::OpenFile>(
        context, [&context](const CommandCall<icd::OpenFile>& c) { open(context, c); },
        [](Command& command, const CommandCall<icd::OpenFile>& c) {
            command.touch(image_id(c.request->file_id()));
            command.makes = true;
            command.barrier = true;
            command.on_dropped = [session = c.session, call = c.call, file_id = c.request->file_id()] {
                answer_not_open(call, file_id, session->closed() ? "The session was closed." : closed_before_open);
            };
        },
        rpc::AnswerOrder::when_done);
}

void register_close(HandlerContext& context) {
    icd::on<icd::CloseFile>(context.methods, [&context](const rpc::CallPtr& call, const icd::CloseFile& request) {
        const auto session = session_of(context, *call);
        const auto id = request.file_id();
        const bool was_opening = session->close_now(id);
        Command command;
        command.call = call;
        if (id == -1) command.touches.all_images = true;
        else command.touch(image_id(id));
        command.barrier = true;
        command.survives_close = true;
        command.urgent = true;
        command.run = [session, call, id, was_opening] {
            const bool there = id == -1 || session->objects().holds(image_id(id));
            if (!there && !was_opening) session->require_image(id); // says that there is none
            acknowledge(call);
            if (there) session->close_image(id);
        };
        session->queue().push(std::move(command));
    });
}

} // namespace

void register_files(HandlerContext& context) {
    register_list(context);
    register_open(context);
    register_close(context);
}

} // namespace cubelink::server
