#pragma once
/// What a user has open, what the connections require of it, and who is connected.
///
/// Connections share a session: a change by one is a change for all. Its state is changed by commands of its queue only (one at a time); what
/// other threads may call says so.

#include "platform/mutex.hpp"
#include "pubsub/delivery.hpp"
#include "pubsub/hub.hpp"
#include "rpc/message.hpp"
#include "server/net/connection.hpp"
#include "server/session/calculations.hpp"
#include "server/session/change.hpp"
#include "server/session/channel_maps.hpp"
#include "server/session/command_queue.hpp"
#include "server/session/image.hpp"
#include "server/session/object_registry.hpp"
#include "server/session/playback.hpp"
#include "server/session/region.hpp"
#include "server/session/region_news.hpp"
#include "server/compute/scheduler.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace cubelink::imaging {
class BudgetCache;
}

namespace cubelink::server {
class SessionKeeper;

/// ICD ErrorSeverity.
enum class Severity { debug = 0, info = 1, warning = 2, error = 3, critical = 4 };

class Session;

/// What sessions share.
struct SessionServices {
    pubsub::Hub& hub;
    Scheduler& scheduler;
    imaging::BudgetCache& cache;
    SessionKeeper* keeper = nullptr; // nullptr: nothing outlives the server
    /// Makes what each new session notifies of changes; may be empty.
    std::function<std::unique_ptr<ChangeListener>(Session&)> make_listener{};
    /// Calls `work` after so many milliseconds, on any one thread. Empty: what is told from time to time is told each time.
    std::function<void(std::uint64_t milliseconds, std::function<void()> work)> later{};
};

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(SessionServices services, std::uint32_t id, std::string user);

    // Thread-safe.
    std::uint32_t id() const { return id_; }
    const std::string& user() const { return user_; }
    /// Its number in the hub and the scheduler, never used again (an id may be).
    std::uint64_t number() const { return number_; }
    CommandQueue& queue() { return *queue_; }
    Scheduler& scheduler() { return services_.scheduler; }
    imaging::BudgetCache& cache() { return services_.cache; }
    bool closed() const { return closed_.load(); }

    /// Sends to the session's connections that are addressed. Nothing is sent once the session is closed.
    void publish(const rpc::PublicationPtr& publication, const pubsub::Delivery& delivery = {}, const pubsub::Audience& audience = {});
    void publish(std::shared_ptr<const google::protobuf::Message> message, const pubsub::Delivery& delivery = {}, const pubsub::Audience& audience = {});
    bool anyone_listens(std::string_view topic, const pubsub::Audience& audience = {}) const;
    /// ERROR_DATA to all connections.
    void report(Severity severity, const std::vector<std::string>& tags, const std::string& message);
    /// The same, once the command that is running has been answered: for commands that also report why they fail.
    void report_afterwards(Severity severity, std::vector<std::string> tags, std::string message);
    /// ERROR_DATA for what went wrong while computing for an image; that a file was written again is reported once, as a warning.
    void report_failure(const Image& image, const std::exception& error, const std::string& tag);
    /// The topic session.changed.
    void changed(rpc::Map what, const std::string& replaceable_key = {});
    /// A connection has come or gone: tells how many there are.
    void connections_changed();

    std::int32_t next_sync_id() { return static_cast<std::int32_t>(sync_id_.fetch_add(1) & 0x7FFFFFFF); }
    /// 1, 2, …
    std::int32_t next_animation_id() { return animation_id_.fetch_add(1); }
    /// What plays; nullptr: nothing does.
    std::shared_ptr<Playback> playback() const;
    /// Takes the place of what plays, which is stopped. It is stopped when a file is closed, its connection leaves, or the session ends.
    void play(std::shared_ptr<Playback> playback);
    /// It has ended: forgets it, unless another one has taken its place.
    void playback_ended(const Playback& playback);

    /// Listings and whatever else runs until STOP_FILE_LIST.
    imaging::CancelToken listing_token();
    void stop_listings();
    /// Cancelled when the session ends: for work that belongs to no file.
    const imaging::CancelToken& ended() const { return ended_; }
    /// Tiles that were asked for and have not been computed, see TileSet.
    std::atomic<std::size_t> tiles_under_way{0};
    ChannelMaps channel_maps;
    /// Files of other servers are named by numbers: the first that none has had, and those of files that are being fetched. By commands.
    std::int32_t next_remote_file = 0;
    std::set<std::int32_t> remote_files_under_way;
    /// Moments and the like that are being computed. Closing their image stops them.
    Calculations calculations;
    /// Stops those of a kind (STOP_MOMENT_CALC, …), or all, on an image; -1: on all images. `label`: only those that have it.
    void stop_calculations(std::optional<CalculationKind> kind, std::int32_t file_id, const std::optional<std::string>& label = {});
    /// What CLOSE_FILE does at its arrival, before its turn in the queue: drops waiting commands, cancels openings and running work
    /// (ChangeListener::abandon). -1: all files. True if that ended an opening before there was anything to close.
    bool close_now(std::int32_t file_id);

    /// Before the session is used; it owns the listener.
    void set_listener(std::unique_ptr<ChangeListener> listener) { listener_ = std::move(listener); }
    /// nullptr if it has none.
    ChangeListener* listener() const { return listener_.get(); }

    // For the directory, thread-safe.
    /// By a command: the connection inherits what lost connections required, if it resumes the session, and the listener is notified.
    void connection_joined(std::uint64_t connection_id, bool resumes);
    /// By a command: what it required waits for an heir, or is forgotten.
    void connection_left(std::uint64_t connection_id, Ending ending);
    /// A connection has subscribed to something: the listener is notified by a command.
    void audience_changed();
    void attach(const std::shared_ptr<Connection>& connection);
    void detach(std::uint64_t connection_id);
    std::vector<std::shared_ptr<Connection>> connections() const;
    /// Ends everything: no command and no job of it runs on.
    void close();

    // For commands.
    ObjectRegistry& objects() { return objects_; }
    const ObjectRegistry& objects() const { return objects_; }
    /// nullptr if there is none, or it is about to be closed.
    ImagePtr image(std::int32_t file_id) const { return objects_.find<Image>(image_id(file_id)); }
    /// By file_id, ascending.
    std::vector<ImagePtr> images() const { return objects_.all<Image>(ObjectKind::image); }
    /// Throws CallError and reports it as ERROR_DATA (DEBUG) if there is none.
    ImagePtr require_image(std::int32_t file_id);
    /// require_image(), and checks that the file is still the one that was opened.
    ImagePtr require_unchanged_image(std::int32_t file_id);
    std::int32_t next_file_id() const { return objects_.next_id(ObjectKind::image); }
    std::optional<std::int32_t> last_cursor_file;
    /// Sets requirements (an empty list clears them) and notifies the listener if that changed something.
    void require(const RequirementKey& key, Requirements list);
    RequirementTable& requirements() { return requirements_; }
    const RequirementTable& requirements() const { return requirements_; }
    /// Tells the listener what this command has changed, once the change is complete.
    void notify(const Change& change);
    void notify_requirement(const RequirementKey& key);

    /// Adds a newly opened image (an earlier one of that id is closed), notifies the listener and sends session.changed. `answer`, if given, is called
    /// when the earlier one is closed and before anything follows from the new one.
    void open_image(const ImagePtr& image, const std::function<void()>& answer = {}) { open_images({&image, 1}, answer); }
    /// Several at once, with one answer.
    void open_images(std::span<const ImagePtr> images, const std::function<void()>& answer = {});
    /// Closes it, or all with all regions (-1), and sends session.changed. Regions outlive the image that they belong to.
    void close_image(std::int32_t file_id);
    /// Shows another plane of the image, which must exist: notifies the listener and sends session.changed. Nothing happens if it is shown already.
    /// `channel_map`, `in_passing`: see Change.
    void show_plane(const ImagePtr& image, imaging::PlaneId plane, bool channel_map = false, bool in_passing = false);

    /// nullptr if there is none.
    RegionPtr region(std::int32_t id) const { return objects_.find<Region>(region_id(id)); }
    /// Throws CallError if there is none, after which the session is told.
    RegionPtr require_region(std::int32_t id);
    /// By id, ascending.
    std::vector<RegionPtr> regions() const { return objects_.all<Region>(ObjectKind::region); }
    /// Control points that the regions of a session have at most, together.
    static constexpr std::size_t max_region_points = std::size_t{1} << 21;
    /// Why these regions can't be added; empty if they can. One that is listed twice is counted twice.
    std::string why_no_room(std::span<const RegionUpdate> updates) const;
    /// Adds or changes regions, whose images must exist. Returns their ids and, once `answer` has been called with them, notifies the listener of each
    /// that has changed and sends session.changed once; of one region that changes again and again, at intervals (RegionNews).
    std::vector<std::int32_t> put_regions(std::vector<RegionUpdate> updates, const std::function<void(const std::vector<std::int32_t>&)>& answer = {});
    /// A region is being dragged (SET_REGION with preview_region): it stays where it is for all but its previews. Nothing happens if it has none.
    void drag_region(std::int32_t id, std::int32_t file_id, imaging::Shape shape);
    /// Where it is dragged to; nullptr if it is not.
    RegionStatePtr dragged(std::int32_t id) const { return dragged_.region_id == id ? dragged_.state : nullptr; }
    /// Removes those that there are, with what is required of them, and sends session.changed once.
    void remove_regions(std::span<const std::int32_t> ids);

private:
    void object_closed(const Object& object);
    void tell_regions(const std::vector<std::int32_t>& ids, bool created);
    void tell_region(const Region& region, bool created);
    void arm_region_news();

    SessionServices services_;
    const std::uint32_t id_;
    const std::string user_;
    const std::uint64_t number_;
    const std::shared_ptr<CommandQueue> queue_;
    std::atomic<bool> closed_{false};
    const imaging::CancelToken ended_;
    std::atomic<std::uint32_t> sync_id_{1};
    std::atomic<std::int32_t> animation_id_{1};

    ObjectRegistry objects_;
    RequirementTable requirements_;
    std::size_t region_points_ = 0; // control points of all regions
    RegionNews region_news_;
    bool region_news_armed_ = false; // a timer runs
    struct Dragged {
        std::int32_t region_id = 0;
        RegionStatePtr state;
    };
    Dragged dragged_; // one at a time is kept
    std::unique_ptr<ChangeListener> listener_;

    mutable platform::Mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<Connection>> connections_ CUBELINK_GUARDED_BY(mutex_);
    imaging::CancelToken listing_ CUBELINK_GUARDED_BY(mutex_);
    std::shared_ptr<Playback> playback_ CUBELINK_GUARDED_BY(mutex_);
};
using SessionPtr = std::shared_ptr<Session>;

/// Unique in the process, never 0.
std::uint64_t next_number();

} // namespace cubelink::server
