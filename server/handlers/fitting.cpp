// FITTING_REQUEST, STOP_FITTING.

#include "server/handlers/context.hpp"
#include "server/session/region_message.hpp"
#include "server/tasks/images/fitting.hpp"

#include "rpc/icd/messages.hpp"

namespace cubelink::server {

namespace {

/// Throws PathError for what does not say where.
void find_region(const Session& session, const icd::FittingRequest& request, Fitting& fitting) {
    const auto id = request.region_id();
    if (id == image_region) return;
    if (id == 0) {
        auto shape = shape_of(request.fov_info());
        if (const auto why = imaging::why_invalid(shape); !why.empty()) throw PathError("fov_info: " + why + ".");
        if (!imaging::is_closed(shape.type)) throw PathError("fov_info: a " + std::string(imaging::name_of(shape.type)) + " has no pixels inside.");
        fitting.view = std::move(shape);
        return;
    }
    const auto region = id > 0 ? session.region(id) : nullptr;
    if (!region) throw PathError("There is no region " + std::to_string(id) + ".");
    if (const auto type = region->state->shape.type; !imaging::is_closed(type))
        throw PathError("Region " + std::to_string(id) + " is a " + std::string(imaging::name_of(type)) + ": fits are made within rectangles, ellipses and polygons.");
    fitting.region = region->state;
}

void fit(const CommandCall<icd::FittingRequest>& c) {
    try {
        Fitting fitting;
        fitting.session = c.session;
        fitting.call = c.call;
        fitting.request = c.request;
        fitting.image = c.session->image(c.request->file_id());
        if (!fitting.image) throw PathError("No file with id " + std::to_string(c.request->file_id()) + " is open.");
        fitting.plan = fitting_plan(*c.request);
        find_region(*c.session, *c.request, fitting);
        start_fitting(std::move(fitting));
    } catch (const PathError& e) { icd::answer(c.call, fitting_failed(e.what())); }
}

} // namespace

void register_fitting(HandlerContext& context) {
    on_command<icd::FittingRequest>(
        context, fit,
        [](Command& command, const CommandCall<icd::FittingRequest>& c) {
            command.touch(image_id(c.request->file_id()));
            if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
            command.on_dropped = [call = c.call] { icd::answer(call, fitting_failed("The file was closed.")); };
        },
        rpc::AnswerOrder::when_done);
    on_command<icd::StopFitting>(
        context,
        [](const CommandCall<icd::StopFitting>& c) {
            c.session->stop_calculations(CalculationKind::fitting, c.request->file_id());
            acknowledge(c.call);
        },
        [](Command& command, const CommandCall<icd::StopFitting>& c) { command.touch(image_id(c.request->file_id())); });
}

} // namespace cubelink::server
