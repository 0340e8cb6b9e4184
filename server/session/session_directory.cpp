#include "server/session/session_directory.hpp"

#include "server/log.hpp"
#include "server/session/session_keeper.hpp"

#include <random>
#include <utility>

namespace cubelink::server {

SessionDirectory::SessionDirectory(SessionServices services, int grace_seconds, Later later)
    : services_(services), grace_seconds_(grace_seconds), later_(std::move(later)) {}

SessionDirectory::~SessionDirectory() {
    {
        const std::lock_guard lock(*alive_mutex_);
        *alive_ = false;
    }
    close_all();
}

std::uint32_t SessionDirectory::free_id() const {
    // Ids are handed from one program to another by people, and whoever knows one may ask for it: they are not to be guessed.
    thread_local std::random_device random;
    std::uniform_int_distribution<std::uint32_t> ids(1, 0x7FFFFFFF);
    for (;;)
        if (const auto id = ids(random); !sessions_.contains(id) && !(services_.keeper && services_.keeper->user_of(id))) return id;
}

SessionPtr SessionDirectory::make(std::uint32_t id, const std::string& user) {
    auto session = std::make_shared<Session>(services_, id, user);
    if (services_.keeper)
        session->queue().after_command = [keeper = services_.keeper, weak = std::weak_ptr(session)] {
            if (const auto alive = weak.lock()) keeper->touched(alive);
        };
    sessions_[id] = session;
    return session;
}

SessionDirectory::Registered SessionDirectory::register_viewer(const std::shared_ptr<Connection>& connection, std::uint32_t id, bool may_rebuild) {
    const Identity identity = connection->identity();
    Registered result;
    SessionPtr earlier;
    bool stored = false;
    {
        const std::lock_guard lock(mutex_);
        if (const auto it = by_connection_.find(connection->id()); it != by_connection_.end()) earlier = it->second;
        if (id != 0) {
            const auto it = sessions_.find(id);
            const auto owner = it != sessions_.end()  ? std::optional(it->second->user())
                               : services_.keeper ? services_.keeper->user_of(id)
                                                  : std::nullopt;
            if (owner && *owner != identity.user && !identity.permissions.share) {
                result.message = "Session " + std::to_string(id) + " is another user's; this is a new one.";
            } else if (owner) {
                stored = it == sessions_.end();
                result.session = stored ? make(id, *owner) : it->second;
                result.resumed = true;
            } else if (may_rebuild && id <= 0x7FFFFFFF) {
                result.session = make(id, identity.user);
                result.resumed = true;
            } else {
                result.message = "There is no session " + std::to_string(id) + "; this is a new one.";
            }
        }
        if (!result.session) result.session = make(free_id(), identity.user);
        by_connection_[connection->id()] = result.session;
        result.session->attach(connection);
    }
    if (stored && restore) restore(result.session);
    if (services_.keeper) services_.keeper->touched(result.session);
    if (earlier && earlier != result.session) left(earlier, connection->id(), Ending::lost);
    return result;
}

SessionPtr SessionDirectory::session_of(std::uint64_t connection_id) const {
    const std::lock_guard lock(mutex_);
    const auto it = by_connection_.find(connection_id);
    return it == by_connection_.end() ? nullptr : it->second;
}

SessionPtr SessionDirectory::find(std::uint32_t id) const {
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(id);
    return it == sessions_.end() ? nullptr : it->second;
}

std::vector<SessionPtr> SessionDirectory::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<SessionPtr> list;
    for (const auto& [id, session] : sessions_) list.push_back(session);
    return list;
}

void SessionDirectory::connection_ended(const std::shared_ptr<Connection>& connection, Ending ending) {
    SessionPtr session;
    {
        const std::lock_guard lock(mutex_);
        const auto it = by_connection_.find(connection->id());
        if (it == by_connection_.end()) return;
        session = it->second;
        by_connection_.erase(it);
    }
    left(session, connection->id(), ending);
}

void SessionDirectory::left(const SessionPtr& session, std::uint64_t connection_id, Ending ending) {
    bool end = false;
    std::uint64_t departure = 0;
    {
        const std::lock_guard lock(mutex_);
        session->detach(connection_id);
        if (session->connections().empty() && !session->closed()) {
            end = ending == Ending::closed_by_client || grace_seconds_ == 0;
            departure = ++departures_[session->number()];
        }
    }
    if (end) return close(session);
    session->changed({{"what", "connections"}});
    if (departure == 0) return;
    if (on_left_alone) on_left_alone(session);
    later_(static_cast<std::uint64_t>(grace_seconds_) * 1000, [this, alive = alive_, guard = alive_mutex_, weak = std::weak_ptr(session), departure] {
        const std::lock_guard still(*guard);
        const auto session = weak.lock();
        if (!*alive || !session || session->closed()) return;
        {
            const std::lock_guard lock(mutex_);
            if (!session->connections().empty() || departures_[session->number()] != departure) return;
        }
        log::info("session " + std::to_string(session->id()) + ": nobody came back, closed");
        close(session);
    });
}

void SessionDirectory::close(const SessionPtr& session) {
    {
        const std::lock_guard lock(mutex_);
        const auto it = sessions_.find(session->id());
        if (it != sessions_.end() && it->second == session) sessions_.erase(it);
        std::erase_if(by_connection_, [&](const auto& entry) { return entry.second == session; });
        departures_.erase(session->number());
    }
    session->changed({{"what", "closed"}});
    session->close();
    if (services_.keeper) services_.keeper->forget(*session);
    if (on_left_alone) on_left_alone(session);
}

void SessionDirectory::close_all() {
    for (const auto& session : all()) close(session);
}

} // namespace cubelink::server
