#include "server/tasks/open_file.hpp"

#include "server/tasks/file_messages.hpp"

#include "imaging/formats.hpp"
#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"

#include <cstdlib>
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

/// Of memory for a byte of header: it is kept as it stands, as entries of the acknowledgement, and as that goes out. Measured: 6.2.
constexpr std::size_t memory_for_a_byte_of_header = 7;

ImagePtr open_file(const OpenSettings& settings, imaging::BudgetCache& budget, const icd::OpenFile& request, const TaskContext& context) {
    if (request.file_id() < 0) throw PathError("file_id " + std::to_string(request.file_id()) + ": must not be negative.");
    if (request.lel_expr()) throw PathError("Image expressions (lel_expr) are not implemented yet.");
    if (request.file().empty()) throw PathError("No file name was given.");
    const auto path = settings.jail.open_file(request.directory(), request.file());
    require_fits(path);
    imaging::OpenOptions options;
    options.name = last_part_of(request.file());
    options.scratch = settings.scratch;
    options.cancel = context.cancel;
    options.progress = context.progress;
    options.support_aips_beam = request.support_aips_beam();
    options.threads = context.threads;
    options.budget = &budget;
    auto opened = imaging::formats().open(path.real_path, request.hdu(), options);
    const auto& state = opened.source->identity().file;
    if (state.device != path.status.st_dev || state.inode != path.status.st_ino) require_same(path);

    auto image = std::make_shared<Image>(request.file_id());
    image->memory = budget.reserve(opened.cards.size() * memory_for_a_byte_of_header, context.cancel);
    image->directory = request.directory();
    image->file = request.file();
    image->support_aips_beam = request.support_aips_beam();
    image->info = std::move(opened.info);
    image->hdu = static_cast<std::int32_t>(std::strtol(image->info.hdu.c_str(), nullptr, 10));
    image->wcs = std::move(opened.wcs);
    image->cards = std::move(opened.cards);
    bool known = false;
    for (const int type : image->info.stokes_types) known = known || type != 0;
    image->source =
        std::make_shared<imaging::PolarizationSource>(std::move(opened.source), known ? image->info.stokes_types : std::vector<int>());

    icd::OpenFileAck ack;
    ack.set_success(true);
    ack.set_file_id(image->file_id);
    *ack.mutable_file_info() = file_info_of(path, request.file(), FileKind::fits);
    ack.mutable_file_info()->add_hdu_list(image->info.hdu);
    fill(*ack.mutable_file_info_extended(), image->info);
    fill_beams(ack, image->info);
    ack.set_file_feature_flags(icd::CUBE_HISTOGRAMS);
    image->acknowledgement = icd::make_body(std::move(ack));
    return image;
}

void start_opening(const OpenSettings& settings, const SessionPtr& session, Opening opening) {
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
    task.call = state->opening.call;
    task.work = [&settings, session, state](const TaskContext& context) {
        struct After {
            const std::function<void()>& call;
            ~After() {
                try {
                    if (call) call();
                } catch (const std::exception& e) { log::warn(e.what()); }
            }
        };
        const auto& [request, name, call, end, closed, before, after] = state->opening;
        require_room(*session, request.file_id());
        if (before) before();
        const After finally{after};
        state->image = open_file(settings, session->cache(), request, context);
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
    start(std::move(task));
}

} // namespace cubelink::server
