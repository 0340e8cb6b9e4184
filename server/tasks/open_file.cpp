#include "server/tasks/open_file.hpp"

#include "server/tasks/images/expressions.hpp"
#include "server/tasks/file_messages.hpp"
#include "server/tasks/images/image_recipes.hpp"
#include "server/tasks/images/remote_file.hpp"
#include "server/tasks/session_image.hpp"

#include "imaging/formats.hpp"
#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"

#include <sys/stat.h>

namespace cubelink::server {

void require_fits(const JailedPath& path) {
    const FileKind kind = kind_by_content(path);
    const char* format = kind == FileKind::casa ? "CASA" : kind == FileKind::miriad ? "Miriad" : kind == FileKind::hdf5 ? "HDF5" : nullptr;
    if (format && !imaging::formats().find(format))
        throw PathError("\"" + path.relative + "\" is an image in " + format + " format; this server opens " + imaging::formats().names() + " images.");
    if (path.is_folder() && kind == FileKind::unknown) throw PathError("\"" + path.relative + "\" is a folder, not an image.");
}

void require_same(const JailedPath& path) {
    struct stat now {};
    if (::stat(path.real_path.c_str(), &now) != 0 || now.st_dev != path.status.st_dev || now.st_ino != path.status.st_ino)
        throw PathError("\"" + path.relative + "\" was replaced while it was being read.");
}

void require_room(const Session& session, std::int32_t file_id) {
    if (!session.objects().has_room_for(image_id(file_id)))
        throw PathError("There are " + std::to_string(ObjectRegistry::limit_of(ObjectKind::image)) + " files open in this session: close some of them.");
}

std::string last_part_of(const std::string& name) { return name.substr(name.rfind('/') + 1); }

OpenedFile open_image_file(const MakeContext& context, const icd::OpenFile& request) {
    if (request.file().empty()) throw PathError("No file name was given.");
    auto path = context.settings.jail.open_file(request.directory(), request.file());
    require_fits(path);
    imaging::OpenOptions options;
    options.name = last_part_of(request.file());
    options.scratch = context.settings.scratch;
    options.cancel = context.cancel;
    options.progress = context.progress;
    options.support_aips_beam = request.support_aips_beam();
    options.threads = context.threads;
    options.budget = &context.budget;
    auto opened = imaging::formats().open(path.real_path, request.hdu(), options);
    const auto& state = opened.source->identity().file;
    if (state.device != path.status.st_dev || state.inode != path.status.st_ino) require_same(path);
    return {std::move(opened), std::move(path)};
}

ImagePtr open_file(const MakeContext& context, const icd::OpenFile& request, const rpc::Map& recipe) {
    if (request.file_id() < 0) throw PathError("file_id " + std::to_string(request.file_id()) + ": must not be negative.");
    SessionImageParts parts;
    parts.file_id = request.file_id();
    parts.directory = request.directory();
    parts.file = request.file();
    parts.support_aips_beam = request.support_aips_beam();
    parts.recipe = request.lel_expr() && recipe.empty() ? expression_recipe(request) : recipe;
    if (parts.recipe.empty()) {
        auto file = open_image_file(context, request);
        parts.opened = std::move(file.image);
        parts.file_info = file_info_of(file.path, request.file(), FileKind::fits);
    } else {
        parts.opened = make_image(parts.recipe, context);
        if (request.lel_expr()) prepare_expression(parts.opened, context);
        if (parts.file.empty()) parts.file = parts.opened.info.name;
        parts.file_info = generated_file_info(parts.file, parts.opened.info);
        if (is_remote_file(recipe)) parts.file_info.set_type(icd::FITS);
    }
    parts.memory = reserve_header(context.budget, parts.opened, context.cancel);
    return make_session_image(std::move(parts));
}

AfterOpening::~AfterOpening() {
    try {
        if (call) call();
    } catch (const std::exception& e) { log::warn(e.what()); }
}

CommandQueue::Making start_opening(const OpenSettings& settings, const SessionPtr& session, Opening opening) {
    struct State {
        Opening opening;
        ImagePtr image;
    };
    const auto state = std::make_shared<State>(State{std::move(opening), nullptr});
    Task task;
    task.session = session;
    task.name = state->opening.task;
    task.file_id = state->opening.request.file_id();
    task.makes.objects.push_back(image_id(state->opening.request.file_id()));
    // Another server may take its time, and jobs of this class never hold all threads.
    if (needs_remote_files(state->opening.recipe)) task.job_class = JobClass::bulk;
    task.call = state->opening.call;
    task.work = [&settings, session, state](const TaskContext& context) {
        const auto& [request, recipe, name, call, end, closed, before, after] = state->opening;
        require_room(*session, request.file_id());
        if (before) before();
        const AfterOpening finally{after};
        state->image = open_file({settings, session->cache(), context.cancel, context.threads, context.progress}, request, recipe);
    };
    session->objects().reserve(image_id(state->opening.request.file_id()));
    task.end = [session, state](const std::exception_ptr& failure) {
        auto& [opening, image] = *state;
        session->objects().release(image_id(opening.request.file_id()));
        std::string text;
        if (is_cancelled(failure)) text = closed_before_open;
        else if (failure) text = text_of(failure);
        else {
            try {
                require_room(*session, opening.request.file_id()); // others may have been opened meanwhile
            } catch (const PathError& e) { text = e.what(); }
        }
        const std::string what = "session " + std::to_string(session->id()) + ": file " + std::to_string(opening.request.file_id()) + ", \"" +
                                 opening.request.directory() + "/" + opening.request.file() + "\"";
        if (text.empty()) log::debug(what + ", is open");
        else log::info(what + ", could not be opened: " + text);
        opening.end(text.empty() ? image : nullptr, text);
    };
    task.on_session_closed = state->opening.on_session_closed;
    return start(std::move(task));
}

} // namespace cubelink::server
