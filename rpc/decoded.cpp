#include "rpc/decoded.hpp"

#include <algorithm>

namespace cubelink::rpc {

namespace {

/// Any total order of keys (strings and integers) in which equal ones are neighbours.
bool key_less(const Value* a, const Value* b) {
    const auto* x = a->get_if<std::string>();
    const auto* y = b->get_if<std::string>();
    if (x && y) return *x < *y;
    if (x || y) return y != nullptr;
    if (a->storage().index() != b->storage().index()) return a->storage().index() < b->storage().index();
    if (const auto* i = a->get_if<std::int64_t>()) return *i < *b->get_if<std::int64_t>();
    return *a->get_if<std::uint64_t>() < *b->get_if<std::uint64_t>();
}

bool same_key(const Value& a, const Value& b) {
    const auto* x = a.get_if<std::string>();
    const auto* y = b.get_if<std::string>();
    return x && y ? *x == *y : a == b;
}

void refuse(std::string id, std::string method, std::string message, DialectSink& sink) {
    sink.on_bad_request(Reply{std::move(id), std::move(method), nullptr, Error{code::bad_arguments, std::move(message), {}}});
}

/// args and kwargs into the request; what is wrong with them, if anything.
std::string take_arguments(Map& message, Request& request) {
    if (Value* args = message.find("args"); args && !args->is_null()) {
        auto* list = args->get_if<Array>();
        if (!list) return "args: expected a list, got " + brief(*args);
        request.args = std::move(*list);
    }
    if (Value* kwargs = message.find("kwargs"); kwargs && !kwargs->is_null()) {
        auto* map = kwargs->get_if<Map>();
        if (!map) return "kwargs: expected a map, got " + brief(*kwargs);
        for (const auto& [key, value] : *map)
            if (!key.is<std::string>()) return "kwargs: expected names as keys, got " + brief(key);
        request.kwargs = std::move(*map);
    }
    return {};
}

} // namespace

const Value* duplicate_key(const Map& map) {
    if (map.size() <= 8) {
        for (auto a = map.begin(); a != map.end(); ++a)
            for (auto b = map.begin(); b != a; ++b)
                if (same_key(a->first, b->first)) return &a->first;
        return nullptr;
    }
    std::vector<const Value*> keys;
    keys.reserve(map.size());
    for (const auto& [key, value] : map) keys.push_back(&key);
    std::sort(keys.begin(), keys.end(), key_less);
    const auto twin = std::adjacent_find(keys.begin(), keys.end(), [](const Value* a, const Value* b) { return *a == *b; });
    return twin == keys.end() ? nullptr : *twin;
}

void deliver(Decoded&& decoded, std::string_view wire, DialectSink& sink) {
    if (!decoded.good()) {
        std::string reason = "bad " + std::string(wire) + ": " + decoded.problem;
        if (decoded.id) return refuse(std::move(*decoded.id), "", std::move(reason), sink);
        return sink.on_broken(close_code::invalid_data, reason);
    }
    auto* message = decoded.message.get_if<Map>();
    if (!message) return sink.on_broken(close_code::protocol_error, "a message must be a map, not " + brief(decoded.message));
    Value* id = message->find("id");
    if (!id || id->is_null()) return sink.on_ignored("a message without an id: " + brief(decoded.message));
    if (!id->is<std::string>()) return sink.on_broken(close_code::protocol_error, "id: expected a string, got " + brief(*id));

    Request request;
    request.id = std::move(*id->get_if<std::string>());
    Value* method = message->find("method");
    auto* name = method ? method->get_if<std::string>() : nullptr;
    if (!name) {
        const std::string got = method ? brief(*method) : "nothing";
        return refuse(std::move(request.id), "", "method: expected a name, got " + got, sink);
    }
    request.method = std::move(*name);
    if (std::string problem = take_arguments(*message, request); !problem.empty())
        return refuse(std::move(request.id), std::move(request.method), std::move(problem), sink);
    sink.on_request(std::move(request));
}

} // namespace cubelink::rpc
