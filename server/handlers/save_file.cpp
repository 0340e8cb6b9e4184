// SAVE_FILE.

#include "server/handlers/context.hpp"
#include "server/tasks/save_file.hpp"

namespace cubelink::server {

namespace {

void save_file(const HandlerContext& context, const CommandCall<icd::SaveFile>& c) {
    const auto refuse = [&](const std::string& why) { icd::answer(c.call, saving_failed(*c.request, why)); };
    Saving saving{c.session, c.session->image(c.request->file_id()), c.call, c.request, nullptr, {}, "Cubelink " + context.settings.version};
    saving.options.refusal = why_no_writing(context, *c.call);
    if (!saving.options.refusal.empty()) return refuse(saving.options.refusal);
    if (!saving.image) return refuse("No file with id " + std::to_string(c.request->file_id()) + " is open.");
    if (const auto id = c.request->region_id(); id != 0) {
        const auto region = id > 0 ? c.session->region(id) : nullptr;
        if (!region) return refuse("There is no region " + std::to_string(id) + "; 0 saves the whole image.");
        if (!imaging::is_closed(region->state->shape.type))
            return refuse("Region " + std::to_string(id) + " is a " + std::string(imaging::name_of(region->state->shape.type)) + ": only closed regions have an inside to save.");
        saving.region = region->state;
    }
    saving.options.overwrite = c.request->overwrite();
    saving.options.is_open = open_files(context);
    try {
        start_saving(context.files, std::move(saving));
    } catch (const PathError& error) {
        refuse(error.what());
    }
}

} // namespace

void register_save_file(HandlerContext& context) {
    on_command<icd::SaveFile>(
        context, [&context](const CommandCall<icd::SaveFile>& c) { save_file(context, c); },
        [](Command& command, const CommandCall<icd::SaveFile>& c) {
            command.touch(image_id(c.request->file_id()));
            if (c.request->region_id() > 0) command.touch(region_id(c.request->region_id()));
            command.on_dropped = [call = c.call, request = c.request] { icd::answer(call, saving_failed(*request, "The file was closed.")); };
        },
        rpc::AnswerOrder::when_done);
}

} // namespace cubelink::server
