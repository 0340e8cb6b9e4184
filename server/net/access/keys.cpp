#include "server/net/access/keys.hpp"

#include "rpc/secret.hpp"
#include "server/net/http/json_body.hpp"

#include <fstream>
#include <iterator>

namespace cubelink::server {

using nlohmann::json;

namespace {

constexpr std::size_t shortest_key = 8;

Permissions permissions_of(const json& entry, const std::string& where) {
    Permissions permissions;
    permissions.save = false;
    const auto found = entry.find("permissions");
    if (found == entry.end()) return permissions;
    if (!found->is_array()) throw KeysError(where + ".permissions: expected a list");
    for (const auto& item : *found) {
        const auto name = item.is_string() ? item.get<std::string>() : std::string();
        if (name == "save") {
            permissions.save = true;
        } else if (name == "share") {
            permissions.share = true;
        } else if (name == "admin") {
            permissions.admin = true;
        } else if (name != "view") {
            throw KeysError(where + ".permissions: expected view, save, share or admin");
        }
    }
    return permissions;
}

} // namespace

Keys::Keys(std::string own_secret) {
    if (!own_secret.empty()) entries_.push_back({std::move(own_secret), Identity{}});
}

void Keys::load(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw KeysError(path + ": cannot be read");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::string error;
    const auto list = parse_json_body(text, error);
    if (!list) throw KeysError(path + ": " + error);
    if (!list->is_array()) throw KeysError(path + ": expected a list of {key, user, permissions}");
    std::size_t index = 0;
    for (const auto& item : *list) {
        const std::string where = path + ": [" + std::to_string(index++) + "]";
        if (!item.is_object()) throw KeysError(where + ": expected {key, user, permissions}");
        for (const auto& [name, value] : item.items())
            if (name != "key" && name != "user" && name != "permissions") throw KeysError(where + "." + name + ": there is no such field");
        const auto key = item.value("key", json()), user = item.value("user", json());
        if (!key.is_string() || key.get_ref<const std::string&>().size() < shortest_key)
            throw KeysError(where + ".key: expected a string of at least " + std::to_string(shortest_key) + " characters");
        if (!user.is_string() || user.get_ref<const std::string&>().empty()) throw KeysError(where + ".user: expected a name");
        Entry entry{key.get<std::string>(), {user.get<std::string>(), permissions_of(item, where)}};
        for (const auto& other : entries_)
            if (other.key == entry.key) throw KeysError(where + ".key: appears twice, or is the server's own secret");
        entries_.push_back(std::move(entry));
    }
}

std::optional<Identity> Keys::identify(std::string_view secret) const {
    const Entry* right = nullptr;
    for (const auto& entry : entries_)
        if (rpc::equal_in_constant_time(entry.key, secret)) right = &entry; // no early end: the time must not tell which it was
    if (!right) return std::nullopt;
    return right->identity;
}

} // namespace cubelink::server
