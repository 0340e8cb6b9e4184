#pragma once
/// A thin cover over SQLite's C interface: statements that bind, step and clean up after themselves. Errors are StoreError.

#include "server/store/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace cubelink::server::sqlite {

class Database {
public:
    explicit Database(const std::string& path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    void execute(const char* sql);
    /// Throws what went wrong last: StoreBusy if it was another program's lock.
    [[noreturn]] void fail() const;
    /// How long statements wait for such a lock.
    void set_patience(int milliseconds) { sqlite3_busy_timeout(handle_, milliseconds); }
    /// The number of rows that the last statement changed.
    int changes() const { return sqlite3_changes(handle_); }
    sqlite3* handle() const { return handle_; }

private:
    std::string path_;
    sqlite3* handle_ = nullptr;
};

class Statement {
public:
    Statement(Database& database, const char* sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::string_view text);
    Statement& bind(std::int64_t number);
    /// True while there is a row.
    bool step();
    std::string text(int column) const;
    std::int64_t number(int column) const { return sqlite3_column_int64(handle_, column); }

private:
    Database& database_;
    sqlite3_stmt* handle_ = nullptr;
    int bound_ = 0;
};

/// Rolled back unless commit() is reached.
class Transaction {
public:
    explicit Transaction(Database& database) : database_(database) { database_.execute("BEGIN IMMEDIATE"); }
    ~Transaction() {
        if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit() {
        database_.execute("COMMIT");
        open_ = false;
    }

private:
    Database& database_;
    bool open_ = true;
};

} // namespace cubelink::server::sqlite
