#include "server/api/api_database.hpp"

#include "server/net/http/json_body.hpp"
#include "server/store/store.hpp"

#include <charconv>
#include <optional>

namespace cubelink::server {

using nlohmann::json;

namespace {

constexpr std::size_t max_name = 512;

std::string name_in(const json& body, const char* field) {
    const auto found = body.is_object() ? body.find(field) : body.end();
    if (!body.is_object() || found == body.end() || !found->is_string()) throw ApiError(400, std::string(field) + ": expected a string");
    auto name = found->get<std::string>();
    if (name.empty() || name.size() > max_name) throw ApiError(400, std::string(field) + ": expected 1 to " + std::to_string(max_name) + " bytes");
    return name;
}

const json& object_in(const json& body, const char* field) {
    const auto found = body.find(field);
    if (found == body.end() || !found->is_object()) throw ApiError(400, std::string(field) + ": expected an object");
    return *found;
}

json stored(const std::string& text) {
    auto value = json::parse(text, nullptr, false);
    return value.is_discarded() ? json() : value;
}

/// name: value, of all that is stored of a kind.
json all(Store& store, const std::string& user, StoreKind kind) {
    json items = json::object();
    for (const auto& item : store.list(user, kind)) items[item.name] = stored(item.json);
    return items;
}

json preferences(Store& store, const std::string& user, const std::string& method, const json& body) {
    if (method == "GET") {
        auto items = all(store, user, StoreKind::preferences);
        // The page reads the keys by this version; a user without preferences has none of an older one.
        if (!items.contains("version")) items["version"] = 2;
        return {{"success", true}, {"preferences", items}};
    }
    if (method == "PUT") {
        if (!body.is_object()) throw ApiError(400, "the body must be a JSON object");
        std::vector<std::pair<std::string, std::string>> items;
        for (const auto& [name, value] : body.items()) {
            if (name.empty() || name.size() > max_name) throw ApiError(400, "a preference's name has 1 to " + std::to_string(max_name) + " bytes");
            items.emplace_back(name, value.dump());
        }
        store.set_all(user, StoreKind::preferences, items);
        return {{"success", true}};
    }
    if (method == "DELETE") {
        const auto keys = body.is_object() ? body.find("keys") : body.end();
        if (!body.is_object() || keys == body.end() || !keys->is_array()) throw ApiError(400, "keys: expected a list");
        std::vector<std::string> names;
        for (const auto& key : *keys) {
            if (!key.is_string()) throw ApiError(400, "keys[" + std::to_string(names.size()) + "]: expected a string");
            names.push_back(key.get<std::string>());
        }
        store.erase(user, StoreKind::preferences, names);
        return {{"success", true}};
    }
    throw ApiError::wrong_method("GET, PUT, DELETE");
}

/// PUT and DELETE of one layout or snippet.
json put_or_delete(Store& store, const std::string& user, StoreKind kind, const std::string& method, const json& body, const char* name_field,
                   const char* value_field) {
    if (method != "PUT" && method != "DELETE") throw ApiError::wrong_method("PUT, DELETE");
    const auto name = name_in(body, name_field);
    if (method == "PUT") {
        const auto text = object_in(body, value_field).dump();
        store.set(user, kind, name, text);
        return {{"success", true}};
    }
    if (!store.erase(user, kind, {name})) throw ApiError(404, std::string("there is no ") + value_field + " of that name");
    return {{"success", true}};
}

json workspace(Store& store, const std::string& user, const std::string& method, const std::string& rest, const json& body) {
    if (method == "GET") {
        constexpr std::string_view by_key = "/key/";
        std::optional<Store::Item> item;
        if (rest.compare(0, by_key.size(), by_key) == 0) item = store.workspace_by_key(rest.substr(by_key.size()));
        if (!item && rest.size() > 1) item = store.get(user, StoreKind::workspaces, rest.substr(1)); // a name may begin with "key/" too
        if (!item) throw ApiError(404, "there is no such workspace");
        return {{"success", true}, {"workspace", stored(item->json)}};
    }
    auto answer = put_or_delete(store, user, StoreKind::workspaces, method, body, "workspaceName", "workspace");
    if (method == "PUT") {
        const auto name = name_in(body, "workspaceName");
        if (const auto id = store.workspace_id(user, name)) answer["workspace"] = {{"id", std::to_string(*id)}, {"name", name}, {"editable", true}};
    }
    return answer;
}

json share(Store& store, const std::string& user, const std::string& method, std::string_view id_text) {
    if (method != "POST") throw ApiError::wrong_method("POST");
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(id_text.data(), id_text.data() + id_text.size(), id);
    if (error != std::errc() || end != id_text.data() + id_text.size()) throw ApiError(404, "there is no such workspace");
    const auto key = store.share_workspace(user, id);
    if (!key) throw ApiError(404, "there is no such workspace");
    return {{"success", true}, {"shareKey", *key}};
}

json listed(Store& store, const std::string& user, const std::string& method, StoreKind kind, const char* field) {
    if (method != "GET") throw ApiError::wrong_method("GET, HEAD");
    return {{"success", true}, {field, all(store, user, kind)}};
}

} // namespace

json answer_database(Store& store, const std::string& user, const std::string& method, const std::string& path, const json& body) {
    const auto below = [&](std::string_view prefix) { return path.compare(0, prefix.size(), prefix) == 0; };
    if (path == "/database/preferences") return preferences(store, user, method, body);
    if (path == "/database/layouts") return listed(store, user, method, StoreKind::layouts, "layouts");
    if (path == "/database/snippets") return listed(store, user, method, StoreKind::snippets, "snippets");
    if (path == "/database/layout") return put_or_delete(store, user, StoreKind::layouts, method, body, "layoutName", "layout");
    if (path == "/database/snippet") return put_or_delete(store, user, StoreKind::snippets, method, body, "snippetName", "snippet");
    if (path == "/database/list/workspaces") {
        if (method != "GET") throw ApiError::wrong_method("GET, HEAD");
        json items = json::array();
        for (const auto& item : store.list_names(user, StoreKind::workspaces)) items.push_back({{"name", item.name}, {"date", item.modified}});
        return {{"success", true}, {"workspaces", items}};
    }
    if (path == "/database/workspace" || below("/database/workspace/"))
        return workspace(store, user, method, path.substr(std::string_view("/database/workspace").size()), body);
    if (below("/database/share/workspace/")) return share(store, user, method, std::string_view(path).substr(std::string_view("/database/share/workspace/").size()));
    throw ApiError(404, "there is nothing at /api" + path);
}

} // namespace cubelink::server
