// REGION_LIST_REQUEST, REGION_FILE_INFO_REQUEST, IMPORT_REGION, EXPORT_REGION.

#include "server/handlers/context.hpp"
#include "server/tasks/list_files.hpp"
#include "server/tasks/region_files.hpp"

#include <algorithm>

namespace cubelink::server {

namespace {

/// Objects that an export names for its order; of more regions it takes the newest state at its turn.
constexpr std::size_t max_touched_regions = 100;

std::string not_open(std::int32_t file_id) { return "No file with id " + std::to_string(file_id) + " is open."; }

void register_lists(HandlerContext& context) {
    icd::on<icd::RegionListRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::RegionListRequest> request) {
            const auto session = session_of(context, *call);
            if (request->filter_mode() < 0 || request->filter_mode() > 2)
                throw rpc::BadArguments("filter_mode: there is no mode " + std::to_string(request->filter_mode()));
            start_region_listing(context.files, session, call, std::move(request), session->listing_token(), context.directory.is_page(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
    icd::on<icd::RegionFileInfoRequest>(
        context.methods,
        [&context](const rpc::CallPtr& call, std::shared_ptr<const icd::RegionFileInfoRequest> request) {
            start_region_file_info(context.files, session_of(context, *call), call, std::move(request),
                                   context.directory.while_connected(call->peer()->id()));
        },
        rpc::AnswerOrder::when_done);
}

void register_import(HandlerContext& context) {
    on_command<icd::ImportRegion>(
        context,
        [&context](const CommandCall<icd::ImportRegion>& c) {
            const auto image = c.session->image(c.request->group_id());
            if (!image) return icd::answer(c.call, import_failed(not_open(c.request->group_id())));
            start_region_import(context.files, c.session, image, c.call, c.request);
        },
        [](Command& command, const CommandCall<icd::ImportRegion>& c) {
            command.touch(image_id(c.request->group_id()));
            command.touch(region_id(-1)); // new ones, in the order of the calls
            command.on_dropped = [call = c.call] { icd::answer(call, import_failed("The file was closed.")); };
        },
        rpc::AnswerOrder::when_done);
}

void export_regions(const HandlerContext& context, const CommandCall<icd::ExportRegion>& c) {
    WriteOptions options;
    if (!c.request->file().empty()) options.refusal = why_no_writing(context, *c.call);
    if (!options.refusal.empty()) return icd::answer(c.call, export_failed(options.refusal));
    options.overwrite = c.request->overwrite();
    options.is_open = open_files(context);
    const auto image = c.session->image(c.request->file_id());
    if (!image) return icd::answer(c.call, export_failed(not_open(c.request->file_id())));
    std::vector<std::pair<std::int32_t, RegionStatePtr>> regions;
    for (const auto& [id, style] : c.request->region_styles()) {
        const auto region = c.session->region(id);
        regions.emplace_back(id, region ? region->state : nullptr);
    }
    std::sort(regions.begin(), regions.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    start_region_export(context.files, c.session, image, c.call, c.request, std::move(regions), options, "Cubelink " + context.settings.version);
}

void register_export(HandlerContext& context) {
    on_command<icd::ExportRegion>(
        context, [&context](const CommandCall<icd::ExportRegion>& c) { export_regions(context, c); },
        [](Command& command, const CommandCall<icd::ExportRegion>& c) {
            command.touch(image_id(c.request->file_id()));
            command.touch(region_id(-1));
            std::size_t touched = 0;
            for (const auto& [id, style] : c.request->region_styles())
                if (touched++ < max_touched_regions) command.touch(region_id(id));
            command.on_dropped = [call = c.call] { icd::answer(call, export_failed("The file was closed.")); };
        },
        rpc::AnswerOrder::when_done);
}

} // namespace

void register_region_files(HandlerContext& context) {
    register_lists(context);
    register_import(context);
    register_export(context);
}

} // namespace cubelink::server
