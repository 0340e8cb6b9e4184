#include "server/session/session_keeper.hpp"

#include "platform/mutex.hpp"
#include "platform/os.hpp"
#include "server/net/log.hpp"
#include "server/session/session.hpp"
#include "server/session/snapshot.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>
#include <thread>
#include <utility>

namespace cubelink::server {

using Clock = std::chrono::steady_clock;
using platform::MutexLock;
using platform::os;

namespace {

/// Taking a snapshot holds up the session's commands, so it may take 1/cost_factor of the time at most; one is due every `longest_pause` ms however
/// long it takes. What counts is the thread's work, not the elapsed time: on a busy machine, too, what was opened is saved at once.
constexpr std::int64_t cost_factor = 30, longest_pause = 30'000;

} // namespace

struct SessionKeeper::Shared : std::enable_shared_from_this<Shared> {
    Shared(Store& store, StoreWorker& worker, std::string folder, PostAfter later)
        : store(store), worker(worker), folder(std::move(folder)), later(std::move(later)) {}

    struct Watched {
        bool pending = false;       // a look at it has been arranged
        bool at_once = false;       // a command that looks at it is in its queue
        std::uint64_t changes = 0;  // ObjectRegistry::changes() at the last look
        Clock::time_point looked_at{};
        std::chrono::nanoseconds cost{}; // work of the last look: sessions that take much are looked at less often
        std::shared_ptr<const SavedSession> newest;
        std::string saved;      // text of what is in the store
        bool saving = false;    // the store's thread has been asked to
    };

    Store& store;
    StoreWorker& worker;
    const std::string folder;
    const PostAfter later;

    mutable platform::Mutex mutex;
    std::map<std::uint32_t, std::string> users CUBELINK_GUARDED_BY(mutex); // of what the store holds
    std::set<std::pair<std::uint32_t, std::string>> deadly CUBELINK_GUARDED_BY(mutex); // images that were being opened when a server died, by session
    std::map<std::uint64_t, Watched> watched CUBELINK_GUARDED_BY(mutex);   // by session number
    bool stopping CUBELINK_GUARDED_BY(mutex) = false, gone CUBELINK_GUARDED_BY(mutex) = false;

    void mark_dirty(const SessionPtr& session) {
        const auto changes = session->objects().changes();
        std::int64_t wait = 0;
        {
            const MutexLock lock(mutex);
            if (gone || session->closed()) return;
            auto& one = watched[session->number()];
            // What was opened, made or closed is noted at once: the client that has been told of it counts on it.
            const bool urgent = changes != one.changes || one.looked_at == Clock::time_point{};
            if (one.at_once || (one.pending && !urgent)) return;
            const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(os().steady_now() - one.looked_at).count();
            const auto cost = std::chrono::duration_cast<std::chrono::milliseconds>(one.cost).count();
            const auto rest = std::clamp<std::int64_t>(cost_factor * cost, urgent ? 0 : static_cast<std::int64_t>(pause), longest_pause);
            if (one.looked_at != Clock::time_point{} && since < rest) wait = rest - since;
            if (wait > 0 && one.pending) return; // it costs too much for more: the look that was arranged is enough
            one.pending = true;
            one.at_once = wait == 0;
        }
        if (wait == 0) return schedule_save(session);
        later(static_cast<std::uint64_t>(wait), [self = shared_from_this(), weak = std::weak_ptr(session)] {
            const auto session = weak.lock();
            if (!session) return;
            {
                const MutexLock lock(self->mutex);
                const auto it = self->watched.find(session->number());
                if (it == self->watched.end() || !it->second.pending || it->second.at_once) return; // somebody has looked meanwhile
                it->second.at_once = true;
            }
            self->schedule_save(session);
        });
    }

    void schedule_save(const SessionPtr& session, std::function<void()> done = {}) {
        Command command;
        command.touch(session_state); // what is half restored does not replace what it is restored from
        command.run = [self = shared_from_this(), session, done] {
            self->look(session);
            if (done) done();
        };
        command.on_dropped = done;
        session->queue().push(std::move(command));
    }

    /// By a command of the session.
    void look(const SessionPtr& session) {
        const auto begun = os().thread_cpu_time();
        const auto changes = session->objects().changes();
        auto snapshot = std::make_shared<const SavedSession>(snapshot_of(*session)); // its text is made by the store's thread
        const auto cost = os().thread_cpu_time() - begun;
        const MutexLock lock(mutex);
        // A session that ends is marked as closed before it is forgotten, so what is saved here is saved before that.
        if (gone || session->closed()) return;
        auto& one = watched[session->number()];
        one.pending = one.at_once = false;
        one.changes = changes;
        one.looked_at = os().steady_now();
        one.cost = cost;
        one.newest = std::move(snapshot);
        users[session->id()] = session->user();
        if (std::exchange(one.saving, true)) return; // it will find the newer text
        worker.post(
            lane_of(session->id()),
            [self = shared_from_this(), number = session->number(), id = session->id(), user = session->user()] { self->save(number, id, user); },
            [self = shared_from_this(), number = session->number(), id = session->id()](const std::exception& e) {
                log::error("session " + std::to_string(id) + " was not saved: " + e.what());
                const MutexLock lock(self->mutex);
                const auto it = self->watched.find(number);
                if (it != self->watched.end()) it->second.saving = false; // the next look saves it
            },
            StoreWorker::endless);
    }

    /// Saves the latest state; by the store's thread.
    void save(std::uint64_t number, std::uint32_t id, const std::string& user) {
        for (;;) {
            std::shared_ptr<const SavedSession> newest;
            std::string saved;
            {
                const MutexLock lock(mutex);
                const auto it = watched.find(number);
                if (it == watched.end()) return; // forgotten
                newest = std::exchange(it->second.newest, nullptr);
                it->second.saving = newest != nullptr;
                if (!newest) return;
                saved = std::move(it->second.saved); // of one that can't be saved, nothing is known
            }
            auto text = to_text(*newest);
            try {
                if (text != saved) store.save_session(id, {user, folder, text, 0});
            } catch (...) { // the worker tries again while the file is locked
                const MutexLock lock(mutex);
                if (const auto it = watched.find(number); it != watched.end() && !it->second.newest) it->second.newest = std::move(newest);
                throw;
            }
            const MutexLock lock(mutex);
            if (const auto it = watched.find(number); it != watched.end()) it->second.saved = std::move(text);
        }
    }

    static std::string lane_of(std::uint32_t id) { return "session " + std::to_string(id); }

    void forget(const Session& session) {
        const MutexLock lock(mutex);
        if (stopping || gone) return;
        watched.erase(session.number());
        users.erase(session.id());
        worker.post(
            lane_of(session.id()), [self = shared_from_this(), id = session.id()] { self->store.forget_session(id); },
            [id = session.id()](const std::exception& e) { log::error("session " + std::to_string(id) + " was not forgotten: " + e.what()); },
            StoreWorker::endless);
    }
};

SessionKeeper::SessionKeeper(Store& store, StoreWorker& worker, std::string folder, PostAfter later)
    : shared_(std::make_shared<Shared>(store, worker, std::move(folder), std::move(later))) {
    const auto oldest = static_cast<std::int64_t>(std::time(nullptr)) - kept_for;
    for (auto& [id, user] : store.sessions_of(shared_->folder, oldest)) shared_->users.emplace(id, std::move(user));
    for (auto& image : store.being_restored()) shared_->deadly.insert(std::move(image));
    worker.post(
        "old sessions", [&store, oldest] { store.forget_sessions_before(oldest); },
        [](const std::exception& e) { log::warn(std::string("old sessions were not dropped: ") + e.what()); });
}

SessionKeeper::~SessionKeeper() {
    const MutexLock lock(shared_->mutex);
    shared_->gone = true;
}

std::optional<std::string> SessionKeeper::user_of(std::uint32_t id) const {
    const MutexLock lock(shared_->mutex);
    const auto it = shared_->users.find(id);
    return it == shared_->users.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string> SessionKeeper::load(std::uint32_t id) {
    std::optional<Store::Snapshot> snapshot;
    for (const auto give_up = Clock::now() + StoreWorker::usual_patience;;) { // only the session that is being restored waits
        try {
            snapshot = shared_->store.load_session(id);
            break;
        } catch (const StoreBusy&) {
            if (Clock::now() >= give_up) throw;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
    if (!snapshot || snapshot->folder != shared_->folder) return std::nullopt;
    return std::move(snapshot->state);
}

bool SessionKeeper::begin_restoring(std::uint32_t id, const std::string& image) {
    {
        const MutexLock lock(shared_->mutex);
        if (shared_->deadly.contains({id, image})) return false;
    }
    try {
        shared_->store.begin_restoring(id, image);
    } catch (const StoreError& e) {
        log::warn("session " + std::to_string(id) + ": that it is being restored could not be noted: " + e.what());
    }
    return true;
}

void SessionKeeper::end_restoring(std::uint32_t id, const std::string& image) {
    const auto end = [&store = shared_->store, id, image] { store.end_restoring(id, image); };
    const auto failed = [id](const std::exception& e) { log::warn("session " + std::to_string(id) + ": that it was restored could not be noted: " + e.what()); };
    try {
        end();
    } catch (const StoreBusy&) {
        shared_->worker.post(Shared::lane_of(id), end, failed, StoreWorker::endless);
    } catch (const StoreError& e) { failed(e); }
}

void SessionKeeper::opened(std::uint32_t id, const std::string& image) {
    {
        const MutexLock lock(shared_->mutex);
        if (shared_->deadly.erase({id, image}) == 0) return;
    }
    shared_->worker.post(
        Shared::lane_of(id), [&store = shared_->store, id, image] { store.end_restoring(id, image); },
        [id](const std::exception& e) { log::warn("session " + std::to_string(id) + ": " + e.what()); }, StoreWorker::endless);
}

void SessionKeeper::mark_dirty(const std::shared_ptr<Session>& session) { shared_->mark_dirty(session); }

void SessionKeeper::forget(const Session& session) { shared_->forget(session); }

void SessionKeeper::stopping() {
    const MutexLock lock(shared_->mutex);
    shared_->stopping = true;
}

void SessionKeeper::save_now(const std::vector<std::shared_ptr<Session>>& sessions, std::uint64_t patience) {
    struct Countdown {
        platform::Mutex mutex;
        platform::CondVar zero;
        std::size_t left CUBELINK_GUARDED_BY(mutex) = 0;
    };
    const auto countdown = std::make_shared<Countdown>();
    {
        const MutexLock lock(countdown->mutex);
        countdown->left = sessions.size();
    }
    const auto done = [countdown] {
        const MutexLock lock(countdown->mutex);
        if (--countdown->left == 0) countdown->zero.notify_all();
    };
    for (const auto& session : sessions) shared_->schedule_save(session, done);
    MutexLock lock(countdown->mutex);
    const auto until = Clock::now() + std::chrono::milliseconds(patience);
    while (countdown->left > 0 && Clock::now() < until) countdown->zero.wait_until(lock, until);
}

} // namespace cubelink::server
