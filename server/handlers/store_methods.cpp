// What is kept for a user, for wslink clients: store.list, store.get, store.set, store.delete. The same as the HTTP API keeps.

#include "server/handlers/context.hpp"
#include "server/store/store.hpp"
#include "server/store/store_worker.hpp"

#include "rpc/values/convert.hpp"
#include "rpc/json/json_reader.hpp"
#include "rpc/json/json_writer.hpp"
#include "rpc/parameter.hpp"

#include <cmath>

namespace cubelink::server {

namespace {

constexpr std::size_t max_name = 512, max_bytes = std::size_t{16} << 20; // as for the HTTP API
constexpr unsigned max_depth = 60;

using rpc::Path;
using rpc::Value;
using Values = std::vector<Value>;

StoreKind kind_of(Value&& value) {
    const auto name = rpc::from_value<std::string>(std::move(value), Path("kind"));
    if (const auto kind = store_kind_of(name)) return *kind;
    throw rpc::BadArguments("kind: \"" + name + "\" is none of preferences, layouts, snippets, workspaces");
}

std::string name_of(Value&& value) {
    auto name = rpc::from_value<std::string>(std::move(value), Path("name"));
    if (name.empty() || name.size() > max_name) throw rpc::BadArguments("name: expected 1 to " + std::to_string(max_name) + " bytes");
    return name;
}

/// JSON has no bytes, no NaN and no infinity; what is kept must come out of the HTTP API as it went in here.
void require_json(const Value& value, const Path& path, unsigned depth = 1) {
    if (depth > max_depth) throw rpc::BadArguments("value: nested deeper than " + std::to_string(max_depth) + " levels");
    if (value.is<rpc::Bytes>() || value.is<rpc::Extension>()) rpc::throw_mismatch(path, "something that JSON can say", value);
    if (const auto* number = value.get_if<double>(); number && !std::isfinite(*number)) rpc::throw_mismatch(path, "a number that JSON can say", value);
    if (const auto* array = value.get_if<rpc::Array>())
        for (std::size_t i = 0; i < array->size(); ++i) require_json((*array)[i], Path(path, i), depth + 1);
    if (const auto* map = value.get_if<rpc::Map>())
        for (const auto& [key, element] : *map) {
            const auto* name = key.get_if<std::string>();
            if (!name) rpc::throw_mismatch(path, "keys that are strings", key);
            require_json(element, Path(path, *name), depth + 1);
        }
}

std::string json_of(const Value& value, StoreKind kind) {
    if (kind != StoreKind::preferences && !value.is<rpc::Map>()) rpc::throw_mismatch(Path("value"), "a map", value);
    require_json(value, Path("value"));
    rpc::JsonWriter writer;
    writer.value(value);
    auto text = writer.take_text();
    if (text.size() > max_bytes) throw rpc::BadArguments("value: more than " + std::to_string(max_bytes >> 20) + " MiB of JSON");
    return text;
}

/// A method whose work is done by the store's thread; `check` takes the arguments apart and returns that work.
using Work = std::function<Value(Store&, const std::string& user)>;
void on_store_method(HandlerContext& context, const char* name, std::initializer_list<rpc::Parameter> list, Work (*check)(Values&&)) {
    context.methods.add_generic(name, [&context, parameters = rpc::Parameters(list), check](const rpc::CallPtr& call) {
        auto [args, kwargs] = call->take_arguments();
        auto work = check(parameters.bind(std::move(args), std::move(kwargs)));
        const auto& user = connection_of(*call).identity().user;
        context.worker->post(
            lane_of_user(user), [&store = *context.store, call, work = std::move(work), user] { call->answer(work(store, user)); },
            [call](const std::exception& e) {
                if (const auto* error = dynamic_cast<const rpc::CallError*>(&e)) call->fail(error->error());
                else call->fail_with_exception(e.what());
            });
    });
}

Work list(Values&& values) {
    return [kind = kind_of(std::move(values[0]))](Store& store, const std::string& user) -> Value {
        rpc::Array names;
        for (auto& item : store.list_names(user, kind)) names.push_back(std::move(item.name));
        return names;
    };
}

Work get(Values&& values) {
    return [kind = kind_of(std::move(values[0])), name = name_of(std::move(values[1]))](Store& store, const std::string& user) -> Value {
        const auto item = store.get(user, kind, name);
        if (!item) return {};
        auto decoded = rpc::read_json(item->json, 64);
        if (!decoded.good()) throw rpc::CallError(rpc::code::method_failed, "What is kept under that name is not JSON: " + decoded.problem);
        return std::move(decoded.message);
    };
}

Work set(Values&& values) {
    const auto kind = kind_of(std::move(values[0]));
    return [kind, name = name_of(std::move(values[1])), json = json_of(values[2], kind)](Store& store, const std::string& user) -> Value {
        store.set(user, kind, name, json);
        return {};
    };
}

Work erase(Values&& values) {
    return [kind = kind_of(std::move(values[0])), name = name_of(std::move(values[1]))](Store& store, const std::string& user) -> Value {
        return store.erase(user, kind, {name}) > 0;
    };
}

} // namespace

void register_store_methods(HandlerContext& context) {
    if (!context.store || !context.worker) return;
    on_store_method(context, "store.list", {"kind"}, list);
    on_store_method(context, "store.get", {"kind", "name"}, get);
    on_store_method(context, "store.set", {"kind", "name", "value"}, set);
    on_store_method(context, "store.delete", {"kind", "name"}, erase);
}

} // namespace cubelink::server
