// SET_REGION and REMOVE_REGION.

#include "server/handlers/context.hpp"
#include "server/session/region_message.hpp"

#include "rpc/icd/messages.hpp"

namespace cubelink::server {

namespace {

/// Shows nothing but a preview, if there is one.
void drag_region(const CommandCall<icd::SetRegion>& c) {
    auto shape = shape_of(c.request->region_info());
    if (const auto why = imaging::why_invalid(shape); !why.empty()) throw rpc::CallError(rpc::Error{rpc::code::method_failed, why, {}, true});
    acknowledge(c.call);
    c.session->drag_region(c.request->region_id(), c.request->file_id(), std::move(shape));
}

void set_region(const CommandCall<icd::SetRegion>& c) {
    const auto& request = *c.request;
    if (request.preview_region()) return drag_region(c);
    icd::SetRegionAck ack;
    ack.set_region_id(request.region_id());
    std::vector<RegionUpdate> updates{{request.region_id(), request.file_id(), shape_of(request.region_info())}};
    auto why = why_no_region(request.region_id());
    if (why.empty() && !c.session->image(request.file_id())) why = "No file with id " + std::to_string(request.file_id()) + " is open.";
    if (why.empty()) why = imaging::why_invalid(updates.front().shape);
    if (why.empty()) why = c.session->why_no_room(updates);
    if (!why.empty()) {
        ack.set_message(why);
        return icd::answer(c.call, std::move(ack));
    }
    c.session->put_regions(std::move(updates), [&](const std::vector<std::int32_t>& ids) {
        ack.set_success(true);
        ack.set_region_id(ids.front());
        icd::answer(c.call, std::move(ack));
    });
}

void remove_region(const CommandCall<icd::RemoveRegion>& c) {
    acknowledge(c.call);
    const auto id = c.request->region_id();
    if (id > 0) c.session->remove_regions(std::span(&id, 1));
}

} // namespace

void register_regions(HandlerContext& context) {
    on_command<icd::SetRegion>(context, set_region, [](Command& command, const CommandCall<icd::SetRegion>& c) {
        command.touch(image_id(c.request->file_id()));
        command.touch(region_id(c.request->region_id())); // -1: all new ones in their order
    });
    on_command<icd::RemoveRegion>(context, remove_region, [](Command& command, const CommandCall<icd::RemoveRegion>& c) {
        command.touch(region_id(c.request->region_id()));
    });
}

} // namespace cubelink::server
