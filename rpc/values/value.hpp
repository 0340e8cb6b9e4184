#pragma once
/// A wslink value: what JSON can say, and bytes, and what msgpack adds (extension types, integer keys).
///
/// Plain data with value semantics; not synchronised. Copying is deep except for Bytes, which share.

#include "rpc/values/bytes.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cubelink::rpc {

class Value;
using Array = std::vector<Value>;

/// Key and value pairs in the order in which they came or were put. Keys are strings; in values from clients also integers.
class Map {
public:
    using Entry = std::pair<Value, Value>;
    using Entries = std::vector<Entry>;

    Map() = default;
    Map(std::initializer_list<std::pair<std::string, Value>> entries);

    /// The value under a string key, or nullptr.
    const Value* find(std::string_view key) const;
    Value* find(std::string_view key);

    /// The value under `key`, made null if there was none.
    Value& operator[](std::string_view key);

    /// Appends without looking for an entry of the same key; decoders reject duplicates themselves.
    void append(Value key, Value value);
    /// The same with key and value null, to be filled in where they are.
    Entry& append();

    // Defined below Value, which is incomplete here.
    std::size_t size() const;
    bool empty() const;
    void reserve(std::size_t n);
    Entries::const_iterator begin() const;
    Entries::const_iterator end() const;
    Entries::iterator begin();
    Entries::iterator end();

    friend bool operator==(const Map& a, const Map& b);

private:
    Entries entries_;
};

/// A msgpack extension value (a timestamp is type -1); goes back as it came. Generation 1 cannot express it.
struct Extension {
    std::int8_t type = 0;
    Bytes data;
    friend bool operator==(const Extension&, const Extension&) = default;
};

class Value {
public:
    /// uint64_t is held only above INT64_MAX; every other integer is an int64_t.
    using Storage = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Array, Map, Extension>;

    Value() = default;
    Value(std::nullptr_t) {}
    Value(bool b) : storage_(b) {}
    template <class T>
    requires(std::integral<T> && !std::same_as<T, bool>) Value(T i) {
        if constexpr (std::unsigned_integral<T> && sizeof(T) == 8) {
            if (i > static_cast<std::uint64_t>(INT64_MAX)) {
                storage_ = static_cast<std::uint64_t>(i);
                return;
            }
        }
        storage_ = static_cast<std::int64_t>(i);
    }
    Value(double d) : storage_(d) {}
    Value(float d) : storage_(static_cast<double>(d)) {}
    Value(const char* text) : storage_(std::string(text)) {}
    Value(std::string_view text) : storage_(std::string(text)) {}
    Value(std::string text) : storage_(std::move(text)) {}
    Value(Bytes bytes) : storage_(std::move(bytes)) {}
    Value(Array array) : storage_(std::move(array)) {}
    Value(Map map) : storage_(std::move(map)) {}
    Value(Extension extension) : storage_(std::move(extension)) {}

    bool is_null() const { return std::holds_alternative<std::monostate>(storage_); }
    template <class T>
    bool is() const {
        return std::holds_alternative<T>(storage_);
    }
    /// The held alternative, or nullptr if another is held.
    template <class T>
    const T* get_if() const {
        return std::get_if<T>(&storage_);
    }
    template <class T>
    T* get_if() {
        return std::get_if<T>(&storage_);
    }
    const Storage& storage() const { return storage_; }
    Storage& storage() { return storage_; }

    /// What the value is, in the words of error messages: "null", "bool", "integer", "float", "string", "bytes", "list", "map",
    /// "extension".
    std::string_view kind() const;

    /// NaN equals NaN here, so that tests can compare whole values.
    friend bool operator==(const Value& a, const Value& b);

private:
    Storage storage_;
};

inline std::size_t Map::size() const { return entries_.size(); }
inline bool Map::empty() const { return entries_.empty(); }
inline Map::Entry& Map::append() { return entries_.emplace_back(); }
inline void Map::reserve(std::size_t n) { entries_.reserve(n); }
inline Map::Entries::const_iterator Map::begin() const { return entries_.begin(); }
inline Map::Entries::const_iterator Map::end() const { return entries_.end(); }
inline Map::Entries::iterator Map::begin() { return entries_.begin(); }
inline Map::Entries::iterator Map::end() { return entries_.end(); }

/// A short JSON-like rendering for logs and error messages, cut after about `limit` characters; bytes as their length.
std::string brief(const Value& value, std::size_t limit = 80);

} // namespace cubelink::rpc
