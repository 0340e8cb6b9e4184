#include "server/tasks/list_files.hpp"

#include "server/files/listing.hpp"
#include "server/tasks/file_messages.hpp"

#include "imaging/formats.hpp"
#include "rpc/icd/register.hpp"

#include <chrono>

namespace cubelink::server {

namespace {

using Clock = std::chrono::steady_clock;

/// Sends the progress of a long listing: first after five seconds, then every two.
class ListProgressReport {
public:
    ListProgressReport(SessionPtr session, icd::FileListType listed) : session_(std::move(session)), listed_(listed) {}
    void operator()(std::size_t checked, std::size_t total) {
        const auto now = Clock::now();
        if (now < next_) return;
        next_ = now + std::chrono::seconds(2);
        auto message = std::make_shared<icd::ListProgress>();
        message->set_file_list_type(listed_);
        message->set_checked_count(static_cast<std::int32_t>(checked));
        message->set_total_count(static_cast<std::int32_t>(total));
        message->set_percentage(total ? static_cast<float>(checked) / static_cast<float>(total) : 1.0f);
        pubsub::Delivery delivery;
        delivery.delivery_class = pubsub::DeliveryClass::droppable;
        session_->publish(std::move(message), delivery);
    }

private:
    SessionPtr session_;
    const icd::FileListType listed_;
    Clock::time_point next_ = Clock::now() + std::chrono::seconds(5);
};

void fill_listed(icd::FileInfo& to, ListedFile&& file) {
    to.set_name(std::move(file.name));
    to.set_type(static_cast<icd::FileType>(file.kind));
    to.set_size(file.size);
    to.set_date(file.date);
    to.add_hdu_list("");
}

void fill_listed(icd::CatalogFileInfo& to, ListedFile&& file) {
    to.set_name(std::move(file.name));
    to.set_type(file.kind == FileKind::fits ? icd::FITSTable : file.kind == FileKind::votable ? icd::VOTable : icd::Unknown);
    to.set_file_size(file.size);
    to.set_date(file.date);
}

template <class Response, class Request>
Response list(const Jail& jail, const SessionPtr& session, const Request& request, ListedKind listed, const imaging::CancelToken& cancel, int threads,
              bool for_page) {
    Response response;
    try {
        ListProgressReport report(session, listed == ListedKind::catalogs ? icd::Catalog : icd::Image);
        const auto mode = static_cast<FilterMode>(request.filter_mode());
        auto listing = list_folder(
            jail, request.directory(), mode, cancel, [&](std::size_t checked, std::size_t total) { report(checked, total); }, threads, listed);
        // The page takes an answer that names another folder than it asked for as news about an image: repeat the name as it was given.
        const auto& said = request.directory();
        const bool plain = !said.empty() && said[0] != '/' && said.find("$BASE") == std::string::npos && said != ".";
        if (mode == FilterMode::all_files && plain && listing.directory == jail.open(said).relative) listing.directory = said;
        response.set_success(true);
        // CARTA's page opens nothing from a folder without a name: to it the top is ".".
        response.set_directory(for_page && listing.directory.empty() ? "." : listing.directory);
        response.set_parent(listing.parent);
        response.set_cancel(listing.cancelled);
        for (auto& file : listing.files) {
            fill_listed(*response.add_files(), std::move(file));
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

template <class Response, class Request>
void start_list_job(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call, std::shared_ptr<const Request> request,
                    ListedKind listed, const imaging::CancelToken& stop, bool for_page) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    const auto stopped = imaging::CancelToken::below(stop);
    job.stop = [stopped] { stopped.cancel(); }; // it answers with what it has found
    job.work = [&jail = settings.jail, session, call, request = std::move(request), listed, for_page, stopped](const JobContext& context) {
        icd::answer(call, list<Response>(jail, session, *request, listed, stopped, context.threads, for_page));
    };
    job.on_cancelled = [call] { call->fail(rpc::code::method_failed, "The session was closed."); };
    job.cancel = session->ended();
    start(std::move(job));
}

icd::FileInfoResponse file_info(const OpenSettings& settings, const icd::FileInfoRequest& request, const JobContext& context) {
    icd::FileInfoResponse response;
    response.mutable_file_info()->set_name(request.file());
    const auto path = settings.jail.open_file(request.directory(), request.file());
    require_fits(path);
    imaging::OpenOptions options;
    options.name = last_part_of(request.file());
    options.scratch = settings.scratch;
    options.cancel = context.cancel;
    options.support_aips_beam = request.support_aips_beam();
    *response.mutable_file_info() = file_info_of(path, request.file(), FileKind::fits);
    std::vector<imaging::ImageInfo> infos;
    std::size_t left_out = 0;
    if (request.hdu().empty()) infos = imaging::formats().read_all_info(path.real_path, options, &left_out);
    else infos.push_back(imaging::formats().read_info(path.real_path, request.hdu(), options));
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

icd::FileInfoResponse no_file_info(const std::string& file, const std::string& why) {
    icd::FileInfoResponse response;
    response.mutable_file_info()->set_name(file);
    response.set_message(why);
    return response;
}

} // namespace

void start_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call, std::shared_ptr<const icd::FileListRequest> request,
                   const imaging::CancelToken& stop, bool for_page) {
    start_list_job<icd::FileListResponse>(settings, session, call, std::move(request), ListedKind::images, stop, for_page);
}

void start_region_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                          std::shared_ptr<const icd::RegionListRequest> request, const imaging::CancelToken& stop, bool for_page) {
    start_list_job<icd::RegionListResponse>(settings, session, call, std::move(request), ListedKind::regions, stop, for_page);
}

void start_catalog_listing(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                           std::shared_ptr<const icd::CatalogListRequest> request, const imaging::CancelToken& stop, bool for_page) {
    start_list_job<icd::CatalogListResponse>(settings, session, call, std::move(request), ListedKind::catalogs, stop, for_page);
}

void start_file_info(const OpenSettings& settings, const SessionPtr& session, const rpc::CallPtr& call,
                     std::shared_ptr<const icd::FileInfoRequest> request, const imaging::CancelToken& cancel) {
    AnsweringJob job;
    job.session = session;
    job.call = call;
    job.cancel = cancel;
    job.work = [&settings, call, request](const JobContext& context) {
        try {
            icd::answer(call, file_info(settings, *request, context));
        } catch (const rpc::CallError&) {
            throw;
        } catch (const imaging::Cancelled&) {
            throw;
        } catch (const std::exception& e) { icd::answer(call, no_file_info(request->file(), e.what())); }
    };
    job.on_cancelled = [call, file = request->file()] { icd::answer(call, no_file_info(file, "The session was closed.")); };
    start(std::move(job));
}

} // namespace cubelink::server
