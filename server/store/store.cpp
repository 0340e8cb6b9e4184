#include "server/store/store.hpp"

#include "platform/mutex.hpp"
#include "server/store/sqlite.hpp"

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sys/random.h>
#include <sys/stat.h>

namespace cubelink::server {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

namespace {

constexpr std::int64_t application_id = 0x43624c6b; // "CbLk": SQLite keeps it in the file's header
constexpr std::int64_t schema_version = 1;

constexpr const char* schema = R"(
    CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        value TEXT NOT NULL, modified INTEGER NOT NULL,
        UNIQUE (user, kind, name)
    );
    CREATE TABLE shares (
        item INTEGER PRIMARY KEY REFERENCES items (id) ON DELETE CASCADE,
        key TEXT NOT NULL UNIQUE
    );
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY,
        user TEXT NOT NULL, folder TEXT NOT NULL,
        state TEXT NOT NULL, modified INTEGER NOT NULL
    );
)";

const char* name_of(StoreKind kind) {
    switch (kind) {
    case StoreKind::preferences: return "preferences";
    case StoreKind::layouts: return "layouts";
    case StoreKind::snippets: return "snippets";
    case StoreKind::workspaces: return "workspaces";
    }
    return "";
}

std::int64_t pragma(Database& database, const char* sql) {
    Statement statement(database, sql);
    return statement.step() ? statement.number(0) : 0;
}

std::string random_key() {
    std::array<unsigned char, 16> bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw StoreError("no random numbers to be had");
    std::string text;
    for (unsigned char byte : bytes) {
        static constexpr char digits[] = "0123456789abcdef";
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace

std::optional<StoreKind> store_kind_of(const std::string& name) {
    for (auto kind : {StoreKind::preferences, StoreKind::layouts, StoreKind::snippets, StoreKind::workspaces})
        if (name == name_of(kind)) return kind;
    return std::nullopt;
}

struct Store::Impl {
    explicit Impl(const std::string& path) : database(path) {
        const bool empty = pragma(database, "SELECT count(*) FROM sqlite_master") == 0;
        if (!empty) {
            if (pragma(database, "PRAGMA application_id") != application_id)
                throw StoreError(path + ": an SQLite file, but not a Cubelink store; it is left as it is");
            const auto version = pragma(database, "PRAGMA user_version");
            if (version > schema_version)
                throw StoreError(path + ": written by a newer Cubelink (store version " + std::to_string(version) + ", this one knows " +
                                 std::to_string(schema_version) + "); it is left as it is");
            Statement check(database, "PRAGMA quick_check(1)");
            if (check.step() && check.text(0) != "ok") throw StoreError(path + ": damaged (" + check.text(0) + "); it is left as it is");
        }
        database.execute("PRAGMA foreign_keys = ON");
        database.execute("PRAGMA journal_mode = WAL");
        database.execute("PRAGMA synchronous = NORMAL");
        if (empty) {
            Transaction transaction(database);
            // Another server may have made the tables since we looked.
            if (pragma(database, "SELECT count(*) FROM sqlite_master") == 0) {
                database.execute(schema);
                database.execute(("PRAGMA application_id = " + std::to_string(application_id)).c_str());
                database.execute(("PRAGMA user_version = " + std::to_string(schema_version)).c_str());
            }
            transaction.commit();
        }
        // Came later; older programs don't mind it.
        database.execute("CREATE TABLE IF NOT EXISTS restoring (session INTEGER NOT NULL, image TEXT NOT NULL, PRIMARY KEY (session, image))");
    }

    void set(const std::string& user, StoreKind kind, const std::string& name, const std::string& json) {
        Statement(database, "INSERT INTO items (user, kind, name, value, modified) VALUES (?, ?, ?, ?, ?) "
                            "ON CONFLICT (user, kind, name) DO UPDATE SET value = excluded.value, modified = excluded.modified")
            .bind(user)
            .bind(name_of(kind))
            .bind(name)
            .bind(json)
            .bind(static_cast<std::int64_t>(std::time(nullptr)))
            .step();
    }

    /// Before the transaction that added something is committed.
    void check_room(const std::string& user, StoreKind kind) {
        const auto room = room_of(kind);
        Statement sum(database, "SELECT count(*), total(length(CAST(name AS BLOB)) + length(CAST(value AS BLOB))) FROM items WHERE user = ? AND kind = ?");
        sum.bind(user).bind(name_of(kind)).step();
        const auto full = [&](const std::string& most) { return StoreFull("no room: a user's " + std::string(name_of(kind)) + " are at most " + most); };
        if (sum.number(0) > room.items) throw full(std::to_string(room.items));
        if (sum.number(1) > room.bytes) throw full(std::to_string(room.bytes >> 20) + " MiB");
    }

    platform::Mutex mutex; // of the database, which is used with the mutex locked (statements refer to it)
    Database database;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

std::unique_ptr<Store> Store::open(const std::string& path) {
    if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty()) {
        std::error_code error;
        std::filesystem::create_directories(folder, error); // no error if it is there
        if (error) throw StoreError(path + ": cannot make the folder: " + error.message());
    }
    // Preferences and sessions are the user's own business.
    const mode_t before = umask(077);
    std::unique_ptr<Impl> impl;
    try {
        impl = std::make_unique<Impl>(path);
    } catch (...) {
        umask(before);
        throw;
    }
    umask(before);
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

std::unique_ptr<Store> Store::in_memory() { return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(":memory:"))); }

std::string Store::default_path() {
    if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data == '/') return std::string(data) + "/cubelink/store.sqlite";
    if (const char* home = std::getenv("HOME"); home && *home == '/') return std::string(home) + "/.local/share/cubelink/store.sqlite";
    return "";
}

void Store::set_patience(std::chrono::milliseconds patience) {
    const platform::MutexLock lock(impl_->mutex);
    impl_->database.set_patience(static_cast<int>(patience.count()));
}

Store::Room Store::room_of(StoreKind kind) {
    constexpr std::int64_t items = 10'000, mebibyte = std::int64_t{1} << 20;
    switch (kind) {
    case StoreKind::preferences: return {items, 4 * mebibyte};
    case StoreKind::layouts: return {items, 8 * mebibyte};
    case StoreKind::snippets: return {items, 16 * mebibyte};
    case StoreKind::workspaces: return {items, 64 * mebibyte};
    }
    return {};
}

std::vector<Store::Item> Store::list(const std::string& user, StoreKind kind) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT name, value, modified FROM items WHERE user = ? AND kind = ? ORDER BY name");
    statement.bind(user).bind(name_of(kind));
    std::vector<Item> items;
    while (statement.step()) items.push_back({statement.text(0), statement.text(1), statement.number(2)});
    return items;
}

std::vector<Store::Item> Store::list_names(const std::string& user, StoreKind kind) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT name, modified FROM items WHERE user = ? AND kind = ? ORDER BY name");
    statement.bind(user).bind(name_of(kind));
    std::vector<Item> items;
    while (statement.step()) items.push_back({statement.text(0), {}, statement.number(1)});
    return items;
}

std::optional<Store::Item> Store::get(const std::string& user, StoreKind kind, const std::string& name) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT name, value, modified FROM items WHERE user = ? AND kind = ? AND name = ?");
    statement.bind(user).bind(name_of(kind)).bind(name);
    if (!statement.step()) return std::nullopt;
    return Item{statement.text(0), statement.text(1), statement.number(2)};
}

void Store::set(const std::string& user, StoreKind kind, const std::string& name, const std::string& json) {
    set_all(user, kind, {{name, json}});
}

void Store::set_all(const std::string& user, StoreKind kind, const std::vector<std::pair<std::string, std::string>>& name_and_json) {
    const platform::MutexLock lock(impl_->mutex);
    Transaction transaction(impl_->database);
    for (const auto& [name, json] : name_and_json) impl_->set(user, kind, name, json);
    impl_->check_room(user, kind);
    transaction.commit();
}

int Store::erase(const std::string& user, StoreKind kind, const std::vector<std::string>& names) {
    const platform::MutexLock lock(impl_->mutex);
    Transaction transaction(impl_->database);
    int erased = 0;
    for (const auto& name : names) {
        Statement(impl_->database, "DELETE FROM items WHERE user = ? AND kind = ? AND name = ?").bind(user).bind(name_of(kind)).bind(name).step();
        erased += impl_->database.changes();
    }
    transaction.commit();
    return erased;
}

std::optional<std::int64_t> Store::workspace_id(const std::string& user, const std::string& name) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT id FROM items WHERE user = ? AND kind = 'workspaces' AND name = ?");
    statement.bind(user).bind(name);
    if (!statement.step()) return std::nullopt;
    return statement.number(0);
}

std::optional<std::string> Store::share_workspace(const std::string& user, std::int64_t id) {
    const platform::MutexLock lock(impl_->mutex);
    Transaction transaction(impl_->database);
    {
        Statement owned(impl_->database, "SELECT 1 FROM items WHERE id = ? AND user = ? AND kind = 'workspaces'");
        owned.bind(id).bind(user);
        if (!owned.step()) return std::nullopt;
    }
    Statement(impl_->database, "INSERT OR IGNORE INTO shares (item, key) VALUES (?, ?)").bind(id).bind(random_key()).step();
    std::string key;
    {
        Statement found(impl_->database, "SELECT key FROM shares WHERE item = ?");
        found.bind(id);
        if (found.step()) key = found.text(0);
    }
    transaction.commit();
    return key;
}

std::optional<Store::Item> Store::workspace_by_key(const std::string& key) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT name, value, modified FROM items JOIN shares ON item = id WHERE key = ?");
    statement.bind(key);
    if (!statement.step()) return std::nullopt;
    return Item{statement.text(0), statement.text(1), statement.number(2)};
}

void Store::save_session(std::uint32_t id, const Snapshot& snapshot) {
    const platform::MutexLock lock(impl_->mutex);
    Statement(impl_->database, "INSERT OR REPLACE INTO sessions (id, user, folder, state, modified) VALUES (?, ?, ?, ?, ?)")
        .bind(static_cast<std::int64_t>(id))
        .bind(snapshot.user)
        .bind(snapshot.folder)
        .bind(snapshot.state)
        .bind(snapshot.modified ? snapshot.modified : static_cast<std::int64_t>(std::time(nullptr)))
        .step();
}

std::optional<Store::Snapshot> Store::load_session(std::uint32_t id) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT user, folder, state, modified FROM sessions WHERE id = ?");
    statement.bind(static_cast<std::int64_t>(id));
    if (!statement.step()) return std::nullopt;
    return Snapshot{statement.text(0), statement.text(1), statement.text(2), statement.number(3)};
}

std::vector<std::pair<std::uint32_t, std::string>> Store::sessions_of(const std::string& folder, std::int64_t not_before) {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT id, user FROM sessions WHERE folder = ? AND modified >= ?");
    statement.bind(folder).bind(not_before);
    std::vector<std::pair<std::uint32_t, std::string>> list;
    while (statement.step()) list.emplace_back(static_cast<std::uint32_t>(statement.number(0)), statement.text(1));
    return list;
}

void Store::forget_session(std::uint32_t id) {
    const platform::MutexLock lock(impl_->mutex);
    Transaction transaction(impl_->database);
    Statement(impl_->database, "DELETE FROM sessions WHERE id = ?").bind(static_cast<std::int64_t>(id)).step();
    Statement(impl_->database, "DELETE FROM restoring WHERE session = ?").bind(static_cast<std::int64_t>(id)).step();
    transaction.commit();
}

void Store::begin_restoring(std::uint32_t session, const std::string& image) {
    const platform::MutexLock lock(impl_->mutex);
    Statement(impl_->database, "INSERT OR IGNORE INTO restoring (session, image) VALUES (?, ?)").bind(static_cast<std::int64_t>(session)).bind(image).step();
}

void Store::end_restoring(std::uint32_t session, const std::string& image) {
    const platform::MutexLock lock(impl_->mutex);
    Statement(impl_->database, "DELETE FROM restoring WHERE session = ? AND image = ?").bind(static_cast<std::int64_t>(session)).bind(image).step();
}

std::vector<std::pair<std::uint32_t, std::string>> Store::being_restored() {
    const platform::MutexLock lock(impl_->mutex);
    Statement statement(impl_->database, "SELECT session, image FROM restoring");
    std::vector<std::pair<std::uint32_t, std::string>> list;
    while (statement.step()) list.emplace_back(static_cast<std::uint32_t>(statement.number(0)), statement.text(1));
    return list;
}

void Store::forget_sessions_before(std::int64_t unix_seconds) {
    const platform::MutexLock lock(impl_->mutex);
    Transaction transaction(impl_->database);
    Statement(impl_->database, "DELETE FROM restoring WHERE session IN (SELECT id FROM sessions WHERE modified < ?)").bind(unix_seconds).step();
    Statement(impl_->database, "DELETE FROM sessions WHERE modified < ?").bind(unix_seconds).step();
    transaction.commit();
}

} // namespace cubelink::server
