#include "server/session/session_keeper.hpp"

#include "server/log.hpp"
#include "server/session/session.hpp"
#include "server/session/snapshot.hpp"
#include "server/store/store.hpp"
#include "server/store/worker.hpp"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <utility>

namespace cubelink::server {

using Clock = std::chrono::steady_clock;

struct SessionKeeper::Shared : std::enable_shared_from_this<Shared> {
    Shared(Store& store, SerialWorker& worker, std::string folder, Later later)
        : store(store), worker(worker), folder(std::move(folder)), later(std::move(later)) {}

    struct Watched {
        bool pending = false; // a look at it has been arranged
        Clock::time_point looked_at{};
        std::string saved;
    };

    Store& store;
    SerialWorker& worker;
    const std::string folder;
    const Later later;

    mutable std::mutex mutex;
    std::map<std::uint32_t, std::string> users;  // of what the store holds
    std::map<std::uint64_t, Watched> watched;    // by session number
    bool stopping = false, gone = false;

    void touched(const SessionPtr& session) {
        std::uint64_t wait = 0;
        {
            const std::lock_guard lock(mutex);
            if (gone || session->closed()) return;
            auto& one = watched[session->number()];
            if (std::exchange(one.pending, true)) return;
            const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - one.looked_at).count();
            if (one.looked_at != Clock::time_point{} && since < static_cast<std::int64_t>(pause)) wait = pause - static_cast<std::uint64_t>(since);
        }
        if (wait == 0) return push_look(session);
        later(wait, [self = shared_from_this(), weak = std::weak_ptr(session)] {
            if (const auto session = weak.lock()) self->push_look(session);
        });
    }

    void push_look(const SessionPtr& session, std::function<void()> done = {}) {
        Command command;
        command.run = [self = shared_from_this(), session, done] {
            self->look(session);
            if (done) done();
        };
        command.on_dropped = done;
        session->queue().push(std::move(command));
    }

    /// By a command of the session.
    void look(const SessionPtr& session) {
        auto text = to_text(snapshot_of(*session));
        const std::lock_guard lock(mutex);
        // Whoever ends a session marks it as closed first and has it forgotten then: what is saved here is saved before that.
        if (gone || session->closed()) return;
        auto& one = watched[session->number()];
        one.pending = false;
        one.looked_at = Clock::now();
        if (one.saved == text) return;
        one.saved = text;
        users[session->id()] = session->user();
        worker.post([self = shared_from_this(), id = session->id(), snapshot = Store::Snapshot{session->user(), folder, std::move(text), 0}] {
            try {
                self->store.save_session(id, snapshot);
            } catch (const std::exception& e) { log::error("session " + std::to_string(id) + " was not saved: " + e.what()); }
        });
    }

    void forget(const Session& session) {
        const std::lock_guard lock(mutex);
        watched.erase(session.number());
        if (stopping || gone) return;
        users.erase(session.id());
        worker.post([self = shared_from_this(), id = session.id()] {
            try {
                self->store.forget_session(id);
            } catch (const std::exception& e) { log::error("session " + std::to_string(id) + " was not forgotten: " + e.what()); }
        });
    }
};

SessionKeeper::SessionKeeper(Store& store, SerialWorker& worker, std::string folder, Later later)
    : shared_(std::make_shared<Shared>(store, worker, std::move(folder), std::move(later))) {
    store.forget_sessions_before(static_cast<std::int64_t>(std::time(nullptr)) - kept_for);
    for (auto& [id, user] : store.sessions_of(shared_->folder)) shared_->users.emplace(id, std::move(user));
}

SessionKeeper::~SessionKeeper() {
    const std::lock_guard lock(shared_->mutex);
    shared_->gone = true;
}

std::optional<std::string> SessionKeeper::user_of(std::uint32_t id) const {
    const std::lock_guard lock(shared_->mutex);
    const auto it = shared_->users.find(id);
    return it == shared_->users.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string> SessionKeeper::load(std::uint32_t id) {
    auto snapshot = shared_->store.load_session(id);
    if (!snapshot || snapshot->folder != shared_->folder) return std::nullopt;
    return std::move(snapshot->state);
}

void SessionKeeper::touched(const std::shared_ptr<Session>& session) { shared_->touched(session); }

void SessionKeeper::forget(const Session& session) { shared_->forget(session); }

void SessionKeeper::stopping() {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
}

void SessionKeeper::save_now(const std::vector<std::shared_ptr<Session>>& sessions, std::uint64_t patience) {
    struct Countdown {
        std::mutex mutex;
        std::condition_variable zero;
        std::size_t left;
    };
    const auto countdown = std::make_shared<Countdown>();
    countdown->left = sessions.size();
    const auto done = [countdown] {
        const std::lock_guard lock(countdown->mutex);
        if (--countdown->left == 0) countdown->zero.notify_all();
    };
    for (const auto& session : sessions) shared_->push_look(session, done);
    std::unique_lock lock(countdown->mutex);
    countdown->zero.wait_for(lock, std::chrono::milliseconds(patience), [&] { return countdown->left == 0; });
}

} // namespace cubelink::server
