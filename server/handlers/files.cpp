// FILE_LIST_REQUEST, STOP_FILE_LIST, FILE_INFO_REQUEST, OPEN_FILE, CLOSE_FILE.

#include "server/handlers/context.hpp"
#include "server/handlers/file_messages.hpp"
#include "server/handlers/open_file.hpp"

#include "imaging/fits/open_fits.hpp"

#include <chrono>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;

/// Tells how a long listing goes: first after five seconds, then every two.
class ListProgressTeller {
public:
    explicit ListProgressTeller(SessionPtr session) : session_(std::move(session)) {}
    void operator()(std::size_t checked, std::size_t total) {
        const auto now = Clock::now();
        if (now < next_) return;
        next_ = now + std::chrono::seconds(2);
        auto message = std::make_shared<icd::ListProgress>();
        message->set_file_list_type(icd::Image);
        message->set_checked_count(static_cast<std::int32_t>(checked));
        message->set_total_count(static_cast<std::int32_t>(total));
        message->set_percentage(total ? static_cast<float>(checked) / static_cast<float>(total) : 1.0f);
        pubsub::Delivery delivery;
        delivery.delivery_class = pubsub::DeliveryClass::droppable;
        session_->publish(std::move(message), delivery);
    }

private:
    SessionPtr session_;
    Clock::time_point next_ = Clock::now() + std::chrono::seconds(5);
};

icd::FileListResponse list(const HandlerContext& context, const SessionPtr& session, const icd::FileListRequest& request,
                           const imaging::CancelToken& cancel, int threads, bool for_page) {
    icd::FileListResponse response;
    try {
        ListProgressTeller teller(session);
        const auto mode = static_cast<FilterMode>(request.filter_mode());
        auto listing = list_folder(
            context.jail, request.directory(), mode, cancel, [&](std::size_t checked, std::size_t total) { teller(checked, total); }, threads);
        // The page takes an answer that names another folder than it asked for as news about an image: say it as it was said.
        const auto& said = request.directory();
        const bool plain = !said.empty() && said[0] != '/' && said.find("$BASE") == std::string::npos && said != ".";
        if (mode == FilterMode::all_files && plain && listing.directory == context.jail.open(said).relative) listing.directory = said;
        response.set_success(true);
        // CARTA's page opens nothing from a folder without a name: to it the top is ".".
        response.set_directory(for_page && listing.directory.empty() ? "." : listing.directory);
        response.set_parent(listing.parent);
        response.set_cancel(listing.cancelled);
        for (auto& file : listing.files) {
            auto& out = *response.add_files();
            out.set_name(std::move(file.name));
            out.set_type(static_cast<icd::FileType>(file.kind));
            out.set_size(file.size);
            out.set_date(file.date);
            out.add_hdu_list("");
        }
        for (auto& folder : listing.folders) {
            auto& out = *response.add_subdirectories();
            out.set_name(std::move(folder.name));
            out.set_item_count(folder.item_count);
            out.set_date(folder.date);
        }
    } catch (const PathError& e) {
        response.set_success(false);
        response.set_message(e.what());
        response.set_directory(request.directory());
    }
    return response;
}

void register_list(HandlerContext& context) {
    icd::on<icd::FileListRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::FileListRequest> request) {
            const auto session = session_of(context, *call);
            if (request->filter_mode() < 0 || request->filter_mode() > 2)
                throw rpc::BadArguments("filter_mode: there is no mode " + std::to_string(request->filter_mode()));
            Job job;
            job.owner = session->number();
            const bool for_page = context.directory.is_page(call->peer()->id());
            job.work = [&context, session, call, request, for_page, stop = session->listing_token()](const JobContext& job) {
                try {
                    icd::answer(call, list(context, session, *request, stop, job.threads, for_page));
                } catch (const imaging::Cancelled&) { call->fail(rpc::code::method_failed, "The session was closed."); }
            };
            job.on_error = [call](const std::exception& e) { call->fail_with_exception(e.what()); };
            session->scheduler().post(std::move(job));
        },
        rpc::AnswerOrder::when_done);
    // Acts at its arrival, on whatever listing runs: the page sends it without saying which it means.
    icd::on<icd::StopFileList>(context.methods, [&context](const rpc::CallPtr& call, const icd::StopFileList&) {
        session_of(context, *call)->stop_listings();
        acknowledge(call);
    });
}

icd::FileInfoResponse file_info(const HandlerContext& context, const icd::FileInfoRequest& request, const imaging::CancelToken& cancel) {
    icd::FileInfoResponse response;
    response.mutable_file_info()->set_name(request.file());
    const auto path = context.jail.open_file(request.directory(), request.file());
    require_fits(path);
    imaging::OpenOptions options;
    options.name = last_part_of(request.file());
    options.scratch = context.options.scratch;
    options.cancel = cancel;
    options.support_aips_beam = request.support_aips_beam();
    *response.mutable_file_info() = file_info_of(path, request.file(), FileKind::fits);
    std::vector<imaging::ImageInfo> infos;
    std::size_t left_out = 0;
    if (request.hdu().empty()) infos = imaging::read_all_info(path.real_path, options, &left_out);
    else infos.push_back(imaging::read_info(path.real_path, request.hdu(), options));
    require_same(path);
    for (const auto& info : infos) {
        const std::string key = request.hdu().empty() ? info.hdu : request.hdu();
        response.mutable_file_info()->add_hdu_list(key);
        fill((*response.mutable_file_info_extended())[key], info);
    }
    if (left_out > 0) response.set_message("There are " + std::to_string(left_out) + " more images in this file: ask for each by its HDU.");
    response.set_success(true);
    return response;
}

void register_info(HandlerContext& context) {
    on_command<icd::FileInfoRequest>(
        context,
        [&context](const CommandCall<icd::FileInfoRequest>& c) {
            icd::FileInfoResponse response;
            try {
                response = file_info(context, *c.request, context.directory.while_connected(c.connection()));
            } catch (const rpc::CallError&) {
                throw;
            } catch (const std::exception& e) {
                response.Clear();
                response.mutable_file_info()->set_name(c.request->file());
                response.set_message(e.what());
            }
            icd::answer(c.call, std::move(response));
        },
        [](Command& command, const CommandCall<icd::FileInfoRequest>& c) {
            command.heavy = true;
            command.on_dropped = [call = c.call, file = c.request->file()] {
                icd::FileInfoResponse response;
                response.mutable_file_info()->set_name(file);
                response.set_message("The session was closed.");
                icd::answer(call, std::move(response));
            };
        });
}

void register_open(HandlerContext& context) {
    on_command<icd::OpenFile>(
        context,
        [&context](const CommandCall<icd::OpenFile>& c) {
            const auto& request = *c.request;
            ImagePtr image;
            std::string failure;
            const auto cancel = c.session->begin_opening(request.file_id());
            try {
                require_room(*c.session, request.file_id());
                image = open_file(context, c.session->cache(), request, cancel);
                if (cancel.cancelled()) throw imaging::Cancelled();
            } catch (const imaging::Cancelled&) {
                failure = "The file was closed before it was open.";
            } catch (const std::exception& e) {
                failure = e.what();
            }
            c.session->end_opening();
            if (!failure.empty()) {
                icd::OpenFileAck ack;
                ack.set_file_id(request.file_id());
                ack.set_message(failure);
                return icd::answer(c.call, std::move(ack));
            }
            c.call->answer(image->acknowledgement);
            if (image->info.beam_from_history)
                c.session->report(Severity::info, {"file info"}, image->info.name + ": the beam was taken from the file's HISTORY.");
            c.session->open_image(image);
        },
        [](Command& command, const CommandCall<icd::OpenFile>& c) {
            command.heavy = true;
            command.file_id = c.request->file_id();
            command.barrier = true;
            command.survives_close = true;
            command.on_dropped = [call = c.call, file_id = c.request->file_id()] {
                icd::OpenFileAck ack;
                ack.set_file_id(file_id);
                ack.set_message("The session was closed.");
                icd::answer(call, std::move(ack));
            };
        });
    on_command<icd::CloseFile>(
        context,
        [](const CommandCall<icd::CloseFile>& c) {
            const auto id = c.request->file_id();
            const bool never_opened = c.session->was_closed_while_opening(id);
            if (id != -1 && !c.session->images().contains(id)) {
                if (never_opened) return acknowledge(c.call);
                c.session->require_image(id); // says that there is none
            }
            if (id == -1) {
                while (!c.session->images().empty()) c.session->remove_image(c.session->images().begin()->first);
            } else {
                c.session->remove_image(id);
            }
            acknowledge(c.call);
            c.session->changed({{"what", "file_closed"}, {"file_id", id}});
        },
        [](Command& command, const CommandCall<icd::CloseFile>& c) {
            c.session->close_now(c.request->file_id());
            command.file_id = c.request->file_id();
            command.barrier = true;
            command.survives_close = true;
        });
}

} // namespace

void register_files(HandlerContext& context) {
    register_list(context);
    register_info(context);
    register_open(context);
}

} // namespace cubelink::server
