#include "server/files/jail.hpp"

#include "rpc/values/utf8.hpp"
#include "server/files/file_names.hpp"
#include "server/files/temporary_names.hpp"

#include <cerrno>
#include <climits>
#include <memory>
#include <system_error>

namespace cubelink::server {

using platform::os;

namespace {

/// Upper bound for a client's path, in bytes: more than any file system accepts.
constexpr std::size_t max_path_bytes = 32768;

std::string join(const std::vector<std::string>& components) {
    std::string path;
    for (const auto& component : components) {
        if (!path.empty()) path += '/';
        path += component;
    }
    return path;
}

bool is_below(std::string_view path, std::string_view folder) {
    if (folder == "/") return true;
    return path.substr(0, folder.size()) == folder && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string reason(int error) { return std::generic_category().message(error); }

/// Where the open file is, all links resolved; empty if the kernel can't say.
std::string real_path_of(const Descriptor& open) {
    char path[PATH_MAX];
    const auto n = os().readlinkat(AT_FDCWD, path_through(open).c_str(), path, sizeof path);
    if (n <= 0 || n >= static_cast<ssize_t>(sizeof path)) return {};
    return {path, static_cast<std::size_t>(n)};
}

std::string real_folder(const std::string& folder) {
    std::unique_ptr<char, void (*)(void*)> real(::realpath(folder.c_str(), nullptr), ::free);
    if (!real) throw PathError("\"" + folder + "\": " + reason(errno));
    return real.get();
}

std::string without_base(std::string_view text) {
    std::string path(text);
    for (std::size_t at; (at = path.find("$BASE")) != std::string::npos;) path.erase(at, 5);
    return path;
}

/// The entry of an open folder that is not UTF-8 and is shown under that name; empty if there is none.
std::string entry_shown_as(const Descriptor& folder, const std::string& shown) {
    const FolderStream entries = entries_of(folder.get());
    if (!entries) return {};
    while (const dirent* entry = os().readdir(entries.get()))
        if (!rpc::is_utf8(entry->d_name) && shown_name(entry->d_name) == shown) return entry->d_name;
    return {};
}

bool exists(int folder, const std::string& name) {
    struct stat status;
    return os().fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/// What is wrong with the name of a new file, if anything.
const char* fault_of(const std::string& name) {
    if (name.size() > NAME_MAX) return "is too long for a file name";
    if (name.starts_with(temporary_prefix)) return "is a name that the server uses for its temporary files";
    if (!rpc::is_utf8(name)) return "is not valid UTF-8";
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "contains control characters";
    return nullptr;
}

} // namespace

std::vector<std::string> clean_components(std::string_view path) {
    if (path.find('\0') != std::string_view::npos) throw ForbiddenPath();
    std::vector<std::string> components;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto component = path.substr(0, slash);
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
        if (component.empty() || component == ".") continue;
        if (component == "..") {
            if (components.empty()) throw ForbiddenPath();
            components.pop_back();
        } else {
            components.emplace_back(component);
        }
    }
    return components;
}

Jail::Jail(const std::string& folder, const std::vector<std::string>& links_may_lead_to) : top_(real_folder(folder)) {
    allowed_.push_back(top_);
    for (const auto& other : links_may_lead_to) allowed_.push_back(real_folder(other));
}

bool Jail::allows(std::string_view real_path) const {
    for (const auto& folder : allowed_)
        if (is_below(real_path, folder)) return true;
    return false;
}

/// The path of those components in the file system's own bytes: a name that may stand for one that is not UTF-8 is looked up.
std::string Jail::find_bytes(const std::vector<std::string>& components) const {
    std::string path = top_;
    for (const auto& component : components) {
        std::string bytes = component;
        if (may_be_shown_name(component) && !exists(AT_FDCWD, path + "/" + component)) {
            // Only folders of the jail are searched, also while a name is being looked up.
            const Descriptor folder(os().open(path.c_str(), O_PATH));
            if (!folder || !allows(real_path_of(folder))) throw ForbiddenPath();
            const auto found = entry_shown_as(folder, component);
            if (!found.empty()) bytes = found;
        }
        path += "/" + bytes;
    }
    return path;
}

/// How many of the components lead to something, and whether that is inside.
Jail::Reached Jail::first_folders(const std::vector<std::string>& components) const {
    Reached reached{0, true};
    std::vector<std::string> path;
    for (const auto& component : components) {
        path.push_back(component);
        const Descriptor folder(os().open(find_bytes(path).c_str(), O_PATH));
        if (!folder) break;
        reached = {path.size(), allows(real_path_of(folder))};
        if (!reached.inside) break;
    }
    return reached;
}

Jail::ClientPath Jail::parse(std::string_view directory, std::string_view name) const {
    if (directory.size() + name.size() > max_path_bytes) throw PathError("The name of the file or folder is too long.");
    std::string path = without_base(directory);
    // "/" alone, and what follows "$BASE", are of the top.
    bool absolute = !path.empty() && path[0] == '/' && directory[0] == '/' && path.find_first_not_of('/') != std::string::npos;
    if (absolute && is_below(path, top_)) {
        path.erase(0, top_.size());
        absolute = false;
    }
    if (!name.empty()) {
        // A file may be named by its absolute path too, as long as that leads here.
        if (path.empty() && name[0] == '/' && is_below(name, top_)) name.remove_prefix(top_.size());
        else if (name[0] == '/') absolute = true;
        path += '/';
        path += name;
    }
    return {clean_components(path), absolute};
}

JailedPath Jail::open(std::string_view directory, std::string_view name) const {
    const auto [components, absolute] = parse(directory, name);
    JailedPath result;
    result.relative = shown_name(join(components));
    result.name = components.empty() ? std::string() : shown_name(components.back());
    const std::string path = find_bytes(components);
    result.descriptor = Descriptor(os().open(path.c_str(), O_PATH));
    if (!result.descriptor) {
        const int error = errno;
        // Clients don't learn what exists outside: it is forbidden, not missing. An absolute path is taken as relative to the top
        // ("/sub/image.fits", as CARTA's Python client writes them) if it begins with a folder there.
        const auto found = first_folders(components);
        if (!found.inside || (absolute && found.count == 0)) throw ForbiddenPath();
        throw PathError("\"" + result.relative + "\": " + reason(error) + ".");
    }
    result.real_path = real_path_of(result.descriptor);
    if (result.real_path.empty() || !allows(result.real_path)) throw ForbiddenPath();
    if (os().fstat(result.descriptor.get(), &result.status) != 0)
        throw PathError("\"" + result.relative + "\": " + reason(errno) + ".");
    return result;
}

JailedPath Jail::open_folder(std::string_view directory) const {
    auto path = open(directory);
    if (!path.is_folder()) throw PathError("\"" + path.relative + "\" is not a folder.");
    return path;
}

JailedPath Jail::open_file(std::string_view directory, std::string_view name) const {
    auto path = open(directory, name);
    if (!path.is_file() && !path.is_folder()) throw PathError("\"" + path.relative + "\" is neither a file nor a folder.");
    if (path.is_file()) {
        if (os().faccessat(AT_FDCWD, path_through(path.descriptor).c_str(), R_OK) != 0) throw PathError("\"" + path.relative + "\": " + reason(errno) + ".");
    }
    return path;
}

JailedPlace Jail::open_place(std::string_view directory, std::string_view name) const {
    const auto [components, absolute] = parse(directory, name);
    if (name.empty() || components.empty()) throw PathError("The file to write needs a name.");
    if (absolute && components.size() == 1) throw ForbiddenPath(); // "/name" is not of the top
    JailedPlace place;
    place.name = components.back();
    place.relative = shown_name(join(components));
    if (const char* fault = fault_of(place.name)) throw PathError("\"" + place.relative + "\" " + fault + ".");
    const auto path = (absolute ? "/" : "") + join({components.begin(), components.end() - 1});
    const auto folder = open_folder(path);
    place.folder = Descriptor(os().open(path_through(folder.descriptor).c_str(), O_RDONLY | O_DIRECTORY));
    if (!place.folder) throw PathError("\"" + folder.relative + "\": " + reason(errno) + ".");
    if (may_be_shown_name(place.name) && !exists(place.folder.get(), place.name)) {
        const auto found = entry_shown_as(place.folder, place.name);
        if (!found.empty()) place.name = found;
    }
    return place;
}

bool Jail::contains(const Descriptor& folder) const {
    const std::string path = real_path_of(folder);
    return !path.empty() && allows(path);
}

} // namespace cubelink::server
