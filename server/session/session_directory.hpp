#pragma once
/// All sessions: by id, and by the connection that is attached to one. Thread-safe.

#include "platform/mutex.hpp"
#include "server/net/connection.hpp"
#include "server/session/session.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace cubelink::server {

class SessionDirectory {
public:
    /// Calls `work` after so many milliseconds, on any one thread.
    using PostAfter = std::function<void(std::uint64_t milliseconds, std::function<void()> work)>;
    /// Upper bound on sessions without a connection; beyond it, the one that lost its last connection first is closed.
    static constexpr std::size_t max_unattended = 1000;

    SessionDirectory(SessionServices services, int grace_seconds, PostAfter later);
    ~SessionDirectory();

    /// The result of REGISTER_VIEWER and session.join.
    struct Registered {
        SessionPtr session; // nullptr: refused
        bool resumed = false;
        std::string message; // why it is not the session that was asked for; empty: it is
    };
    /// What happens where there is no session of that id. `adopted`: the client is a page that can rebuild what it had open, so it gets a session
    /// of the id that it knows. A session of another user is no session for this one; instead of adopting its id, a new one is made.
    enum class Unknown { new_session, adopted, refused };
    /// Attaches the connection to the session `id` (0: a new one) and detaches it from its earlier one.
    /// A session that is only in the store is made anew, and restored by `restore`.
    Registered register_viewer(const std::shared_ptr<Connection>& connection, std::uint32_t id, Unknown unknown);

    /// nullptr if the connection has registered no viewer, or its session was closed.
    SessionPtr session_of(std::uint64_t connection_id) const;
    /// Whether the connection has registered as a page does: one that can rebuild what it had.
    bool is_page(std::uint64_t connection_id) const;
    /// Cancelled when the connection has gone or its session is closed: for what is computed for this one caller. Cancelled already if it has no session.
    imaging::CancelToken while_connected(std::uint64_t connection_id) const;
    SessionPtr find(std::uint32_t id) const;
    std::vector<SessionPtr> all() const;

    void connection_ended(const std::shared_ptr<Connection>& connection, Ending ending);
    /// Pushes the command that restores a session from the store. Set before use.
    std::function<void(const SessionPtr&)> restore;
    /// Called when a session's last connection has left, and when it is closed. Set before use.
    std::function<void(const SessionPtr&)> on_unattended;

    /// Ends a session; its connections stay, and have to register again.
    void close(const SessionPtr& session);
    void close_all();

private:
    SessionPtr make(std::uint32_t id, const std::string& user) CUBELINK_REQUIRES(mutex_);
    std::uint32_t free_id() const CUBELINK_REQUIRES(mutex_);
    void left(const SessionPtr& session, std::uint64_t connection_id, Ending ending);
    void remove_unattended(const Session& session) CUBELINK_REQUIRES(mutex_);
    void arm(std::uint64_t milliseconds);
    std::uint64_t close_expired();

    SessionServices services_;
    const int grace_seconds_;
    const PostAfter later_;
    mutable platform::Mutex mutex_;
    std::map<std::uint32_t, SessionPtr> sessions_ CUBELINK_GUARDED_BY(mutex_);
    struct Place {
        SessionPtr session;
        imaging::CancelToken alive{};
    };
    std::map<std::uint64_t, Place> by_connection_ CUBELINK_GUARDED_BY(mutex_);
    std::set<std::uint64_t> pages_ CUBELINK_GUARDED_BY(mutex_); // connections
    struct Unattended {
        std::uint64_t number; // of the session
        std::weak_ptr<Session> session;
        std::chrono::steady_clock::time_point until;
    };
    std::list<Unattended> unattended_ CUBELINK_GUARDED_BY(mutex_); // in the order in which they expire
    bool armed_ CUBELINK_GUARDED_BY(mutex_) = false;              // a timer is set for the first of them
    // Outlives the directory, so that a timer that fires too late does nothing.
    std::shared_ptr<std::mutex> alive_mutex_ = std::make_shared<std::mutex>();
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace cubelink::server
