#include "server/tasks/resume.hpp"

#include "server/products/vector_overlay.hpp"

#include "rpc/icd/register.hpp"
#include "server/net/log.hpp"
#include "server/session/contour_settings.hpp"
#include "server/session/region_message.hpp"
#include "server/tasks/catalogs/open_catalog.hpp"
#include "server/tasks/images/image_recipes.hpp"
#include "server/tasks/images/stokes_files.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

namespace cubelink::server {

namespace {

void append(std::string& list, const std::string& one) {
    if (!list.empty()) list += "; ";
    list += one;
}

/// How an image is opened that the page had open.
Opening opening_of(const icd::ImageProperties& asked) {
    if (asked.stokes_files_size() > 1) return opening_of_stokes_files(asked.stokes_files(), asked.file_id());
    Opening opening;
    icd::OpenFile& request = opening.request;
    request.set_directory(asked.directory());
    request.set_file(asked.file());
    request.set_hdu(asked.hdu());
    request.set_file_id(asked.file_id());
    request.set_lel_expr(asked.lel_expr());
    request.set_support_aips_beam(asked.support_aips_beam());
    return opening;
}

bool is_unchanged(const Image& image) {
    try {
        image.source->check_unchanged();
        return true;
    } catch (const std::exception&) { return false; }
}

bool is_the_same(const Image& image, const icd::ImageProperties& asked) {
    if (asked.stokes_files_size() > 1) return image.recipe == opening_of(asked).recipe && is_unchanged(image);
    // What is a file may have the name of an expression. Other images that were made are known by their names.
    const std::string kind = image.recipe.empty() ? "file" : text_of_recipe(image.recipe, "kind");
    if (asked.lel_expr() != (kind == "expression") || kind == "stokes_files") return false;
    if (image.directory != asked.directory() || image.file != asked.file()) return false;
    if (!asked.hdu().empty() && asked.hdu() != image.info.hdu) return false;
    if (image.support_aips_beam != asked.support_aips_beam()) return false;
    return is_unchanged(image);
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

/// The regions of an image; what is wrong with those that can't be set is added to `wrong`. Nothing of regions that are there already as they are asked for.
void put_regions(Session& session, const icd::ImageProperties& asked, std::string& wrong) {
    std::vector<RegionUpdate> updates;
    for (const auto& [id, info] : asked.regions()) {
        if (id == 0) continue;
        RegionUpdate update{id, asked.file_id(), shape_of(info)};
        auto why = id < 0 ? "ids are positive" : why_no_region(id);
        if (why.empty()) why = imaging::why_invalid(update.shape);
        if (!why.empty()) {
            append(wrong, "region " + std::to_string(id) + ": " + why);
            continue;
        }
        const auto there = session.region(id);
        const auto image = session.image(update.file_id);
        if (!there || !image || !there->state->belongs_to(*image) || there->state->shape != update.shape) updates.push_back(std::move(update));
    }
    std::sort(updates.begin(), updates.end(), [](const RegionUpdate& a, const RegionUpdate& b) { return a.id < b.id; });
    if (const auto why = session.why_no_room(updates); !why.empty()) append(wrong, why);
    else session.put_regions(std::move(updates));
}

/// Requires the vector overlay of an image again, for the connection that resumes. What is wrong with it is added to `wrong`.
void require_vectors(Session& session, const Image& image, const icd::ImageProperties& asked, std::uint64_t connection, std::string& wrong) {
    if (!asked.has_vector_overlay_settings() || clears_vectors(asked.vector_overlay_settings()) || asked.vector_overlay_settings().smoothing_factor() == 0) return;
    try {
        session.require({image.file_id, image_region, RequirementKind::vector_overlay, connection},
                        std::vector{checked_vectors(asked.vector_overlay_settings(), image)});
    } catch (const rpc::CallError& error) { append(wrong, "the vector overlay of file " + std::to_string(image.file_id) + ": " + error.what()); }
}

/// What was requested and the file does not have: the plane stays as it is.
std::string not_there(const icd::ImageProperties& asked, const Image& image) {
    std::string list;
    const std::string of = " of file " + std::to_string(asked.file_id());
    if (!image.has_channel(asked.channel())) append(list, "channel " + std::to_string(asked.channel()) + of);
    if (!image.has_stokes(asked.stokes())) append(list, "stokes " + std::to_string(asked.stokes()) + of);
    return list;
}

/// One RESUME_SESSION. Its members are used by commands of the session.
class Resuming : public std::enable_shared_from_this<Resuming> {
public:
    Resuming(const OpenSettings& settings, SessionKeeper* keeper, SessionPtr session, rpc::CallPtr call, std::shared_ptr<const icd::ResumeSession> request)
        : settings_(settings), keeper_(keeper), session_(std::move(session)), call_(std::move(call)), request_(std::move(request)),
          failures_(static_cast<std::size_t>(request_->images_size() + request_->catalog_files_size())) {}

    void begin() {
        pending_ = 1; // this function, so that what is done at once does not end it
        for (int i = 0; i < request_->images_size(); ++i) {
            ++pending_;
            try {
                resume_image(i);
            } catch (const std::exception& e) { done(i, e.what()); }
        }
        for (int i = 0; i < request_->catalog_files_size(); ++i) {
            ++pending_;
            try {
                resume_catalog(i);
            } catch (const std::exception& e) { done(request_->images_size() + i, e.what()); }
        }
        call_->on_cancel(canceller(session_, std::move(openings_)));
        if (--pending_ == 0) answer();
    }

private:
    void resume_image(int index) {
        const auto& asked = request_->images(index);
        const auto image = session_->image(asked.file_id());
        if (!image || !is_the_same(*image, asked)) return open(index);
        if (const auto cursor = cursor_of(asked); cursor && image->cursor != cursor) {
            image->cursor = cursor;
            session_->notify({.what = Change::What::cursor, .file_id = image->file_id, .region_id = cursor_region});
        }
        session_->show_plane(image, plane_of(asked, *image));
        done(index, "");
    }

    void open(int index) {
        Opening opening = opening_of(request_->images(index));
        opening.task = "resume";
        if (keeper_) guard_by_marker(opening, *keeper_, *session_);
        opening.end = [self = shared_from_this(), index](const ImagePtr& image, const std::string& failure) {
            if (image) {
                const auto& asked = self->request_->images(index);
                image->plane = plane_of(asked, *image);
                image->cursor = cursor_of(asked);
                self->session_->open_image(image);
            }
            self->done(index, failure);
        };
        opening.on_session_closed = [call = call_] { call->fail(rpc::code::method_failed, "The session was closed."); };
        openings_.push_back(start_opening(settings_, session_, std::move(opening)).cancel);
    }

    /// Catalogs are what their files are: one of that name that is open stays.
    void resume_catalog(int index) {
        const auto& asked = request_->catalog_files(index);
        const auto place = request_->images_size() + index;
        if (const auto open = session_->objects().find<Catalog>(catalog_id(asked.file_id())); open && open->directory == asked.directory() && open->file == asked.name())
            return done(place, "");
        CatalogOpening opening;
        opening.request = asked;
        if (keeper_) {
            const auto marker = name_of_marker(asked.directory(), asked.name(), "catalog");
            opening.before = marker_before(*keeper_, *session_, marker);
            opening.after = marker_after(*keeper_, *session_, marker);
        }
        opening.end = [self = shared_from_this(), place](const CatalogPtr& catalog, const std::string& failure) {
            if (catalog) add_catalog(*self->session_, catalog);
            self->done(place, failure);
        };
        opening.on_session_closed = [call = call_] { call->fail(rpc::code::method_failed, "The session was closed."); };
        openings_.push_back(start_opening(settings_, session_, std::move(opening)).cancel);
    }

    void done(int index, const std::string& failure) {
        failures_[static_cast<std::size_t>(index)] = failure;
        if (--pending_ == 0) answer();
    }

    void answer() {
        std::string failed, absent, wrong, wrong_contours;
        std::vector<std::function<void()>> afterwards;
        for (int i = 0; i < request_->images_size(); ++i) {
            const auto& asked = request_->images(i);
            if (const auto& failure = failures_[static_cast<std::size_t>(i)]; !failure.empty()) {
                append(failed, std::to_string(asked.file_id()) + " (" + asked.file() + ": " + failure + ")");
                continue;
            }
            if (session_->image(asked.file_id())) put_regions(*session_, asked, wrong);
            put_contours(asked, wrong_contours, afterwards);
            if (const auto image = session_->image(asked.file_id())) {
                if (const auto list = not_there(asked, *image); !list.empty()) append(absent, list);
                require_vectors(*session_, *image, asked, call_->peer()->id(), wrong);
            }
        }
        for (int i = 0; i < request_->catalog_files_size(); ++i)
            if (const auto& failure = failures_[static_cast<std::size_t>(request_->images_size() + i)]; !failure.empty())
                append(failed, "catalog " + std::to_string(request_->catalog_files(i).file_id()) + " (" + request_->catalog_files(i).name() + ": " + failure + ")");
        icd::ResumeSessionAck ack;
        ack.set_success(failed.empty());
        std::string message = failed.empty() ? "" : "These files could not be opened again: " + failed + ".";
        if (!absent.empty()) message += (message.empty() ? "" : " ") + ("There is no " + absent + ".");
        if (!wrong.empty()) message += (message.empty() ? "" : " ") + ("This could not be set: " + wrong + ".");
        if (!wrong_contours.empty()) message += (message.empty() ? "" : " ") + ("Contours could not be set: " + wrong_contours + ".");
        ack.set_message(message);
        log::info("session " + std::to_string(session_->id()) + ": resumed by its page, " + std::to_string(request_->images_size()) + " images, in " +
                  std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_).count()) + " ms");
        if (call_->cancelled()) call_->fail_cancelled();
        else icd::answer(call_, std::move(ack));
        for (const auto& set : afterwards) set();
    }

    /// Contours of an image, set once the call has been answered; what is wrong with them is added to `wrong`.
    void put_contours(const icd::ImageProperties& asked, std::string& wrong, std::vector<std::function<void()>>& afterwards) {
        const auto image = session_->image(asked.file_id());
        const auto& settings = asked.contour_settings();
        if (!image || settings.levels().empty()) return;
        try {
            const auto region = settings.region_id();
            if (region > 0 && !session_->region(region)) throw rpc::BadArguments("region_id: there is no region " + std::to_string(region));
            afterwards.push_back([this, image, region, requirement = contour_requirement(settings)] {
                require_contours(*session_, call_->peer()->id(), *image, region, requirement);
            });
        } catch (const rpc::BadArguments& error) {
            append(wrong, "those of file " + std::to_string(asked.file_id()) + ": " + error.what());
        }
    }

    using Clock = std::chrono::steady_clock;
    const OpenSettings& settings_;
    SessionKeeper* const keeper_;
    const SessionPtr session_;
    const rpc::CallPtr call_;
    const std::shared_ptr<const icd::ResumeSession> request_;
    const Clock::time_point begun_ = Clock::now();
    std::vector<std::string> failures_; // by image, then by catalog; empty: none
    std::size_t pending_ = 0;
    std::vector<imaging::CancelToken> openings_; // that have begun
};

} // namespace

void resume_session(const OpenSettings& settings, SessionKeeper* keeper, const SessionPtr& session, const rpc::CallPtr& call,
                    std::shared_ptr<const icd::ResumeSession> request) {
    std::make_shared<Resuming>(settings, keeper, session, call, std::move(request))->begin();
}

} // namespace cubelink::server
