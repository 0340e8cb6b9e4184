#include "server/session/session_directory.hpp"

#include "server/net/log.hpp"
#include "server/session/session_keeper.hpp"

#include <random>
#include <utility>

namespace cubelink::server {

SessionDirectory::SessionDirectory(SessionServices services, int grace_seconds, PostAfter later)
    : services_(std::move(services)), grace_seconds_(grace_seconds), later_(std::move(later)) {}

SessionDirectory::~SessionDirectory() {
    {
        const std::lock_guard lock(*alive_mutex_);
        *alive_ = false;
    }
    close_all();
}

std::uint32_t SessionDirectory::free_id() const {
    // An id is enough to join a session of the same user: ids must not be guessable.
    thread_local std::random_device random;
    std::uniform_int_distribution<std::uint32_t> ids(1, 0x7FFFFFFF);
    for (;;)
        if (const auto id = ids(random); !sessions_.contains(id) && !(services_.keeper && services_.keeper->user_of(id))) return id;
}

SessionPtr SessionDirectory::make(std::uint32_t id, const std::string& user) {
    auto session = std::make_shared<Session>(services_, id, user);
    if (services_.make_listener) session->set_listener(services_.make_listener(*session));
    if (services_.keeper)
        session->queue().after_command = [keeper = services_.keeper, weak = std::weak_ptr(session)] {
            if (const auto alive = weak.lock()) keeper->mark_dirty(alive);
        };
    sessions_[id] = session;
    return session;
}

SessionDirectory::Registered SessionDirectory::register_viewer(const std::shared_ptr<Connection>& connection, std::uint32_t id, Unknown unknown) {
    const Identity identity = connection->identity();
    Registered result;
    SessionPtr earlier;
    bool stored = false;
    {
        const platform::MutexLock lock(mutex_);
        if (const auto it = by_connection_.find(connection->id()); it != by_connection_.end()) earlier = it->second.session;
        if (id != 0) {
            const auto it = sessions_.find(id);
            const auto owner = it != sessions_.end()  ? std::optional(it->second->user())
                               : services_.keeper ? services_.keeper->user_of(id)
                                                  : std::nullopt;
            if (owner && *owner != identity.user && !identity.permissions.share) {
                result.message = "Session " + std::to_string(id) + " belongs to another user; this is a new one.";
            } else if (owner) {
                stored = it == sessions_.end();
                result.session = stored ? make(id, *owner) : it->second;
                result.resumed = true;
            } else if (unknown == Unknown::adopted) {
                result.session = make(id, identity.user);
                result.resumed = true;
            } else {
                result.message = "There is no session " + std::to_string(id) + "; this is a new one.";
            }
        }
        if (!result.session && unknown == Unknown::refused) {
            result.message = "There is no session " + std::to_string(id) + " that could be joined: it has ended, or belongs to another user.";
            return result;
        }
        if (!result.session) result.session = make(free_id(), identity.user);
        if (earlier != result.session) {
            if (earlier) by_connection_.at(connection->id()).alive.cancel();
            by_connection_.insert_or_assign(connection->id(), Place{result.session});
        }
        if (unknown == Unknown::adopted) pages_.insert(connection->id());
        else pages_.erase(connection->id());
        result.session->attach(connection);
        remove_unattended(*result.session);
    }
    if (stored && restore) restore(result.session);
    result.session->connection_joined(connection->id(), result.resumed);
    if (services_.keeper) services_.keeper->mark_dirty(result.session);
    if (earlier && earlier != result.session) left(earlier, connection->id(), Ending::lost);
    return result;
}

SessionPtr SessionDirectory::session_of(std::uint64_t connection_id) const {
    const platform::MutexLock lock(mutex_);
    const auto it = by_connection_.find(connection_id);
    return it == by_connection_.end() ? nullptr : it->second.session;
}

imaging::CancelToken SessionDirectory::while_connected(std::uint64_t connection_id) const {
    const platform::MutexLock lock(mutex_);
    if (const auto it = by_connection_.find(connection_id); it != by_connection_.end()) return it->second.alive;
    imaging::CancelToken none;
    none.cancel();
    return none;
}

bool SessionDirectory::is_page(std::uint64_t connection_id) const {
    const platform::MutexLock lock(mutex_);
    return pages_.contains(connection_id);
}

SessionPtr SessionDirectory::find(std::uint32_t id) const {
    const platform::MutexLock lock(mutex_);
    const auto it = sessions_.find(id);
    return it == sessions_.end() ? nullptr : it->second;
}

std::vector<SessionPtr> SessionDirectory::all() const {
    const platform::MutexLock lock(mutex_);
    std::vector<SessionPtr> list;
    for (const auto& [id, session] : sessions_) list.push_back(session);
    return list;
}

void SessionDirectory::connection_ended(const std::shared_ptr<Connection>& connection, Ending ending) {
    SessionPtr session;
    {
        const platform::MutexLock lock(mutex_);
        pages_.erase(connection->id());
        const auto it = by_connection_.find(connection->id());
        if (it == by_connection_.end()) return;
        session = it->second.session;
        it->second.alive.cancel();
        by_connection_.erase(it);
    }
    left(session, connection->id(), ending);
}

void SessionDirectory::left(const SessionPtr& session, std::uint64_t connection_id, Ending ending) {
    using namespace std::chrono;
    bool end = false, unattended = false, timer = false;
    SessionPtr first;
    {
        const platform::MutexLock lock(mutex_);
        session->detach(connection_id);
        if (session->connections().empty() && !session->closed()) {
            end = ending == Ending::closed_by_client || grace_seconds_ == 0;
            unattended = !end;
        }
        if (unattended) {
            remove_unattended(*session);
            unattended_.push_back({session->number(), session, steady_clock::now() + seconds(grace_seconds_)});
            if (unattended_.size() > max_unattended) {
                first = unattended_.front().session.lock();
                unattended_.pop_front();
            }
            timer = !std::exchange(armed_, true);
        }
    }
    if (end) return close(session);
    session->connection_left(connection_id, ending);
    session->connections_changed();
    if (unattended && on_unattended) on_unattended(session);
    if (first) {
        log::warn("session " + std::to_string(first->id()) + ": closed, too many sessions are without a connection");
        close(first);
    }
    if (timer) arm(static_cast<std::uint64_t>(grace_seconds_) * 1000);
}

void SessionDirectory::remove_unattended(const Session& session) {
    unattended_.remove_if([&](const Unattended& one) { return one.number == session.number(); });
}

void SessionDirectory::arm(std::uint64_t milliseconds) {
    later_(milliseconds, [this, alive = alive_, guard = alive_mutex_] {
        const std::lock_guard still(*guard);
        if (!*alive) return;
        if (const auto again = close_expired()) arm(again);
    });
}

/// Closes the sessions whose grace period has ended. Milliseconds until that of the next one ends; 0: there is none.
std::uint64_t SessionDirectory::close_expired() {
    using namespace std::chrono;
    std::vector<SessionPtr> late;
    std::uint64_t next = 0;
    {
        const platform::MutexLock lock(mutex_);
        const auto now = steady_clock::now();
        for (; !unattended_.empty() && unattended_.front().until <= now; unattended_.pop_front())
            if (auto session = unattended_.front().session.lock()) late.push_back(std::move(session));
        armed_ = !unattended_.empty();
        if (armed_) next = static_cast<std::uint64_t>(ceil<milliseconds>(unattended_.front().until - now).count());
    }
    for (const auto& session : late) {
        log::info("session " + std::to_string(session->id()) + ": closed, no connection came back within the grace period");
        close(session);
    }
    return next;
}

void SessionDirectory::close(const SessionPtr& session) {
    {
        const platform::MutexLock lock(mutex_);
        const auto it = sessions_.find(session->id());
        if (it != sessions_.end() && it->second == session) sessions_.erase(it);
        std::erase_if(by_connection_, [&](const auto& entry) {
            if (entry.second.session != session) return false;
            entry.second.alive.cancel();
            return true;
        });
        remove_unattended(*session);
    }
    session->changed({{"what", "closed"}});
    session->close();
    if (services_.keeper) services_.keeper->forget(*session);
    if (on_unattended) on_unattended(session);
}

void SessionDirectory::close_all() {
    for (const auto& session : all()) close(session);
}

} // namespace cubelink::server
