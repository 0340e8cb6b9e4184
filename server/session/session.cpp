#include "server/session/session.hpp"

#include "imaging/base/budget_cache.hpp"
#include "rpc/error.hpp"
#include "rpc/icd/messages.hpp"
#include "rpc/icd/register.hpp"
#include "server/session/region_message.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace cubelink::server {

namespace {

/// Regions that are set together are told with their states if they have at most so many control points; otherwise session.state() has them.
constexpr std::size_t max_told_points = 2000;

} // namespace

std::uint64_t next_number() {
    // Small numbers are groups of the wslink server's own (WslinkServer::everyone).
    static std::atomic<std::uint64_t> next{1000};
    return next.fetch_add(1);
}

Session::Session(SessionServices services, std::uint32_t id, std::string user)
    : services_(std::move(services)), id_(id), user_(std::move(user)), number_(next_number()),
      queue_(std::make_shared<CommandQueue>(services_.scheduler, number_)), objects_([this](const ObjectPtr& object) { object_closed(*object); }) {}

void Session::publish(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery, const pubsub::Audience& audience) {
    if (!closed()) services_.hub.publish(number_, publication, delivery, audience);
}

void Session::publish(std::shared_ptr<const google::protobuf::Message> message, const pubsub::Delivery& delivery, const pubsub::Audience& audience) {
    publish(icd::make_publication(std::move(message)), delivery, audience);
}

bool Session::anyone_listens(std::string_view topic, const pubsub::Audience& audience) const {
    return !closed() && services_.hub.anyone_listens(number_, topic, audience);
}

void Session::report(Severity severity, const std::vector<std::string>& tags, const std::string& message) {
    auto data = std::make_shared<icd::ErrorData>();
    data->set_severity(static_cast<icd::ErrorSeverity>(severity));
    for (const auto& tag : tags) data->add_tags(tag);
    data->set_message(message);
    pubsub::Delivery delivery;
    if (severity < Severity::warning) delivery.delivery_class = pubsub::DeliveryClass::droppable;
    publish(std::move(data), delivery);
}

void Session::report_afterwards(Severity severity, std::vector<std::string> tags, std::string message) {
    queue_->afterwards([this, severity, tags = std::move(tags), message = std::move(message)] { report(severity, tags, message); });
}

void Session::report_failure(const Image& image, const std::exception& error, const std::string& tag) {
    if (image.closed.cancelled()) return;
    if (dynamic_cast<const imaging::ImageChanged*>(&error)) {
        if (!image.changed_reported.exchange(true))
            report(Severity::warning, {tag, "file changed"}, std::string(error.what()) + "; open it again.");
        return;
    }
    report(Severity::error, {tag}, image.info.name + ": " + error.what());
}

void Session::changed(rpc::Map what, const std::string& replaceable_key) {
    static const std::string topic = "session.changed";
    if (!anyone_listens(topic)) return;
    pubsub::Delivery delivery;
    if (!replaceable_key.empty()) {
        delivery.delivery_class = pubsub::DeliveryClass::replaceable;
        delivery.key = topic + ":" + replaceable_key;
    }
    publish(std::make_shared<rpc::Publication>(topic, rpc::body(std::move(what))), delivery);
}

void Session::connections_changed() { changed({{"what", "connections"}, {"connections", static_cast<std::int64_t>(connections().size())}}); }

imaging::CancelToken Session::listing_token() {
    const platform::MutexLock lock(mutex_);
    return listing_;
}

void Session::stop_listings() {
    const platform::MutexLock lock(mutex_);
    listing_.cancel();
    listing_ = imaging::CancelToken();
}

std::shared_ptr<Playback> Session::playback() const {
    const platform::MutexLock lock(mutex_);
    return playback_;
}

void Session::play(std::shared_ptr<Playback> playback) {
    std::shared_ptr<Playback> earlier;
    {
        const platform::MutexLock lock(mutex_);
        earlier = std::exchange(playback_, playback);
    }
    if (earlier) earlier->stop();
    if (closed()) playback->stop();
}

void Session::playback_ended(const Playback& playback) {
    std::shared_ptr<Playback> ended; // its last owner may be this one
    const platform::MutexLock lock(mutex_);
    if (playback_.get() == &playback) ended.swap(playback_);
}

bool Session::close_now(std::int32_t file_id) {
    const bool all = file_id == -1;
    if (const auto playing = playback(); playing && (all || objects_.holds(image_id(file_id)))) playing->stop();
    const auto dropped = all ? queue_->drop_all_images() : queue_->drop(image_id(file_id));
    for (const auto number : dropped.makings) services_.scheduler.cancel_group(number_, number);
    for (const auto number : all ? objects_.cancel_all(ObjectKind::image) : objects_.cancel(image_id(file_id)))
        services_.scheduler.cancel_group(number_, number);
    stop_calculations(std::nullopt, file_id);
    if (listener_) listener_->abandon(file_id);
    return dropped.openings;
}

void Session::connection_joined(std::uint64_t connection_id, bool resumes) {
    Command command;
    command.touch(session_requirements);
    command.run = [self = shared_from_this(), connection_id, resumes] {
        if (resumes)
            for (const auto& key : self->requirements_.inherit(connection_id)) self->notify_requirement(key);
        self->notify({.what = Change::What::audience});
    };
    queue_->push(std::move(command));
}

void Session::connection_left(std::uint64_t connection_id, Ending ending) {
    Command command;
    command.touch(session_requirements);
    command.run = [self = shared_from_this(), connection_id, ending] {
        if (ending == Ending::lost) self->requirements_.connection_lost(connection_id);
        else self->requirements_.connection_closed(connection_id);
        for (const auto& image : self->images()) image->contour_streams.forget(connection_id);
        self->notify({.what = Change::What::audience});
    };
    queue_->push(std::move(command));
}

void Session::audience_changed() {
    Command command;
    command.key = "audience";
    command.run = [self = shared_from_this()] { self->notify({.what = Change::What::audience}); };
    queue_->push(std::move(command));
}

void Session::attach(const std::shared_ptr<Connection>& connection) {
    services_.hub.attach(number_, connection->receiver());
    const platform::MutexLock lock(mutex_);
    connections_[connection->id()] = connection;
}

void Session::detach(std::uint64_t connection_id) {
    {
        const platform::MutexLock lock(mutex_);
        connections_.erase(connection_id);
    }
    channel_maps.forget_connection(connection_id);
    if (const auto playing = playback(); playing && playing->connection() == connection_id) playing->stop();
}

std::vector<std::shared_ptr<Connection>> Session::connections() const {
    const platform::MutexLock lock(mutex_);
    std::vector<std::shared_ptr<Connection>> list;
    for (const auto& [id, connection] : connections_) list.push_back(connection);
    return list;
}

void Session::close() {
    if (closed_.exchange(true)) return;
    ended_.cancel();
    queue_->close();
    for (const auto& image : images()) image->waiting->close(); // the objects stay until the session is destroyed
    close_now(-1);
    stop_listings();
    services_.scheduler.cancel_owner(number_);
    channel_maps.clear();
}

ImagePtr Session::require_image(std::int32_t file_id) {
    if (auto found = image(file_id)) return found;
    const std::string message = "No file with id " + std::to_string(file_id) + " is open.";
    report_afterwards(Severity::debug, {"file_id"}, message);
    throw rpc::CallError(rpc::Error{rpc::code::method_failed, message, {}, true});
}

RegionPtr Session::require_region(std::int32_t id) {
    if (auto found = region(id)) return found;
    const std::string message = "There is no region with id " + std::to_string(id) + ".";
    report_afterwards(Severity::debug, {"region_id"}, message);
    throw rpc::CallError(rpc::Error{rpc::code::method_failed, message, {}, true});
}

ImagePtr Session::require_unchanged_image(std::int32_t file_id) {
    auto found = require_image(file_id);
    try {
        found->source->check_unchanged();
    } catch (const imaging::ImageError& e) {
        queue_->afterwards([this, found, thrown = std::current_exception()] {
            try {
                std::rethrow_exception(thrown);
            } catch (const imaging::ImageError& why) {
                report_failure(*found, why, "file");
            }
        });
        throw rpc::CallError(rpc::Error{rpc::code::method_failed, std::string(e.what()) + "; open it again.", {}, true});
    }
    return found;
}

/// It has left the registry.
void Session::object_closed(const Object& object) {
    services_.scheduler.cancel_group(number_, object.number);
    const auto id = object.object_id.id;
    switch (object.object_id.kind) {
    case ObjectKind::image:
        static_cast<const Image&>(object).waiting->close();
        stop_calculations(std::nullopt, id);
        channel_maps.forget_file(id);
        requirements_.remove_image(id);
        if (objects_.holds(image_id(id))) break; // replaced: image_opened follows
        if (last_cursor_file == id) last_cursor_file.reset();
        notify({.what = Change::What::image_closed, .file_id = id});
        break;
    case ObjectKind::region:
        region_points_ -= static_cast<const Region&>(object).state->shape.points.size();
        requirements_.remove_region(id);
        if (dragged_.region_id == id) dragged_ = {};
        region_news_.forget(id);
        notify({.what = Change::What::region_closed, .region_id = id});
        break;
    default: break;
    }
}

void Session::notify(const Change& change) {
    if (listener_ && !closed()) listener_->changed(change);
}

void Session::notify_requirement(const RequirementKey& key) {
    notify({.what = Change::What::requirement, .file_id = key.file_id, .region_id = key.region_id, .kind = key.kind, .connection = key.connection});
}

void Session::require(const RequirementKey& key, Requirements list) {
    if (requirements_.set(key, std::move(list))) notify_requirement(key);
}

void Session::open_images(std::span<const ImagePtr> images, const std::function<void()>& answer) {
    for (const auto& image : images) objects_.put(image);
    if (answer) answer();
    for (const auto& image : images) {
        notify({.what = Change::What::image_opened, .file_id = image->file_id});
        changed({{"what", "file_opened"}, {"file_id", image->file_id}, {"next_file_id", next_file_id()}});
    }
}

void Session::stop_calculations(std::optional<CalculationKind> kind, std::int32_t file_id, const std::optional<std::string>& label) {
    for (const auto number : calculations.cancel(kind, file_id, label)) services_.scheduler.cancel_group(number_, number);
}

void Session::close_image(std::int32_t file_id) {
    if (file_id == -1) {
        rpc::Array removed;
        for (const auto& one : regions()) removed.push_back(one->id);
        objects_.close_all(ObjectKind::image);
        objects_.close_all(ObjectKind::region);
        if (!removed.empty()) changed({{"what", "regions_removed"}, {"region_ids", std::move(removed)}});
    } else {
        objects_.close(image_id(file_id));
    }
    changed({{"what", "file_closed"}, {"file_id", file_id}});
}

std::string Session::why_no_room(std::span<const RegionUpdate> updates) const {
    std::set<std::int32_t> added;
    std::size_t count = 0;
    for (const auto& update : updates)
        if (update.id == -1 || (!objects_.holds(region_id(update.id)) && added.insert(update.id).second)) ++count;
    const auto limit = ObjectRegistry::limit_of(ObjectKind::region);
    if (count > 0 && objects_.count(ObjectKind::region) + count > limit)
        return "A session has at most " + std::to_string(limit) + " regions: there is no room for " + std::to_string(count) + " more.";
    const auto fresh = std::count_if(updates.begin(), updates.end(), [](const RegionUpdate& update) { return update.id == -1; });
    std::int64_t last = objects_.next_id(ObjectKind::region) - 1;
    for (const auto& update : updates) last = std::max<std::int64_t>(last, update.id);
    if (fresh > 0 && last + fresh > max_region_id)
        return "There are no ids left for new regions: " + std::to_string(last) + " has been used, and the highest is " + std::to_string(max_region_id) + ".";
    std::size_t points = region_points_;
    for (const auto& update : updates) {
        points += update.shape.points.size();
        if (const auto old = update.id == -1 ? nullptr : region(update.id)) points -= old->state->shape.points.size();
    }
    if (points <= max_region_points) return {};
    return "The regions of a session have at most " + std::to_string(max_region_points) + " control points together: there is no room for so many more.";
}

std::vector<std::int32_t> Session::put_regions(std::vector<RegionUpdate> updates, const std::function<void(const std::vector<std::int32_t>&)>& answer) {
    std::vector<std::int32_t> ids;
    ids.reserve(updates.size());
    bool created = false;
    std::vector<std::int32_t> known; // for new ones nothing can be due, unless it was required before they came
    for (auto& update : updates) {
        const auto reference = image(update.file_id);
        region_points_ += update.shape.points.size();
        auto state = std::make_shared<const RegionState>(update.file_id, std::move(update.shape), reference.get());
        const auto id = update.id == -1 ? objects_.next_id(ObjectKind::region) : update.id;
        if (const auto old = region(id)) {
            region_points_ -= old->state->shape.points.size();
            old->state = std::move(state);
            if (dragged_.region_id == id) dragged_ = {};
            known.push_back(id);
        } else {
            objects_.put(std::make_shared<Region>(id, std::move(state)));
            created = true;
            if (update.id != -1) known.push_back(id);
        }
        ids.push_back(id);
    }
    if (answer) answer(ids);
    for (const auto id : known) notify({.what = Change::What::region, .region_id = id});
    tell_regions(ids, created);
    return ids;
}

void Session::tell_regions(const std::vector<std::int32_t>& ids, bool created) {
    if (ids.empty() || !anyone_listens("session.changed")) return;
    if (ids.size() == 1) {
        const bool now = region_news_.tell_now(ids.front());
        if (now || created || !services_.later) tell_region(*region(ids.front()), created);
        return arm_region_news();
    }
    std::size_t points = 0;
    for (const auto id : ids) points += region(id)->state->shape.points.size();
    rpc::Map what{{"what", "regions"}, {"region_ids", rpc::Array(ids.begin(), ids.end())}};
    if (points <= max_told_points) {
        rpc::Array states;
        for (const auto id : ids) {
            const auto& state = *region(id)->state;
            states.push_back(rpc::Map{{"region_id", id}, {"file_id", state.file_id}, {"region_info", region_info(state.shape)}});
        }
        what.append("regions", std::move(states));
    }
    changed(std::move(what));
}

void Session::tell_region(const Region& region, bool created) {
    const auto& state = *region.state;
    // That it is there must arrive; of its further states, the last is enough.
    changed({{"what", "region"}, {"region_id", region.id}, {"created", created}, {"file_id", state.file_id}, {"region_info", region_info(state.shape)}},
            created ? std::string() : "region:" + std::to_string(region.id));
}

void Session::arm_region_news() {
    if (!services_.later || region_news_armed_ || !region_news_.waits()) return;
    region_news_armed_ = true;
    services_.later(RegionNews::pause, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        Command command;
        command.run = [self] {
            self->region_news_armed_ = false;
            for (const auto id : self->region_news_.take_due())
                if (const auto found = self->region(id)) self->tell_region(*found, false);
            self->arm_region_news();
        };
        self->queue_->push(std::move(command));
    });
}

void Session::drag_region(std::int32_t id, std::int32_t file_id, imaging::Shape shape) {
    const auto has_preview = [&](const ImagePtr& image) {
        const auto with = requirements_.regions(image->file_id, RequirementKind::pv_preview);
        return std::binary_search(with.begin(), with.end(), id);
    };
    const auto all = images();
    if (!region(id) || std::none_of(all.begin(), all.end(), has_preview)) return;
    const auto reference = image(file_id);
    dragged_ = {id, std::make_shared<const RegionState>(file_id, std::move(shape), reference.get())};
    notify({.what = Change::What::region_dragged, .region_id = id});
}

void Session::remove_regions(std::span<const std::int32_t> ids) {
    rpc::Array removed;
    for (const auto id : ids)
        if (objects_.close(region_id(id))) removed.push_back(id);
    if (!removed.empty()) changed({{"what", "regions_removed"}, {"region_ids", std::move(removed)}});
}

void Session::show_plane(const ImagePtr& image, imaging::PlaneId plane, bool channel_map, bool in_passing) {
    if (plane == image->plane) return;
    const bool stokes_changed = plane.stokes != image->plane.stokes;
    image->plane = plane;
    notify({.what = Change::What::plane, .file_id = image->file_id, .stokes_changed = stokes_changed, .channel_map = channel_map, .in_passing = in_passing});
    changed({{"what", "channels"}, {"file_id", image->file_id}, {"channel", plane.channel}, {"stokes", plane.stokes}},
            "channels:" + std::to_string(image->file_id));
}

} // namespace cubelink::server
