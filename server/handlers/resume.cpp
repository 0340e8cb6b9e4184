// Sessions that come back: from the store when REGISTER_VIEWER names one that is not living, and by RESUME_SESSION of a page that has
// lost its server and says itself what it had open.

#include "server/handlers/context.hpp"
#include "server/handlers/open_file.hpp"
#include "server/net/log.hpp"
#include "server/session/session_keeper.hpp"
#include "server/session/snapshot.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

void append(std::string& list, const std::string& one) {
    if (!list.empty()) list += "; ";
    list += one;
}

/// Opens as OPEN_FILE does, but can be cancelled by closing the file, and tells nobody. Throws.
ImagePtr open_silently(const HandlerContext& context, const SessionPtr& session, const icd::OpenFile& request) {
    const auto cancel = session->begin_opening(request.file_id());
    struct End {
        const SessionPtr& session;
        ~End() { session->end_opening(); }
    } const end{session};
    require_room(*session, request.file_id());
    auto image = open_file(context, session->cache(), request, cancel);
    cancel.throw_if_cancelled();
    return image;
}

// ---- From the store

icd::OpenFile request_of(const SavedImage& saved) {
    icd::OpenFile request;
    request.set_directory(saved.directory);
    request.set_file(saved.file);
    request.set_hdu(saved.hdu);
    request.set_file_id(saved.file_id);
    request.set_support_aips_beam(saved.support_aips_beam);
    return request;
}

void restore(const HandlerContext& context, const SessionPtr& session) {
    SavedSession saved;
    try {
        const auto text = context.keeper->load(session->id());
        if (!text) return;
        saved = saved_session_of(*text);
    } catch (const std::exception& e) {
        log::error("session " + std::to_string(session->id()) + " cannot be restored: " + e.what());
        return session->report(Severity::error, {"resume"}, "What this session had open could not be read from the store.");
    }
    session->set_next_file_id(saved.next_file_id);
    for (const auto& one : saved.images) {
        if (session->closed()) return;
        try {
            const auto image = open_silently(context, session, request_of(one));
            apply(one, *image);
            restore_requirements(one, *image, session->requirements());
            session->open_image(image);
            if (saved.cursor_file == one.file_id) session->last_cursor_file = one.file_id;
        } catch (const std::exception& e) {
            session->report(Severity::error, {"resume"}, "File " + std::to_string(one.file_id) + " (" + one.file + ") could not be opened again: " + e.what());
        }
    }
}

// ---- From the page

bool is_the_same(const Image& image, const icd::ImageProperties& asked) {
    if (image.directory != asked.directory() || image.file != asked.file()) return false;
    if (!asked.hdu().empty() && asked.hdu() != image.info.hdu) return false;
    if (image.support_aips_beam != asked.support_aips_beam()) return false;
    try {
        image.source->check_unchanged();
        return true;
    } catch (const std::exception&) { return false; }
}

icd::OpenFile request_of(const icd::ImageProperties& asked) {
    if (asked.stokes_files_size() > 1) throw rpc::CallError(rpc::code::method_failed, "polarizations joined to one image are not implemented yet");
    icd::OpenFile request;
    request.set_directory(asked.directory());
    request.set_file(asked.file());
    request.set_hdu(asked.hdu());
    request.set_file_id(asked.file_id());
    request.set_lel_expr(asked.lel_expr());
    request.set_support_aips_beam(asked.support_aips_beam());
    return request;
}

imaging::PlaneId plane_of(const icd::ImageProperties& asked, const Image& image) {
    imaging::PlaneId plane = image.plane;
    if (image.has_channel(asked.channel())) plane.channel = asked.channel();
    if (image.has_stokes(asked.stokes())) plane.stokes = asked.stokes();
    return plane;
}

/// The cursor travels as region 0.
std::optional<CursorPosition> cursor_of(const icd::ImageProperties& asked) {
    const auto it = asked.regions().find(0);
    if (it == asked.regions().end() || it->second.control_points().empty()) return std::nullopt;
    const auto& point = it->second.control_points(0);
    if (!std::isfinite(point.x()) || !std::isfinite(point.y())) return std::nullopt;
    return CursorPosition{point.x(), point.y()};
}

/// What an image had that is not implemented yet.
std::string left_out(const icd::ImageProperties& asked) {
    std::string list;
    const std::string of = " of file " + std::to_string(asked.file_id());
    for (const auto& [id, region] : asked.regions()) {
        if (id == 0) continue;
        append(list, "regions" + of);
        break;
    }
    if (asked.has_contour_settings() && !asked.contour_settings().levels().empty()) append(list, "contours" + of);
    if (asked.has_vector_overlay_settings() && asked.vector_overlay_settings().smoothing_factor() > 0) append(list, "the vector overlay" + of);
    return list;
}

/// What was asked for and the file does not have: it shows what it showed, or its first plane.
std::string not_there(const icd::ImageProperties& asked, const Image& image) {
    std::string list;
    const std::string of = " of file " + std::to_string(asked.file_id());
    if (!image.has_channel(asked.channel())) append(list, "channel " + std::to_string(asked.channel()) + of);
    if (!image.has_stokes(asked.stokes())) append(list, "stokes " + std::to_string(asked.stokes()) + of);
    return list;
}

void resume_image(const HandlerContext& context, const SessionPtr& session, const icd::ImageProperties& asked) {
    const auto cursor = cursor_of(asked);
    auto image = session->image(asked.file_id());
    if (!image || !is_the_same(*image, asked)) {
        image = open_silently(context, session, request_of(asked));
        image->plane = plane_of(asked, *image);
        image->cursor = cursor;
        return session->open_image(image);
    }
    if (cursor && image->cursor != cursor) {
        image->cursor = cursor;
        session->notify({.what = Change::What::cursor, .file_id = image->file_id, .region_id = cursor_region});
    }
    session->show_plane(image, plane_of(asked, *image));
}

void resume(const HandlerContext& context, const CommandCall<icd::ResumeSession>& c) {
    if (static_cast<std::size_t>(c.request->images_size()) > Session::max_images)
        throw rpc::BadArguments("images: " + std::to_string(c.request->images_size()) + " at once, the limit is " + std::to_string(Session::max_images));
    std::string failed, missing, absent;
    for (const auto& asked : c.request->images()) {
        if (c.session->closed()) return c.call->fail(rpc::code::method_failed, "The session was closed.");
        try {
            resume_image(context, c.session, asked);
            if (const auto list = left_out(asked); !list.empty()) append(missing, list);
            if (const auto image = c.session->image(asked.file_id()))
                if (const auto list = not_there(asked, *image); !list.empty()) append(absent, list);
        } catch (const std::exception& e) {
            append(failed, std::to_string(asked.file_id()) + " (" + asked.file() + ": " + e.what() + ")");
        }
    }
    if (!c.request->catalog_files().empty()) append(missing, "catalogs");
    if (!missing.empty()) {
        missing = "Not implemented yet and left out: " + missing + ".";
        c.session->report(Severity::warning, {"resume"}, missing);
    }
    icd::ResumeSessionAck ack;
    ack.set_success(failed.empty());
    std::string message = failed.empty() ? "" : "These files could not be opened again: " + failed + ".";
    if (!absent.empty()) message += (message.empty() ? "" : " ") + ("There is no " + absent + ".");
    if (!missing.empty()) message += (message.empty() ? "" : " ") + missing;
    ack.set_message(message);
    icd::answer(c.call, std::move(ack));
}

} // namespace

void register_resume(HandlerContext& context) {
    on_command<icd::ResumeSession>(
        context, [&context](const CommandCall<icd::ResumeSession>& c) { resume(context, c); },
        [](Command& command, const CommandCall<icd::ResumeSession>& c) {
            command.heavy = true;
            command.on_dropped = [call = c.call] { call->fail(rpc::code::method_failed, "The session was closed."); };
        });
    if (!context.keeper) return;
    context.directory.restore = [&context](const SessionPtr& session) {
        Command command;
        command.heavy = true;
        command.run = [&context, session] {
            restore(context, session);
            context.keeper->mark_dirty(session);
        };
        session->queue().push(std::move(command));
    };
}

} // namespace cubelink::server
