#include "server/tasks/restore.hpp"

#include "server/net/log.hpp"
#include "server/session/region_message.hpp"
#include "server/session/saved_fields.hpp"
#include "server/session/session_keeper.hpp"
#include "server/session/snapshot.hpp"
#include "server/tasks/catalogs/open_catalog.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

/// As CARTA's page asks for, when it opens one.
constexpr std::int32_t restored_preview_rows = 50;

using Clock = std::chrono::steady_clock;

std::string text_field(const rpc::Map& map, const char* name) {
    const auto* value = map.find(name);
    const auto* text = value ? value->get_if<std::string>() : nullptr;
    return text ? *text : std::string();
}

std::int32_t id_of(const rpc::Map& map) {
    const auto* value = map.find("id");
    return rpc::from_value<std::int32_t>(value ? rpc::Value(*value) : rpc::Value(), rpc::Path("id"));
}

/// An image of a file.
void restore_image(const RestoreSettings& settings, const SessionPtr& session, rpc::Map&& saved, std::function<void(const std::string&)> done) {
    const rpc::Path path("image");
    SavedFields fields(std::move(saved), path);
    Opening opening;
    opening.task = "resume";
    opening.request.set_file_id(fields.take<std::int32_t>("id"));
    opening.request.set_directory(fields.take<std::string>("directory"));
    opening.request.set_file(fields.take<std::string>("file"));
    opening.request.set_hdu(fields.take<std::string>("hdu"));
    opening.request.set_support_aips_beam(fields.take<bool>("support_aips_beam"));
    opening.recipe = fields.take_or<rpc::Map>("recipe", {});
    const imaging::PlaneId plane{fields.take<std::int32_t>("channel"), fields.take<std::int32_t>("stokes")};
    std::optional<CursorPosition> cursor;
    if (const auto point = fields.take<std::optional<std::vector<float>>>("cursor"); point && point->size() == 2)
        if (std::isfinite((*point)[0]) && std::isfinite((*point)[1])) cursor = CursorPosition{(*point)[0], (*point)[1]};
    guard_by_marker(opening, settings.keeper, *session);
    opening.end = [session, plane, cursor, file = opening.request.file(), id = opening.request.file_id(), done = std::move(done)](const ImagePtr& image,
                                                                                                                         const std::string& failure) {
        if (!image) {
            session->requirements().remove_image(id);
            return done("File " + std::to_string(id) + " (" + file + ") could not be opened again: " + failure);
        }
        // The file may be another by now.
        if (image->has_channel(plane.channel)) image->plane.channel = plane.channel;
        if (image->has_stokes(plane.stokes)) image->plane.stokes = plane.stokes;
        image->cursor = cursor;
        session->requirements().revise_image(
            id, [&](const RequirementKey& key, Requirements& list) { remove_impossible(list, key.region_id, *image); });
        session->open_image(image);
        done("");
    };
    start_opening(settings.files, session, std::move(opening));
}

void restore_region(const SessionPtr& session, rpc::Map&& saved, const std::function<void(const std::string&)>& done) {
    const rpc::Path path("region");
    SavedFields fields(std::move(saved), path);
    RegionUpdate update;
    update.id = fields.take<std::int32_t>("id");
    update.file_id = fields.take<std::int32_t>("file_id");
    update.shape.type = static_cast<imaging::RegionType>(fields.take<int>("type"));
    update.shape.points = points_of(fields.take<std::string>("points"));
    update.shape.rotation = fields.take<double>("rotation");
    auto why = why_no_region(update.id);
    if (why.empty()) why = imaging::why_invalid(update.shape);
    if (!why.empty()) throw rpc::BadArguments(why);
    session->put_regions({std::move(update)});
    done("");
}

/// One restoring. Its members are used by commands of the session.
class Restoring : public std::enable_shared_from_this<Restoring> {
public:
    Restoring(const RestoreSettings& settings, SessionPtr session) : settings_(settings), session_(std::move(session)) {}

    void begin() {
        Task task;
        task.session = session_;
        task.name = "restore";
        task.makes.all_images = true;
        task.makes.all_catalogs = true;
        task.makes.objects.push_back(session_state);
        task.makes.objects.push_back(session_requirements);
        task.work = [self = shared_from_this()](const TaskContext&) {
            if (const auto text = self->settings_.keeper.load(self->session_->id())) self->saved_ = saved_session_of(*text);
        };
        task.end = [self = shared_from_this()](const std::exception_ptr& failure) { self->loaded(failure); };
        start(std::move(task));
    }

private:
    std::string name() const { return "session " + std::to_string(session_->id()); }

    void loaded(const std::exception_ptr& failure) {
        if (failure) {
            if (is_cancelled(failure)) return; // all files were closed before anything was there
            log::error(name() + " cannot be restored: " + text_of(failure));
            session_->report(Severity::error, {"resume"}, "What this session had open could not be read from the store.");
            return;
        }
        if (saved_.version > snapshot_version)
            log::warn(name() + " was saved by a newer version (" + std::to_string(saved_.version) + "): what is known here is restored");
        for (const auto& wrong : saved_.left_out) log::error(name() + ": left out of what is restored: " + wrong);
        if (!saved_.left_out.empty()) session_->report(Severity::error, {"resume"}, "A part of what this session had open could not be read from the store.");
        for (const auto kind : {ObjectKind::image, ObjectKind::region, ObjectKind::catalog})
            if (const auto id = saved_.next_ids.find(std::string(name_of(kind))); id != saved_.next_ids.end())
                session_->objects().set_next_id(kind, id->second);
        for (auto& [key, list] : saved_.requirements) session_->requirements().restore(key, std::move(list));
        // Before the images are there, so that each is sent once, and as required.
        if (const auto connections = session_->connections(); !connections.empty()) session_->requirements().inherit(connections.front()->id());
        // session.state waits until the session is complete.
        Touches whole;
        whole.objects.push_back(session_state);
        making_ = session_->queue().begin_making(std::move(whole));
        // Catalogs come after images: what touches one waits.
        Touches catalogs;
        for (const auto& object : saved_.objects) {
            const auto* id = object.find("id");
            const auto* number = id ? id->get_if<std::int64_t>() : nullptr;
            if (text_field(object, "kind") == "catalog" && number) catalogs.objects.push_back(catalog_id(static_cast<std::int32_t>(*number)));
        }
        making_catalogs_ = session_->queue().begin_making(std::move(catalogs));
        restore_kinds([](const std::string& kind) { return kind == "image"; }, &Restoring::images_done);
    }

    void images_done() {
        if (saved_.cursor_file && session_->image(*saved_.cursor_file)) session_->last_cursor_file = saved_.cursor_file;
        Command others;
        others.run = [self = shared_from_this()] { self->restore_kinds([](const std::string& kind) { return kind != "image"; }, &Restoring::all_done); };
        session_->queue().finish(making_catalogs_, std::move(others));
    }

    /// Restores the objects of some kinds side by side, then calls `next`.
    void restore_kinds(bool (*of_kind)(const std::string&), void (Restoring::*next)()) {
        pending_ = 1; // this function, so that what is done at once does not end it
        next_ = next;
        const auto first = std::stable_partition(saved_.objects.begin(), saved_.objects.end(), [&](const rpc::Map& object) { return !of_kind(text_field(object, "kind")); });
        std::vector<rpc::Map> objects(std::make_move_iterator(first), std::make_move_iterator(saved_.objects.end()));
        saved_.objects.erase(first, saved_.objects.end());
        for (auto& object : objects) {
            const auto kind = text_field(object, "kind");
            const auto restorer = settings_.restorers.find(kind);
            if (restorer == settings_.restorers.end()) {
                log::warn(name() + ": objects of the kind \"" + kind + "\" are not known here and left out");
                continue;
            }
            ++pending_;
            ++count_;
            const auto done = [self = shared_from_this()](const std::string& failure) { self->one_done(failure); };
            try {
                const auto id = id_of(object);
                try {
                    restorer->second(session_, std::move(object), done);
                } catch (const std::exception& e) { done(kind + " " + std::to_string(id) + " could not be restored: " + e.what()); }
            } catch (const std::exception& e) { done(e.what()); }
        }
        one_done("");
    }

    void one_done(const std::string& failure) {
        if (!failure.empty()) {
            ++failures_;
            session_->report(Severity::error, {"resume"}, failure);
        }
        if (--pending_ == 0) (this->*next_)();
    }

    void all_done() {
        log::info(name() + ": restored, " + std::to_string(count_ - failures_) + " of " + std::to_string(count_) + " objects, in " +
                  std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_).count()) + " ms");
        Command end;
        end.run = [] {};
        session_->queue().finish(making_, std::move(end));
        settings_.keeper.mark_dirty(session_);
    }

    const RestoreSettings& settings_;
    const SessionPtr session_;
    const Clock::time_point begun_ = Clock::now();
    SavedSession saved_;
    CommandQueue::Making making_, making_catalogs_; // of the session as a whole; of its catalogs, until they are opened
    std::size_t pending_ = 0, count_ = 0, failures_ = 0;
    void (Restoring::*next_)() = nullptr;
};

void restore_catalog(const RestoreSettings& settings, const SessionPtr& session, rpc::Map&& saved, std::function<void(const std::string&)> done) {
    const rpc::Path path("catalog");
    SavedFields fields(std::move(saved), path);
    CatalogOpening opening;
    opening.request.set_file_id(fields.take<std::int32_t>("id"));
    opening.request.set_directory(fields.take<std::string>("directory"));
    opening.request.set_name(fields.take<std::string>("file"));
    opening.request.set_preview_data_size(restored_preview_rows);
    const auto marker = name_of_marker(opening.request.directory(), opening.request.name(), "catalog");
    opening.before = marker_before(settings.keeper, *session, marker);
    opening.after = marker_after(settings.keeper, *session, marker);
    opening.end = [session, name = opening.request.name(), id = opening.request.file_id(), done = std::move(done)](const CatalogPtr& catalog, const std::string& failure) {
        if (!catalog) return done("Catalog " + std::to_string(id) + " (" + name + ") could not be opened again: " + failure);
        add_catalog(*session, catalog);
        done("");
    };
    start_opening(settings.files, session, std::move(opening));
}

} // namespace

void add_restorers(RestoreSettings& settings) {
    settings.restorers["image"] = [&settings](const SessionPtr& session, rpc::Map saved, std::function<void(const std::string&)> done) {
        restore_image(settings, session, std::move(saved), std::move(done));
    };
    settings.restorers["catalog"] = [&settings](const SessionPtr& session, rpc::Map saved, std::function<void(const std::string&)> done) {
        restore_catalog(settings, session, std::move(saved), std::move(done));
    };
    settings.restorers["region"] = [](const SessionPtr& session, rpc::Map saved, std::function<void(const std::string&)> done) {
        restore_region(session, std::move(saved), done);
    };
}

void restore_session(const RestoreSettings& settings, const SessionPtr& session) {
    Command command;
    command.touches.all_images = true;
    command.touches.all_catalogs = true;
    command.touch(session_state);
    command.touch(session_requirements);
    command.makes = true;
    command.run = [&settings, session] { std::make_shared<Restoring>(settings, session)->begin(); };
    session->queue().push(std::move(command));
}

std::string name_of_marker(const std::string& directory, const std::string& file, const std::string& hdu) { return directory + "\n" + file + "\n" + hdu; }

std::function<void()> marker_before(SessionKeeper& keeper, const Session& session, const std::string& marker) {
    return [&keeper, id = session.id(), marker] {
        if (!keeper.begin_restoring(id, marker))
            throw PathError("the server ended unexpectedly while it was opened to restore this session, so it is left out; open it again to try it");
    };
}

std::function<void()> marker_after(SessionKeeper& keeper, const Session& session, const std::string& marker) {
    return [&keeper, id = session.id(), marker] { keeper.end_restoring(id, marker); };
}

void guard_by_marker(Opening& opening, SessionKeeper& keeper, const Session& session) {
    const auto marker = name_of_marker(opening.request.directory(), opening.request.file(), opening.request.hdu());
    opening.before = marker_before(keeper, session, marker);
    opening.after = marker_after(keeper, session, marker);
}

} // namespace cubelink::server
