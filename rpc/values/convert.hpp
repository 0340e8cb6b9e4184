#pragma once
/// Values to C++ types and back, with the place of what is wrong in the error. Thread-safe; no state.
///
///     auto numbers = from_value<std::vector<double>>(std::move(value), Path("numbers"));
///     // throws BadArguments: numbers[3]: expected a number, got "a"
///
/// bool; integers (also floats without a fraction within ±2^53, as JavaScript sends them); double and float (also integers; null is NaN,
/// as JSON.stringify writes it); std::string; Bytes; Array; Map; Value; std::vector, std::optional (null is empty) and
/// std::map<std::string, T> of these. A number that the type cannot hold is an error.

#include "rpc/error.hpp"
#include "rpc/values/value.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cubelink::rpc {

/// Where a value stands: "numbers[3].x". Lives on the stack beside the recursion; rendered only for an error.
class Path {
public:
    explicit Path(std::string_view name) : name_(name) {}
    Path(const Path& parent, std::string_view key) : parent_(&parent), name_(key) {}
    Path(const Path& parent, std::size_t index) : parent_(&parent), index_(index), is_index_(true) {}
    std::string text() const;

private:
    const Path* parent_ = nullptr;
    std::string_view name_;
    std::size_t index_ = 0;
    bool is_index_ = false;
};

/// Throws BadArguments: "<path>: expected <what>, got <value>".
[[noreturn]] void throw_mismatch(const Path& path, std::string_view expected, const Value& got);

/// An integer within the bounds. Throws BadArguments.
std::int64_t integer_from_value(const Value& value, const Path& path, std::int64_t least, std::int64_t most);
std::uint64_t unsigned_from_value(const Value& value, const Path& path, std::uint64_t most);
double number_from_value(const Value& value, const Path& path);
float float_from_value(const Value& value, const Path& path);

namespace detail {

template <class T>
struct FromValue; // not one of the types above

template <class T>
T held(Value&& value, const Path& path, std::string_view expected) {
    if (T* same = value.get_if<T>()) return std::move(*same);
    throw_mismatch(path, expected, value);
}

template <>
struct FromValue<Value> {
    static Value get(Value&& value, const Path&) { return std::move(value); }
};
template <>
struct FromValue<bool> {
    static bool get(Value&& value, const Path& path) { return held<bool>(std::move(value), path, "true or false"); }
};
template <>
struct FromValue<std::string> {
    static std::string get(Value&& value, const Path& path) { return held<std::string>(std::move(value), path, "a string"); }
};
template <>
struct FromValue<Bytes> {
    static Bytes get(Value&& value, const Path& path) { return held<Bytes>(std::move(value), path, "bytes"); }
};
template <>
struct FromValue<Array> {
    static Array get(Value&& value, const Path& path) { return held<Array>(std::move(value), path, "a list"); }
};
template <>
struct FromValue<Map> {
    static Map get(Value&& value, const Path& path) { return held<Map>(std::move(value), path, "a map"); }
};
template <>
struct FromValue<double> {
    static double get(Value&& value, const Path& path) { return number_from_value(value, path); }
};
template <>
struct FromValue<float> {
    static float get(Value&& value, const Path& path) { return float_from_value(value, path); }
};
template <std::integral T>
struct FromValue<T> {
    static T get(Value&& value, const Path& path) {
        using Limits = std::numeric_limits<T>;
        if constexpr (std::unsigned_integral<T>)
            return static_cast<T>(unsigned_from_value(value, path, Limits::max()));
        else
            return static_cast<T>(integer_from_value(value, path, Limits::min(), Limits::max()));
    }
};
template <class T>
struct FromValue<std::vector<T>> {
    static std::vector<T> get(Value&& value, const Path& path) {
        Array array = held<Array>(std::move(value), path, "a list");
        std::vector<T> elements;
        elements.reserve(array.size());
        for (std::size_t i = 0; i < array.size(); ++i) elements.push_back(FromValue<T>::get(std::move(array[i]), Path(path, i)));
        return elements;
    }
};
template <class T>
struct FromValue<std::optional<T>> {
    static std::optional<T> get(Value&& value, const Path& path) {
        if (value.is_null()) return std::nullopt;
        return FromValue<T>::get(std::move(value), path);
    }
};
template <class T>
struct FromValue<std::map<std::string, T>> {
    static std::map<std::string, T> get(Value&& value, const Path& path) {
        Map map = held<Map>(std::move(value), path, "a map");
        std::map<std::string, T> entries;
        for (auto& [key, element] : map) {
            const std::string name = FromValue<std::string>::get(std::move(key), path);
            entries.emplace(name, FromValue<T>::get(std::move(element), Path(path, name)));
        }
        return entries;
    }
};

} // namespace detail

/// Throws BadArguments.
template <class T>
T from_value(Value&& value, const Path& path) {
    return detail::FromValue<T>::get(std::move(value), path);
}

/// Value and everything a Value is made from; std::vector, std::optional and std::map of these.
template <class T>
requires std::constructible_from<Value, T> Value to_value(T&& value) { return Value(std::forward<T>(value)); }
template <class T>
Value to_value(std::optional<T> value);
template <class T>
Value to_value(std::map<std::string, T> entries);
template <class T>
requires(!std::same_as<T, Value>) Value to_value(std::vector<T> elements) {
    Array array;
    array.reserve(elements.size());
    for (auto&& element : elements) array.push_back(to_value(T(std::move(element))));
    return array;
}
template <class T>
Value to_value(std::optional<T> value) {
    return value ? to_value(std::move(*value)) : Value();
}
template <class T>
Value to_value(std::map<std::string, T> entries) {
    Map map;
    map.reserve(entries.size());
    for (auto& [key, element] : entries) map.append(key, to_value(std::move(element)));
    return map;
}

} // namespace cubelink::rpc
