#pragma once
/// Keeps what sessions have open in the store, so that they survive a restart of the server, and its sudden end. Thread-safe.
///
/// A snapshot of a session is taken by a command of its own queue, soon after commands that may have changed it, and saved, if it differs,
/// by the store's thread in one transaction: the store always holds a state in which the session has been. It is taken at once after a command that
/// has added or closed objects, after others within `pause`, and less often where taking it is much work. While another program keeps the file
/// locked, the latest state waits. Its clocks are those of platform::os().

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cubelink::server {

class Session;
class Store;
class StoreWorker;

class SessionKeeper {
public:
    /// Calls `work` after so many milliseconds, on any one thread.
    using PostAfter = std::function<void(std::uint64_t milliseconds, std::function<void()> work)>;
    /// What was saved longer ago, in seconds, is dropped at start.
    static constexpr std::int64_t kept_for = 7 * 24 * 3600;
    /// A session whose objects change all the time is saved so often, in milliseconds.
    static constexpr std::uint64_t pause = 300;

    /// `store` and `worker` outlive it. Sessions of servers of other folders are ignored. Throws StoreError.
    SessionKeeper(Store& store, StoreWorker& worker, std::string folder, PostAfter later);
    ~SessionKeeper();

    /// Whose session of that id the store holds; nullopt: none.
    std::optional<std::string> user_of(std::uint32_t id) const;
    /// What the store holds of it: see saved_session_of(). Waits for the disk. Throws StoreError.
    std::optional<std::string> load(std::uint32_t id);

    /// An image is about to be opened to restore the session; `image` says which, as directory, file and HDU. False if a server died while it did
    /// that: the image is to be left out. Waits for the disk; a store that fails is logged, and the answer is true.
    bool begin_restoring(std::uint32_t id, const std::string& image);
    /// It has been opened, or that has failed.
    void end_restoring(std::uint32_t id, const std::string& image);
    /// A user has opened it, and the server lives: it is not left out any more. Does not wait.
    void opened(std::uint32_t id, const std::string& image);

    /// The session may have changed: it is saved, if it has, at once or within `pause`.
    void mark_dirty(const std::shared_ptr<Session>& session);
    /// The session was ended for good. Does nothing once the server is stopping.
    void forget(const Session& session);

    /// The server is about to stop: sessions end, but not for good.
    void stopping();
    /// Saves these for the last time, and waits for that so many milliseconds at most.
    void save_now(const std::vector<std::shared_ptr<Session>>& sessions, std::uint64_t patience);

private:
    struct Shared;
    const std::shared_ptr<Shared> shared_; // also of timers and commands that come too late
};

} // namespace cubelink::server
