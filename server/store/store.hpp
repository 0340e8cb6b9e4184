#pragma once
/// What outlives the server: each user's preferences, layouts, snippets and workspaces, and snapshots of sessions. One SQLite file.
///
/// Every call is one transaction: after a crash or kill -9 the file holds the state before or after a call, never between. Several
/// servers may share a file. Thread-safe; calls can wait for the disk, so they do not belong on the network thread (see StoreWorker). What
/// meets another program's lock on the file waits for it, or throws StoreBusy: see set_patience().
/// A file that is damaged, is not ours, or was written by a newer version is refused at opening and left as it is.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cubelink::server {

/// what() names the file and the reason.
class StoreError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Another program has locked the file; nothing was changed, and it may succeed later.
class StoreBusy : public StoreError {
public:
    using StoreError::StoreError;
};

/// A user has kept as much of a kind as there is room for (see Store::room_of); nothing was changed.
class StoreFull : public StoreError {
public:
    using StoreError::StoreError;
};

/// What is kept by name for a user. `preferences` has one item for each key.
enum class StoreKind { preferences, layouts, snippets, workspaces };

/// "preferences", "layouts", "snippets", "workspaces"; nullopt for any other name.
std::optional<StoreKind> store_kind_of(const std::string& name);

class Store {
public:
    struct Item {
        std::string name;
        std::string json;          // the value, as JSON text
        std::int64_t modified = 0; // Unix seconds
    };

    /// Opens the file, or makes it together with its folder. Throws StoreError.
    static std::unique_ptr<Store> open(const std::string& path);
    /// Forgotten with the process.
    static std::unique_ptr<Store> in_memory();
    /// $XDG_DATA_HOME/cubelink/store.sqlite, or below $HOME/.local/share; empty if neither is set.
    static std::string default_path();

    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// How long a call waits for another program's lock before it throws StoreBusy. Before it is set: 5 s.
    void set_patience(std::chrono::milliseconds patience);

    /// How much a user may keep of a kind: items, and bytes of all their names and values. What set() and set_all() would bring above it is
    /// refused with StoreFull. Preferences and layouts go out with each REGISTER_VIEWER_ACK, so there is less room for them.
    struct Room {
        std::int64_t items = 0;
        std::int64_t bytes = 0;
    };
    static Room room_of(StoreKind kind);

    /// Sorted by name.
    std::vector<Item> list(const std::string& user, StoreKind kind);
    /// The same without the values.
    std::vector<Item> list_names(const std::string& user, StoreKind kind);
    std::optional<Item> get(const std::string& user, StoreKind kind, const std::string& name);
    void set(const std::string& user, StoreKind kind, const std::string& name, const std::string& json);
    /// All of them or, if one fails, none.
    void set_all(const std::string& user, StoreKind kind, const std::vector<std::pair<std::string, std::string>>& name_and_json);
    /// How many of the names there were.
    int erase(const std::string& user, StoreKind kind, const std::vector<std::string>& names);

    /// A number for a workspace, by which it can be shared; nullopt if the user has no such workspace.
    std::optional<std::int64_t> workspace_id(const std::string& user, const std::string& name);
    /// A key that lets others open the user's workspace of that number; the same key each time. nullopt if it is not the user's.
    std::optional<std::string> share_workspace(const std::string& user, std::int64_t id);
    std::optional<Item> workspace_by_key(const std::string& key);

    struct Snapshot {
        std::string user;
        std::string folder; // that was served: a snapshot is of use only to a server of the same folder
        std::string state;
        std::int64_t modified = 0;
    };
    void save_session(std::uint32_t id, const Snapshot& snapshot);
    std::optional<Snapshot> load_session(std::uint32_t id);
    /// Id and user of each session of a server of that folder, without those that were last saved before that time (Unix seconds).
    std::vector<std::pair<std::uint32_t, std::string>> sessions_of(const std::string& folder, std::int64_t not_before = 0);
    void forget_session(std::uint32_t id);
    /// Notes that an image of a session is being opened to restore it, and that this has ended, well or not. What is noted and has not ended when a
    /// server starts was being opened when one died.
    void begin_restoring(std::uint32_t session, const std::string& image);
    void end_restoring(std::uint32_t session, const std::string& image);
    std::vector<std::pair<std::uint32_t, std::string>> being_restored();
    /// Drops snapshots that were last saved before that time.
    void forget_sessions_before(std::int64_t unix_seconds);

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace cubelink::server
