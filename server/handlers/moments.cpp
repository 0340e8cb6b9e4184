// MOMENT_REQUEST, STOP_MOMENT_CALC.

#include "server/handlers/context.hpp"
#include "server/tasks/images/moments.hpp"

#include "rpc/icd/messages.hpp"

namespace cubelink::server {

namespace {

/// nullptr: the whole image.
RegionStatePtr region_of(const Session& session, std::int32_t id) {
    if (id == 0 || id == image_region) return nullptr;
    const auto region = id > 0 ? session.region(id) : nullptr;
    if (!region) throw PathError("There is no region " + std::to_string(id) + ".");
    if (const auto type = region->state->shape.type; !imaging::is_closed(type))
        throw PathError("Region " + std::to_string(id) + " is a " + std::string(imaging::name_of(type)) +
                        ": moments are made within rectangles, ellipses and polygons.");
    return region->state;
}

/// Where to save the moments; nothing: nowhere. Throws PathError.
std::optional<MomentFileRequest> file_of(const HandlerContext& context, const rpc::Call& call, const icd::MomentRequest& request) {
    if (request.output_file().empty()) {
        if (!request.output_directory().empty()) throw PathError("output_file: the file needs a name.");
        return std::nullopt;
    }
    MomentFileRequest file{request.output_directory(), request.output_file(), {}, "Cubelink " + context.settings.version};
    file.options.refusal = why_no_writing(context, call);
    if (!file.options.refusal.empty()) throw PathError(file.options.refusal);
    file.options.overwrite = request.overwrite();
    file.options.is_open = open_files(context);
    return file;
}

void make_moments(const HandlerContext& context, const CommandCall<icd::MomentRequest>& c) {
    const auto& request = *c.request;
    try {
        const auto image = c.session->image(request.file_id());
        if (!image) throw PathError("No file with id " + std::to_string(request.file_id()) + " is open.");
        MomentCalculation asked{context.files, c.session, image, c.call, moment_plan(request, image->info), region_of(*c.session, request.region_id()),
                                request.region_id(), request.keep(), file_of(context, *c.call, request)};
        asked.plan.stokes = image->plane.stokes;
        start_moments(std::move(asked));
    } catch (const PathError& e) { icd::answer(c.call, moments_failed(e.what())); }
}

} // namespace

void register_moments(HandlerContext& context) {
    on_command<icd::MomentRequest>(
        context, [&context](const CommandCall<icd::MomentRequest>& c) { make_moments(context, c); },
        [](Command& command, const CommandCall<icd::MomentRequest>& c) {
            command.touch(image_id(c.request->file_id()));
            if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
            command.on_dropped = [call = c.call] { icd::answer(call, moments_failed("The file was closed.")); };
        },
        rpc::AnswerOrder::when_done);
    on_command<icd::StopMomentCalc>(
        context,
        [](const CommandCall<icd::StopMomentCalc>& c) {
            c.session->stop_calculations(CalculationKind::moments, c.request->file_id());
            acknowledge(c.call);
        },
        [](Command& command, const CommandCall<icd::StopMomentCalc>& c) { command.touch(image_id(c.request->file_id())); });
}

} // namespace cubelink::server
